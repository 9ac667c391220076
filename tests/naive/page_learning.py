"""Learning as docs/arithmetic.md states it, in plain Python; shares nothing with the product.

Its origin is that of ``page_inference``. A learning program is a dictionary:
``program`` as ``page_inference.unpacked`` builds it, ``layers`` with the fields that
the page names, ``slots`` and ``die_seed``.
"""

import math
from typing import Any

from tests.naive.page_inference import (
    MASK16,
    Key,
    clip,
    gaussian,
    key_of,
    line_of,
    noise_scale,
    partial_sums,
    rshift_round,
    voltage,
    word,
)

BACK, TRAIN, DEVICE, CYCLE = 0x6E647262, 0x6E647270, 0x6E647264, 0x6E647263
ROWS, COLUMNS, NEURONS = 0, 1, 2
MIX = 0x7C15, 0x4A7C, 0x7F4A, 0xB97F, 0x79B9, 0x3779
Errors = tuple[list[int], int]
"""Codes of errors and their power of two."""
Law = dict[str, Any]


def weight(s: int) -> int:
    return clip(rshift_round(s, 8), -255, 255)


# What is drawn.


def layer_key(seed: int, domain: int, layer: int, update: int, train: int = 0) -> Key:
    return key_of(seed, domain, 0, layer << 24 | train << 8, update)


def slots(x: int, y: int, count: int) -> list[int]:
    numbers: list[int] = []
    for pair in range((count + 1) // 2):
        a, b = x ^ (pair * 0x9E37 & MASK16), y
        for constant in MIX:
            once, twice, byte = ((a << n | a >> 16 - n) & MASK16 for n in (1, 2, 8))
            a, b = b ^ (once & byte) ^ twice ^ constant, a
        numbers += a, b
    return numbers[:count]


def train(key: Key, number: int, threshold: int, count: int) -> list[bool]:
    """Whether row or column ``number`` pulses, slot by slot."""
    return [slot < threshold for slot in slots(*word(key, 0, number), count)]


# Devices.


def two(table: Any, half: int, first: int) -> int:
    """The sum of the entries of nibbles ``first`` and ``first + 1`` of half a word."""
    return int(table[half >> 4 * first & 15]) + int(table[half >> 4 * first + 4 & 15])


def moved(law: Law, s: int, count: int, up: bool, own: tuple[int, int], drawn: tuple[int, int]) -> int:
    """A state after ``count`` pulses; ``own``: the device's word, ``drawn``: the update's."""
    if not count:
        return s
    asymmetry = two(law["asymmetry"], own[1], 2)
    own_step = clip(two(law["step"], own[1], 0) + (asymmetry if up else -asymmetry), 0, 4095)
    high = clip(64 * two(law["upper"], own[0], 0), 0, 131071)
    low = clip(64 * two(law["lower"], own[0], 2), -131072, 0)
    factor = clip(256 - rshift_round(law["slope_up" if up else "slope_down"] * s, 24), 0, 511)
    noise_factor, way = factor, "up" if up else "down"
    if law["steps"] is not None:
        entry = clip(s + 65536 >> 11, 0, 63)
        factor, noise_factor = (int(law["steps"][name][entry]) for name in (way, f"noise_{way}"))
    step, noise_step = rshift_round(own_step * factor, 8), rshift_round(own_step * noise_factor, 8)
    noise = rshift_round(round(256 * math.sqrt(count)) * two(law["cycle"], drawn[1], 0), 8)
    change = 64 * count * step + noise * noise_step + (drawn[0] >> 16 - law["step_shift"])
    change >>= law["step_shift"]
    return clip(s + change if up else s - change, low, high)


# One update.


def scaled(t: list[int]) -> Errors:
    """The largest with 8 bits, and the power of two that was taken away."""
    largest = max(abs(v) for v in t)
    if not largest:
        return t, 0
    power = largest.bit_length() - 8
    return [clip(rshift_round(v, power) if power > 0 else v << -power, -255, 255) for v in t], power


class Layer:
    """The devices of one layer, and what a sample leaves in it."""

    def __init__(
        self, number: int, step: dict[str, Any], fields: dict[str, Any], program: dict[str, Any]
    ) -> None:
        self.number, self.step, self.program = number, step, program
        self.fields, self.tuned, self.transfer = fields, fields["tuned"], fields["transfer"]
        self.states: list[list[int]] = fields["states"].tolist()
        self.inputs, self.outputs = len(step["weights"]), len(step["bias"])
        self.fast = self.inputs + 1 + (self.tuned is not None)
        self.x: list[int] = []
        self.v: list[int] = []
        self.curve: list[int] = []
        self.derivative: list[int] = []

    def codes(self, k: int) -> list[int]:
        """Weights of row k; with tiles, of their sum."""
        totals, factor, height = [s << 16 for s in self.states[k]], 1 << 16, self.inputs + 1
        if self.transfer is not None and "gamma" in self.transfer:
            count = self.transfer["count"]
            for n in range(1, count + 1):
                factor = rshift_round(factor * self.transfer["gamma"], 16)
                first = self.fast + (count - n) * height + k
                pairs = zip(self.states[first], self.states[first + count * height], strict=True)
                totals = [t + factor * (s - r) for t, (s, r) in zip(totals, pairs, strict=True)]
        return [clip(rshift_round(t, 24), -255, 255) for t in totals]

    def weights(self) -> list[list[int]]:
        return [self.codes(k) for k in range(self.inputs)]

    def forward(self, x: list[int], update: int, seed: int, noise: bool) -> tuple[list[int], list[int]]:
        """z and y."""
        step, fields, columns = self.step, self.fields, range(self.outputs)
        draw = (seed, 0, update) if noise else None
        rows, read = self.program["rows"], step | {"weights": self.weights()}
        p = partial_sums(x, read, rows, columns, self.number, draw)
        biases = [code * fields["bias_gain"] for code in self.codes(self.inputs)]
        z = [p[m] + int(fields["bias"][m]) + rshift_round(biases[m], fields["bias_shift"]) for m in columns]
        self.x, self.v = x, [voltage(z[m], step["scale"][m], step["vshift"]) for m in columns]
        self.curve = list(step["curve"])
        if self.tuned is not None:
            codes = [weight(s) + 256 >> 9 - self.tuned["bits"] for s in self.states[self.inputs + 1]]
            self.curve = [int(self.tuned["first"][m]) + codes[m] for m in columns]
        y, self.derivative = [], []
        for m in columns:
            code, slope = line_of(self.v[m], step, self.program["curves"], self.curve[m])
            change = clip(
                rshift_round(slope * step["scale"][m], fields["slope_shift"]), -(1 << 17), (1 << 17) - 1
            )
            is_cut = self.v[m] in (-2048, 2047) or not 0 <= code <= 255
            y.append(clip(code, 0, 255))
            self.derivative.append(0 if is_cut else change)
        return z, y

    def curve_changes(self) -> list[int]:
        """How much more the next curve gives than each neuron's; the last curve,
        than the one before."""
        changes = []
        for m, v in enumerate(self.v):
            last = int(self.tuned["first"][m]) + (1 << self.tuned["bits"]) - 1
            upper = min(self.curve[m] + 1, last)
            codes = [line_of(v, self.step, self.program["curves"], curve)[0] for curve in (upper - 1, upper)]
            changes.append(clip(codes[1], 0, 255) - clip(codes[0], 0, 255))
        return changes

    def backward(self, error: list[int], update: int, seed: int, noise: bool) -> list[int]:
        """The converted sums c of the rows of inputs."""
        fields, half = self.fields, 1 << self.fields["back_bits"] - 1
        sigma = noise_scale(fields["back_sigma"], fields["back_var"], sum(e * e for e in error))
        key, c = layer_key(seed, BACK, self.number, update), []
        for k, row in enumerate(self.weights()):
            b = sum(w * e for w, e in zip(row, error, strict=True))
            if noise:
                b += rshift_round(sigma * gaussian(*word(key, 0, k)), 8)
            c.append(clip(rshift_round(b * fields["back_gain"], fields["back_shift"]), -half, half - 1))
        return c

    def turned(self, row: int, update: int) -> bool:
        """Whether a chopper has turned the row of fast devices."""
        if self.transfer is None or not self.transfer.get("chopped"):
            return False
        return self.readings(row, update) // self.transfer["chopped"] % 2 == 1

    def readings(self, row: int, update: int) -> int:
        """How often the row of fast devices has been read before an update."""
        times: int = (update // self.transfer["every"] + self.inputs - row) // (self.inputs + 1)
        return times


class PageLearner:
    """A learning program under a seed; ``layers[i].states`` holds lists of rows."""

    def __init__(self, learning: dict[str, Any], seed: int, noise: bool = True) -> None:
        self.seed, self.noise = seed, noise
        self.slots, self.die = learning["slots"], learning["die_seed"]
        program = learning["program"]
        both = zip(program["steps"], learning["layers"], strict=True)
        self.layers = [Layer(i, step, fields, program) for i, (step, fields) in enumerate(both)]

    def update(self, x: list[int], label: int, update: int) -> list[int]:
        """Learn one sample; its answer."""
        z, y = [], x
        for layer in self.layers:
            z, y = layer.forward(y, update, self.seed, self.noise)
        errors: list[Errors] = [([255 * (m == label) - code for m, code in enumerate(y)], 0)]
        of_neurons: list[Errors | None] = [None]
        for i in range(len(self.layers) - 1, 0, -1):
            (error, power), before = errors[0], self.layers[i - 1]
            c = self.layers[i].backward(error, update, self.seed, self.noise)
            codes, more = scaled([a * b for a, b in zip(c, before.derivative, strict=True)])
            errors.insert(0, (codes, power + more))
            of_neurons.insert(0, None)
            if before.tuned is not None:
                codes, more = scaled([a * b for a, b in zip(c, before.curve_changes(), strict=True)])
                of_neurons[0] = codes, power + more
        for layer, error_codes, of_layer in zip(self.layers, errors, of_neurons, strict=True):
            self.pulse(layer, *error_codes, update)
            if of_layer is not None:
                self.tune(layer, *of_layer, update)
            if layer.transfer is not None and "gamma" in layer.transfer:
                self.pass_on(layer, update)
            elif layer.transfer is not None and (update + 1) % layer.transfer["every"] == 0:
                self.carry(layer, update)
        return z

    def trains(self, layer: Layer, which: int, thresholds: list[int], update: int) -> list[list[bool]]:
        key = layer_key(self.seed, TRAIN, layer.number, update, which)
        return [train(key, i, min(65536, threshold), self.slots) for i, threshold in enumerate(thresholds)]

    def move(self, layer: Layer, law: Law, row: int, m: int, count: int, up: bool, update: int) -> None:
        own = word(layer_key(self.die, DEVICE, layer.number, 0), row, m)
        first, *others = layer_key(self.seed, CYCLE, layer.number, update)
        for pulse in range(count if law["step_shift"] < 6 else 1):
            drawn = word((first ^ pulse * 0x9E37 & MASK16, *others), row, m)
            together = 1 if law["step_shift"] < 6 else count
            layer.states[row][m] = moved(law, layer.states[row][m], together, up, own, drawn)

    def pulse(self, layer: Layer, error: list[int], power: int, update: int) -> None:
        fields, shift = layer.fields, max(0, layer.fields["column_shift"] - power)
        row_thresholds = [x * fields["row_rate"] >> fields["row_shift"] for x in (*layer.x, 255)]
        rows = self.trains(layer, ROWS, row_thresholds, update)
        columns = self.trains(
            layer, COLUMNS, [abs(e) * fields["column_rate"] >> shift for e in error], update
        )
        law, first = fields["devices"], 0
        if layer.transfer is not None:
            law, first = layer.transfer["devices"], layer.fast
        for k, of_row in enumerate(rows):
            for m, of_column in enumerate(columns):
                count = sum(a and b for a, b in zip(of_row, of_column, strict=True))
                self.move(layer, law, first + k, m, count, (error[m] > 0) != layer.turned(k, update), update)

    def tune(self, layer: Layer, error: list[int], power: int, update: int) -> None:
        shift = max(0, layer.tuned["shift"] - power)
        trains = self.trains(layer, NEURONS, [abs(e) * layer.tuned["rate"] >> shift for e in error], update)
        for m, pulses in enumerate(trains):
            self.move(layer, layer.tuned["devices"], layer.inputs + 1, m, sum(pulses), error[m] > 0, update)

    def read(self, layer: Layer, row: list[int], field: int, update: int) -> list[int]:
        """The states of a row with the noise of a reading, whose key has ``field`` in
        the tile's place."""
        sigma, key = layer.transfer["read_sigma"], layer_key(self.seed, BACK, layer.number, update, field)
        if not self.noise or not sigma:
            return row
        return [s + rshift_round(sigma * gaussian(*word(key, 0, m)), 8) for m, s in enumerate(row)]

    def carry(self, layer: Layer, update: int) -> None:
        """Read the row of fast devices whose turn it is."""
        transfer, s, height = layer.transfer, layer.states, layer.inputs + 1
        r = update // transfer["every"] % height
        fast, sums, reference = s[layer.fast + r], s[layer.fast + height + r], s[layer.fast + 2 * height + r]
        states = self.read(layer, fast, 1, update)
        for m in range(layer.outputs):
            read = weight(states[m] - reference[m])
            total = sums[m] + (-read if layer.turned(r, update) else read)
            count = min(abs(total) // transfer["threshold"], 31)
            sign = 1 if total > 0 else -1
            sums[m] = clip(total - sign * count * transfer["threshold"], -131072, 131071)
            period = transfer["chopped"]
            if period and (layer.readings(r, update) + 1) % period == 0:
                reference[m] = 256 * weight(states[m])
            self.move(layer, layer.fields["devices"], r, m, count, total > 0, update)

    def pass_on(self, layer: Layer, update: int) -> None:
        """Read the row of each tile whose turn it is; the tile before gets its pulses."""
        tiles, s, height = layer.transfer, layer.states, layer.inputs + 1
        for b in range(tiles["count"]):
            period = tiles["every"] * tiles["ratio"] ** b
            if (update + 1) % period:
                continue
            r, last = update // period % height, b == tiles["count"] - 1
            row = layer.fast + b * height + r
            states = self.read(layer, s[row], 1 + b, update)
            pairs = zip(states, s[row + tiles["count"] * height], strict=True)
            readings = [weight(a - reference) for a, reference in pairs]
            thresholds = [abs(reading) * tiles["rate"] >> tiles["shift"] for reading in readings]
            law, target = (layer.fields["devices"], r) if last else (tiles["devices"], row + height)
            for m, pulses in enumerate(self.trains(layer, 3 + b, thresholds, update)):
                self.move(layer, law, target, m, sum(pulses), readings[m] > 0, update)
