"""A walk read word by word and done code by code on one flat memory: what the
gateware must do."""

import itertools
from typing import Any

import numpy as np

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.backend.walk import sample_order
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.memory_map import REGION_SHIFT, REGIONS, region_words
from ndrite.emulator.spec.walk_record import GATE, HEADER, KINDS, RECORD_WORDS, SIGNED, STEP, Fields
from tests.emulator.golden import brute
from tests.naive.learning import clip, partial_sum, rshift_round


def unpacked(words: np.ndarray, fields: Fields) -> dict[str, int]:
    """A record's fields from its words."""
    found = {}
    for name, (word, low, width) in fields.items():
        value = int(words[word]) >> low & (1 << width) - 1
        found[name] = value - (1 << width) if name in SIGNED and value >> (width - 1) else value
    return found


def memories(program: Program, geometry: Geometry) -> dict[str, np.ndarray]:
    """What a device's memories hold, by region."""
    names = {number: name for name, number in REGIONS.items()}
    out = {name: np.zeros(words, np.int64) for name, words in region_words(geometry).items()}
    for section in lay_out(program, geometry):
        start = section.address & ((1 << REGION_SHIFT) - 1)
        out[names[section.address >> REGION_SHIFT]][start : start + len(section.words)] = section.words
    return out


class Hand:
    """One device of ``geometry`` holding ``program``, without read noise; ``walk``
    gives the sums of samples walked together, ``samples_max`` at most."""

    def __init__(self, program: Program, geometry: Geometry) -> None:
        self.program, self.geometry = program, geometry
        held = memories(program, geometry)
        self.memories = {name: words & 0xFFFFFFFF for name, words in held.items()}
        self.products = lower(program).products
        self.memory = np.full(geometry.map_codes, 170, np.int64)
        self.steps_done = 0
        self.header = unpacked(self.memories["steps"], HEADER)
        self.samples_max = self.header["samples"]
        self._first = 0

    def _at(self, address: int) -> int:
        """The place of an address of the present sample's maps."""
        size = self.header["span"] if self.samples_max > 1 else self.geometry.map_codes
        assert 0 <= address < size, "another sample's maps, or none"
        return self._first + address

    def walk(self, samples: np.ndarray) -> list[list[int]]:
        """The program's outputs for the codes (n, inputs) of samples."""
        header = self.header
        assert header["inputs"] == samples.shape[1] == header["calls"] * header["call_codes"]
        assert len(samples) <= self.samples_max
        order = sample_order(self.program)
        for number, sample in enumerate(samples):
            first = number * header["span"]
            self.memory[first : first + len(sample)] = sample if order is None else sample[order]
        begins = range(1, 1 + header["begins"])
        body = range(1 + header["begins"], 1 + header["body"])
        ends = range(1 + header["body"], header["steps"])
        for call in range(header["calls"]):
            last = call == header["calls"] - 1
            numbers = [*(begins if call == 0 else ()), *body, *([header["steps"]] if last else ends)]
            for number in numbers:
                result = []
                for sample in range(len(samples)):
                    self._first = sample * header["span"]
                    result.append(self._step(number, call * header["call_codes"]))
        return result

    def _step(self, number: int, offset: int) -> Any:
        words = self.memories["steps"][number * RECORD_WORDS : (number + 1) * RECORD_WORDS]
        f = unpacked(words, STEP)
        self.steps_done += 1
        places = self._places(f)
        self._seconds = iter(
            f["second_base"] + c + r * f["second_line"] + q * f["second_pixel"] for r, q, c in self._order(f)
        )
        if f["kind"] == KINDS["gate"]:
            g = unpacked(words, GATE)
            for element in range(g["elements"]):
                total = sum(self._term(g, t, element) for t in range(g["terms"]))
                y = rshift_round(total, f["pool_shift"]) + g["zero"]
                self._put(next(places), clip(y, 0, 255))
            return None
        for position, patch in enumerate(self._patches(f, offset * f["of_sample"])):
            if f["kind"] == KINDS["product"]:
                z = self._sums(f, np.array([code for part in patch for run in part for code in run]))
                if f["last"]:
                    return z
                for m, value in enumerate(z):
                    code = brute.fired(self.program, self.products[f["layer"]].layer, m, value)
                    self._put(next(places), code)
                continue
            for channel in (one for part in patch for one in zip(*part, strict=True)):
                value = max(channel)
                if f["kind"] == KINDS["average"]:
                    mul = int(self.memories["operand"][f["operand_base"] + position])
                    value = min(rshift_round(sum(channel) * mul, f["pool_shift"]), 255)
                self._put(next(places), value)
        return None

    def _term(self, g: dict[str, int], t: int, element: int) -> int:
        value = (int(self.memory[self._at(g[f"a_base_{t}"] + element)]) - g[f"a_zero_{t}"]) * g[f"gain_{t}"]
        if not g[f"alone_{t}"]:
            value *= int(self.memory[self._at(g[f"b_base_{t}"] + element)]) - g[f"b_zero_{t}"]
        return value

    def _patches(self, f: dict[str, int], offset: int) -> Any:
        """Each patch: of each group the runs of its kernel's places."""
        kernel = list(itertools.product(range(f["kernel_rows"]), range(f["kernel_columns"])))
        for row, column in itertools.product(range(f["grid_rows"]), range(f["grid_columns"])):
            start = f["start"] + offset + row * f["stride_line"] + column * f["stride_codes"]
            y0 = f["first_row"] + row * f["stride_rows"]
            x0 = f["first_column"] + column * f["stride_columns"]
            groups = range(f["groups"])
            yield [
                [
                    [self._code(f, start + group * f["share"], y0, x0, i, j, c) for c in range(run)]
                    for i, j in kernel
                ]
                for group, run in zip(
                    groups, (*[f["share"]] * (f["groups"] - 1), f["last_share"]), strict=True
                )
            ]

    def _code(self, f: dict[str, int], start: int, y0: int, x0: int, i: int, j: int, c: int) -> int:
        x = x0 + (c if f["flat"] else j * f["column_hop"])
        if not (0 <= y0 + i * f["row_hop"] < f["rows"] and 0 <= x < f["columns"]):
            return f["border"]
        return int(self.memory[self._at(start + i * f["line"] + j * f["pixel"] + c)])

    def _sums(self, f: dict[str, int], patch: np.ndarray) -> list[int]:
        """p + bias of the record's layer, and the second operands."""
        product = self.products[f["layer"]]
        layer, groups = product.layer, product.patches.groups
        codes = patch.reshape(groups, -1).tolist()
        found = []
        for m in range(layer.outputs):
            of_group = codes[m * groups // layer.outputs]
            z = partial_sum(self.program, layer, of_group, m, 0, 0, None) + int(layer.bias[m])
            if f["second"]:
                gain = int(self.memories["operand"][f["operand_base"] + m])
                z += rshift_round(int(self.memory[self._at(next(self._seconds))]) * gain, f["second_shift"])
            found.append(z)
        return found

    @staticmethod
    def _order(f: dict[str, int]) -> list[tuple[int, int, int]]:
        """Row, column and channel of each result in turn."""
        channels = f["to_channels"] * f["turn"]
        sizes = (f[x] for x in ("grid_rows", "grid_columns", "to_groups", "block_rows", "block_columns"))
        return [
            (row * f["block_rows"] + i, column * f["block_columns"] + j, group * channels + c)
            for row, column, group, i, j, c in itertools.product(*map(range, (*sizes, channels)))
        ]

    def _places(self, f: dict[str, int]) -> Any:
        """(address, first of its window) of each result in turn, None beside the map."""
        for r, q, c in self._order(f):
            row, column = r // f["pool_rows"], q // f["pool_columns"]
            place = f["to_base"] + c * f["to_plane"] // f["turn"]
            place += row * f["to_line"] + column * f["to_pixel"]
            inside = row < f["to_rows"] and column < f["to_columns"]
            yield (place if inside else None, r % f["pool_rows"] == 0 and q % f["pool_columns"] == 0)

    def _put(self, where: tuple[int | None, bool], code: int) -> None:
        place, first = where
        if place is not None:
            place = self._at(place)
            self.memory[place] = code if first else max(code, int(self.memory[place]))
