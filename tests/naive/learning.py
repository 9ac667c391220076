"""One update of a learning program in plain integers, a device at a time; shares
nothing with the product.

Constants are written out, not imported: they are the arithmetic's, not the code's.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

MASK16, MASK32 = 0xFFFF, 0xFFFFFFFF
READ, BACK, TRAIN, DEVICE, CYCLE = 0x6E647274, 0x6E647262, 0x6E647270, 0x6E647264, 0x6E647263
GOLDEN_RATIO = 0x9E3779B97F4A7C15
Sample = Callable[[int, int, int, int, int], int]
"""g of (inference, product, tile, slice, column)."""


def rshift_round(v: int, s: int) -> int:
    return v if s == 0 else (v + (1 << (s - 1))) >> s


def clip(v: int, low: int, high: int) -> int:
    return max(low, min(high, v))


@functools.cache
def speck64(counter: int, index: int, seed: int, domain: int, last: int = 0) -> list[int]:
    """Four words of 16 bits, least significant first."""
    key, rest, schedule = seed & MASK32, [seed >> 32, domain, last], []
    for i in range(27):
        schedule.append(key)
        first = rest.pop(0)
        fresh = (((first >> 8 | first << 24) & MASK32) + key & MASK32) ^ i
        key = ((key << 3 | key >> 29) & MASK32) ^ fresh
        rest.append(fresh)
    x, y = counter, index
    for k in schedule:
        x = (((x >> 8 | x << 24) & MASK32) + y & MASK32) ^ k
        y = ((y << 3 | y >> 29) & MASK32) ^ x
    return [y & MASK16, y >> 16, x & MASK16, x >> 16]


def word(key: list[int], row: int, column: int) -> tuple[int, int]:
    x, y = column, row ^ key[3]
    for i in range(7):
        x = (((x >> 7 | x << 9) & MASK16) + y & MASK16) ^ key[i % 4] ^ i
        y = ((y << 2 | y >> 14) & MASK16) ^ x
    return x, y


def slot(x: int, y: int, t: int) -> int:
    """The number of slot t, of the word of its row or column."""
    a, b = x ^ (t // 2 * 0x9E37 & MASK16), y
    for i in range(6):
        turned = [(a << n | a >> (16 - n)) & MASK16 for n in (1, 8, 2)]
        a, b = b ^ (turned[0] & turned[1]) ^ turned[2] ^ (GOLDEN_RATIO >> 8 * i & MASK16), a
    return b if t % 2 else a


def gauss(table: list[int], x: int, y: int) -> int:
    """The read noise's sample of a word: ``table`` has 512 entries."""
    total = 0
    for bits in (y & 1023, (y >> 10 | x << 6) & 1023):
        total += table[bits & 511] * (-1 if bits >> 9 else 1)
    return total


def scale_of(energy: int, sigma: int, variance: int) -> int:
    return min(65535, math.isqrt(sigma * sigma + (variance * energy >> 8)))


def partial_sum(
    program: Any,
    layer: Any,
    patch: list[int],
    m: int,
    number: int,
    field: int,
    sample: Sample | None,
    weights: list[int] | None = None,
) -> int:
    """p of column ``m`` of product ``number``, with its own weights (K,) or others."""
    w = layer.weights[:, m].tolist() if weights is None else weights
    d, p = layer.dac_bits, 0
    height = len(patch) if layer.readout == "analog" else program.rows
    for t, first in enumerate(range(0, len(patch), height)):
        for j in range(8 // d):
            rows = range(first, min(len(patch), first + height))
            codes = [patch[k] // 2 ** (j * d) % 2**d for k in rows]
            a = sum(code * w[k] for code, k in zip(codes, rows, strict=True))
            if sample and (layer.sigma_out or layer.var_cell):
                energy = sum(code * code for code in codes)
                sigma = scale_of(energy, int(layer.sigma_out), int(layer.var_cell))
                a += rshift_round(sigma * sample(field, number, t, j, m), 8)
            if layer.readout == "adc":
                half = 2 ** (layer.adc_bits - 1)
                a = clip(
                    rshift_round(a * int(layer.gain[m]), layer.shift) + int(layer.offset[m]), -half, half - 1
                )
            p += a * 2 ** (j * d)
    return p


def curve(program: Any, of: Any, q: int, v: int) -> int:
    width = 2**of.segment_bits
    s, r = divmod(v + 2048, width)
    total = int(program.curve_base[q, s]) * width + int(program.curve_slope[q, s]) * r
    return clip(rshift_round(total, of.segment_bits + of.table_bits), 0, 255)


class Naive:
    """States as lists; ``update`` as the arithmetic says."""

    def __init__(self, learning: Any, seed: int, table: list[int]) -> None:
        self.of, self.seed, self.table = learning, seed, table
        self.states = [layer.states.tolist() for layer in learning.layers]

    def weight(self, i: int, k: int, m: int) -> int:
        rows, total, factor = self.of.program.layers[i].inputs + 1, self.states[i][k][m] << 16, 65536
        for n in range(1, self.tiles(i) + 1) if k < rows else ():
            factor = rshift_round(factor * self.of.layers[i].transfer.gamma, 16)
            total += factor * self.residual(i, n, k, m)
        return clip(rshift_round(total, 24), -255, 255)

    def tiles(self, i: int) -> int:
        """N of arXiv 2510.02516: tiles beside the layer's own devices, which are W(0)."""
        return getattr(self.of.layers[i].transfer, "count", 0)

    def row(self, i: int, n: int, k: int) -> int:
        """The place among the layer's rows of row k of W(n); W(N) comes first after
        those without tiles."""
        rows = self.of.program.layers[i].inputs + 1
        return k if n == 0 else rows + (self.of.layers[i].tuned is not None) + (self.tiles(i) - n) * rows + k

    def residual(self, i: int, n: int, k: int, m: int) -> int:
        """W(n) against its reference, in states."""
        place, rows = self.row(i, n, k), self.of.program.layers[i].inputs + 1
        return int(self.states[i][place][m] - self.states[i][place + self.tiles(i) * rows][m])

    def update(self, x: list[int], label: int, update: int) -> None:
        count = len(self.states)
        seen, change, voltages = [list(x)], [], []
        for i in range(count):
            z = self.forward(i, seen[-1], update)
            voltages.append(z)
            y, steep = zip(*(self.neuron(i, m, v) for m, v in enumerate(z)), strict=True)
            seen.append(list(y))
            change.append(list(steep))
        error = [255 * (m == label) - y for m, y in enumerate(seen[-1])]
        errors, exponent, of_neurons = [(error, 0)], 0, {}
        for i in range(count - 1, 0, -1):
            if self.of.layers[i - 1].tuned is not None:
                moved = [self.moved_curve(i - 1, m, z) for m, z in enumerate(voltages[i - 1])]
                its, power = self.backward(i, error, moved, update)
                of_neurons[i - 1] = its, exponent + power
            error, more = self.backward(i, error, change[i - 1], update)
            exponent += more
            errors.insert(0, (error, exponent))
        for i in range(count):
            self.pulse(i, [*seen[i], 255], *errors[i], update)
            if i in of_neurons:
                self.tune(i, *of_neurons[i], update)

    def forward(self, i: int, x: list[int], update: int) -> list[int]:
        layer, learned, z = self.of.program.layers[i], self.of.layers[i], []
        for m in range(layer.outputs):
            weights = [self.weight(i, k, m) for k in range(len(x))]
            p = partial_sum(self.of.program, layer, x, m, i, update, self.read, weights)
            bias = self.weight(i, len(x), m) * learned.bias_gain
            z.append(p + int(learned.bias[m]) + rshift_round(bias, learned.bias_shift))
        return z

    def read(self, update: int, i: int, tile: int, dac_slice: int, m: int) -> int:
        """The read noise's sample."""
        key = speck64(i << 24 | tile << 8 | dac_slice, update, self.seed, READ)
        return gauss(self.table, *word(key, 0, m))

    def neuron(self, i: int, m: int, z: int) -> tuple[int, int]:
        layer, program = self.of.program.layers[i], self.of.program
        f, h, q = layer.segment_bits, layer.table_bits, self.curve(i, m)
        v = clip(rshift_round(z * int(layer.scale[m]), layer.vshift), -2048, 2047)
        segment, r = divmod(v + 2048, 1 << f)
        slope = int(program.curve_slope[q, segment])
        y = rshift_round((int(program.curve_base[q, segment]) << f) + slope * r, f + h)
        if v in (-2048, 2047) or not 0 <= y <= 255:
            return clip(y, 0, 255), 0
        steep = rshift_round(slope * int(layer.scale[m]), self.of.layers[i].slope_shift)
        return y, clip(steep, -(1 << 17), (1 << 17) - 1)

    def curve(self, i: int, m: int) -> int:
        tuned = self.of.layers[i].tuned
        if tuned is None:
            return int(self.of.program.layers[i].curve[m])
        code = self.weight(i, self.of.program.layers[i].inputs + 1, m)
        return int(tuned.first[m]) + (code + 256 >> 9 - tuned.bits)

    def moved_curve(self, i: int, m: int, z: int) -> int:
        """What the next curve gives more than this one; at the last one, this more
        than the one before."""
        layer, tuned, program = self.of.program.layers[i], self.of.layers[i].tuned, self.of.program
        v = clip(rshift_round(z * int(layer.scale[m]), layer.vshift), -2048, 2047)
        above = min(self.curve(i, m) + 1, int(tuned.first[m]) + 2**tuned.bits - 1)
        return curve(program, layer, above, v) - curve(program, layer, above - 1, v)

    def tune(self, i: int, error: list[int], exponent: int, update: int) -> None:
        tuned, row = self.of.layers[i].tuned, self.of.program.layers[i].inputs + 1
        key = speck64(i << 24 | 2 << 8, update, self.seed, TRAIN)
        for m, e in enumerate(error):
            q = min(65536, abs(e) * tuned.rate >> max(0, tuned.shift - exponent))
            dw = word(key, 0, m)
            n = sum(slot(*dw, t) < q for t in range(self.of.slots))
            self.move(tuned.devices, i, row, m, n, e > 0, update)

    def move(self, law: Any, i: int, row: int, m: int, n: int, up: bool, update: int) -> None:
        """``n`` pulses to a device."""
        if n:
            own = word(speck64(i << 24, 0, self.of.die_seed, DEVICE), row, m)
            key = speck64(i << 24, update, self.seed, CYCLE)
            times, at_once = (n, 1) if law.step_shift <= 5 else (1, n)
            for pulse in range(times):
                drawn = word([key[0] ^ pulse * 0x9E37 & MASK16, *key[1:]], row, m)
                self.states[i][row][m] = moved(law, self.states[i][row][m], at_once, up, own, drawn)

    def backward(self, i: int, error: list[int], change: list[int], update: int) -> tuple[list[int], int]:
        learned, found = self.of.layers[i], []
        half = 1 << learned.back_bits - 1
        for k, steep in enumerate(change):
            b = sum(self.weight(i, k, m) * e for m, e in enumerate(error))
            if learned.back_sigma or learned.back_var:
                key = speck64(i << 24, update, self.seed, BACK)
                s = scale_of(sum(e * e for e in error), learned.back_sigma, learned.back_var)
                b += rshift_round(s * gauss(self.table, *word(key, 0, k)), 8)
            found.append(
                clip(rshift_round(b * learned.back_gain, learned.back_shift), -half, half - 1) * steep
            )
        top = max(map(abs, found))
        if not top:
            return found, 0
        exponent = top.bit_length() - 8
        if exponent > 0:
            found = [rshift_round(t, exponent) for t in found]
        else:
            found = [t << -exponent for t in found]
        return [clip(t, -255, 255) for t in found], exponent

    def pulse(self, i: int, x: list[int], error: list[int], exponent: int, update: int) -> None:
        learned, law, beyond = self.of.layers[i], self.of.layers[i].devices, 0
        if learned.transfer is not None:
            law, beyond = learned.transfer.devices, len(x) + (learned.tuned is not None)
        keys = [speck64(i << 24 | side << 8, update, self.seed, TRAIN) for side in (0, 1)]
        down = max(0, learned.column_shift - exponent)
        for k, code in enumerate(x):
            p = min(65536, code * learned.row_rate >> learned.row_shift)
            xw = word(keys[0], 0, k)
            for m, e in enumerate(error):
                q = min(65536, abs(e) * learned.column_rate >> down)
                dw = word(keys[1], 0, m)
                n = sum(slot(*xw, t) < p and slot(*dw, t) < q for t in range(self.of.slots))
                self.move(law, i, k + beyond, m, n, (e > 0) ^ self.turned(i, k, len(x), update), update)
        if self.tiles(i):
            self.pass_on(i, len(x), update)
        elif learned.transfer is not None and (update + 1) % learned.transfer.every == 0:
            self.carry(i, len(x), beyond, update)

    def turned(self, i: int, row: int, rows: int, update: int) -> bool:
        """Whether the chopper of a row of fast devices has turned an odd number of times."""
        transfer = self.of.layers[i].transfer
        if transfer is None or self.tiles(i) or not transfer.chopped:
            return False
        return self.readings(i, row, rows, update) // transfer.chopped % 2 == 1

    def readings(self, i: int, row: int, rows: int, update: int) -> int:
        return [q % rows for q in range(update // self.of.layers[i].transfer.every)].count(row)

    def state_read(self, i: int, place: int, m: int, tile_field: int, update: int) -> int:
        """A device's state as it is read: with noise of its own in every reading."""
        key = speck64(i << 24 | tile_field << 8, update, self.seed, BACK)
        sigma = self.of.layers[i].transfer.read_sigma
        return int(self.states[i][place][m]) + rshift_round(sigma * gauss(self.table, *word(key, 0, m)), 8)

    def pass_on(self, i: int, rows: int, update: int) -> None:
        """W(n) gets pulses in proportion to a row of W(n + 1), n from N - 1 down to
        0 (Algorithm 1, line 19 on); the inner loop of a tile is ``ratio`` steps of
        the tile before it."""
        learned, steps = self.of.layers[i], update + 1
        period = learned.transfer.every
        for n in range(self.tiles(i) - 1, -1, -1):
            if steps % period == 0:
                k, side = (steps // period - 1) % rows, 3 + self.tiles(i) - 1 - n
                key = speck64(i << 24 | side << 8, update, self.seed, TRAIN)
                law = learned.transfer.devices if n else learned.devices
                for m in range(len(self.states[i][0])):
                    place = self.row(i, n + 1, k)
                    noise = self.state_read(i, place, m, side - 2, update) - int(self.states[i][place][m])
                    reading = clip(rshift_round(self.residual(i, n + 1, k, m) + noise, 8), -255, 255)
                    p = min(65536, abs(reading) * learned.transfer.rate >> learned.transfer.shift)
                    pulses = sum(slot(*word(key, 0, m), t) < p for t in range(self.of.slots))
                    self.move(law, i, self.row(i, n, k), m, pulses, reading > 0, update)
            period *= learned.transfer.ratio

    def carry(self, i: int, rows: int, at: int, update: int) -> None:
        """One row of fast devices is read; its sums pulse the layer's own devices."""
        learned, s = self.of.layers[i], self.states[i]
        row, limit = update // learned.transfer.every % rows, learned.transfer.threshold
        for m in range(len(s[0])):
            state = self.state_read(i, at + row, m, 1, update)
            read = clip(rshift_round(state - s[at + 2 * rows + row][m], 8), -255, 255)
            period = learned.transfer.chopped
            if period and self.readings(i, row, rows, update) % period == period - 1:
                s[at + 2 * rows + row][m] = 256 * clip(rshift_round(state, 8), -255, 255)
            total = s[at + rows + row][m] + (-read if self.turned(i, row, rows, update) else read)
            n = min(abs(total) // limit, 31)
            s[at + rows + row][m] = clip(total - n * limit * (1 if total > 0 else -1), -131072, 131071)
            self.move(learned.devices, i, row, m, n, total > 0, update)


def moved(law: Any, s: int, n: int, up: bool, own: tuple[int, int], drawn: tuple[int, int]) -> int:
    """A device's state after n pulses at once."""

    def two(table: Any, bits: int, at: int) -> int:
        return int(table[bits >> at & 15]) + int(table[bits >> at + 4 & 15])

    x, y = own
    common, apart = two(law.step, y, 0), two(law.asymmetry, y, 8)
    step = clip(common + apart if up else common - apart, 0, 4095)
    high, low = clip(two(law.upper, x, 0) * 64, 0, 131071), clip(two(law.lower, x, 8) * 64, -131072, 0)
    factor = clip(256 - rshift_round((law.slope_up if up else law.slope_down) * s, 24), 0, 511)
    noise_factor = factor
    if law.steps is not None:
        entry = clip(math.floor((s / 65536 + 1) * 32), 0, 63)
        factor, noise_factor = (
            int((rising if up else falling)[entry])
            for rising, falling in (
                (law.steps.up, law.steps.down),
                (law.steps.noise_up, law.steps.noise_down),
            )
        )
    noise = rshift_round(round(256 * math.sqrt(n)) * two(law.cycle, drawn[1], 0), 8)
    ds = 64 * n * rshift_round(step * factor, 8) + noise * rshift_round(step * noise_factor, 8)
    ds = ds + (drawn[0] >> 16 - law.step_shift) >> law.step_shift
    return clip(s + ds if up else s - ds, low, high)
