"""Instruction rows: integers that say what the compiled loops do for a program,
prepared once per program."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.neuron import neuron
from ndrite.emulator.golden.steps import table
from ndrite.emulator.spec.arithmetic import V_MAX, V_MIN, Codes, IntArray, Ints, Scalar
from ndrite.emulator.spec.evaluate import PerKind
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Gate, Pool, Product, Table

LOAD, START, COPY, PRODUCT, POOL, TABLE, GATE = range(7)
"""Kinds of instruction rows. LOAD copies the inputs of a time step; START sets a
state's initial value; COPY copies values into another order; the others compute a
step of the program."""
# Indices of the fields of an instruction row: its kind, the offsets and sizes of the
# maps that it reads and writes, constants, and the offsets of its parameters in the
# arrays of integers, values and words.
KIND, SOURCE, SIZE, OUT, OUT_SIZE, SKIP, SHIFT, ZERO, INTS, COUNT, VALUES, WORDS, CHANNELS = range(13)
WHERE, LAYER, ROW = 17, 32, 46
"""Index of the patch parameters in an instruction row, index of the layer's parameters,
and length of an instruction row."""
MAP_DIMS = 7
DIMS, STRIDES = WHERE, WHERE + 2 * MAP_DIMS
"""Indices of dimensions and strides in COPY and LOAD instruction rows, which have no
patch and layer parameters. Each dimension and stride is a pair (number, whether it is
multiplied by the number of samples)."""
COLUMNS, TERM = 6, 5
"""Number of integers that describe a column of a layer, and number of those that
describe a term of a gate."""
CURVES = V_MAX - V_MIN + 1
Dims = Sequence[tuple[int, int]]


class Place(NamedTuple):
    """Location of a map: the offset at which the map of one sample begins in the array
    of all maps, and the map's shape."""

    begin: int
    shape: Shape

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Rows(PerKind):
    """A program as instruction rows of integers that the compiled loops execute, and
    the arrays of parameters to which those rows point.

    ``rows`` int64 (steps, ROW), ``ints`` int64, ``codes`` uint8; of a sample ``size``
    bytes of maps and ``sums`` sums int32.
    """

    def __init__(self, program: Program, words: Sequence[int]) -> None:
        self.program, self._words = program, words
        self.size, self._products = 0, 0
        self._rows: list[npt.NDArray[np.int64]] = []
        self._ints: list[Ints] = [np.zeros(0, np.int64)]
        self._codes: list[Codes] = [np.zeros(0, np.uint8)]
        self.maps = [self._place(program.shape)]
        c, h, w = program.shape
        order = [(c, 0), (1, 1), (h * w, 0)], [(h * w, 0), (program.calls * c * h * w, 0), (1, 0)]
        self._arrange(LOAD, self.maps[0], self.maps[0], *order)
        for state in program.states:
            self.maps.append(self._place(state.shape))
            self._row(START, self.maps[-1], self.maps[-1], {ZERO: state.start})
        for step in program.steps:
            self.maps.append(step.visit(self, step))
        if program.calls > 1:
            # A state may be the source of another state, so all sources are copied
            # before the first state is overwritten.
            copies = [self._copy(self.maps[state.source]) for state in program.states]
            for copy, place in zip(copies, self.maps[1:], strict=False):
                self._copy(copy, place)
        self.outputs = program.outputs
        self.sums = 0 if program.steps[-1].fires else self.outputs
        self.rows = np.stack(self._rows)
        self.ints = np.concatenate(self._ints).astype(np.int64)
        self.codes = np.concatenate(self._codes)

    def patches(self, number: int) -> tuple[int, int]:
        """Return two counts for instruction row ``number``: patches of one
        sample, and multiplications of each patch. They are 1 and 0 for a row that
        is not a matrix product."""
        row = self.rows[number]
        if row[KIND] != PRODUCT:
            return 1, 0
        return int(row[WHERE + 11] * row[WHERE + 12]), int(row[LAYER] * row[LAYER + 1])

    def answers(self, maps: Codes, sums: npt.NDArray[np.int32], n: int) -> Codes | npt.NDArray[np.int32]:
        """Return the program's outputs (n, M) of n samples, read from the arrays that
        the compiled loops have written."""
        step = self.program.steps[-1]
        if isinstance(step, Product) and not step.fires:
            (rows, columns), (g, h) = step.patches.grid, step.block
            blocks = sums.reshape(step.patches.groups, g, h, -1, n, rows, columns)
            return blocks.transpose(4, 0, 3, 5, 1, 6, 2).reshape(n, -1)
        begin, shape = self.maps[-1]
        last = maps[begin * n : (begin + math.prod(shape)) * n]
        return last.reshape(shape[0], n, -1).swapaxes(0, 1).reshape(n, -1)

    def product(self, step: Product) -> Place:
        program, number = self.program, self._products
        self._products += 1
        layer, p, source = step.layer, step.patches, self._join(step.sources)
        (rows, columns), (g, h) = p.grid, step.block
        groups, rest = p.groups, layer.outputs // (p.groups * g * h)
        plane, whole = rows * columns, rows * g * columns * h
        skip = -1
        if step.skip is not None:
            second = self.maps[step.skip]
            if step.block != (1, 1):
                # The columns of a group of a grouped convolution are ordered by
                # position in the block, then by channel. The second operand is stored
                # as a map, so it is copied to this order.
                dims = [(groups, 0), (g, 0), (h, 0), (rest, 0), (1, 1), (rows, 0), (columns, 0)]
                strides = [(rest * whole, 1), (columns * h, 0), (1, 0), (whole, 1), (whole, 0)]
                strides += [(g * columns * h, 0), (h, 0)]
                order, second = second, self._place(second.shape)
                self._arrange(COPY, order, second, dims, strides)
            skip = second.begin
        gain = np.zeros(layer.outputs, np.uint16) if step.skip_gain is None else step.skip_gain
        ints: list[IntArray] = [layer.bias, layer.gain, layer.offset, layer.scale, layer.curve, gain]
        # Table of the output of every curve at every voltage code from V_MIN on,
        # uint8 (4096, curves).
        every = dataclasses.replace(layer, curve=np.arange(len(program.curve_base), dtype=np.uint16))
        v = np.arange(V_MIN, V_MAX + 1)[:, None]
        values = neuron(v, every, program.curve_base, program.curve_slope) if step.fires else v[:0]
        shifts = (layer.shift, layer.vshift, layer.sigma_out, layer.var_cell, step.fires, step.skip_shift)
        sizes = (layer.inputs, layer.outputs, layer.dac_bits, layer.readout == "analog", layer.adc_bits)
        stride = program.calls * p.positions
        of_program = (program.first_product + number, stride, layer.tile_rows(program.rows))
        fields = {
            SKIP: skip,
            INTS: self._number(*ints),
            COUNT: values.shape[1] if step.fires else 0,
            VALUES: self._code(values.T.astype(np.uint8)),
            WORDS: self._words[number],
        }
        out = self._place((layer.outputs, rows, columns) if step.fires else (0, rows, columns))
        self._row(PRODUCT, source, out, fields, where(p, step.border), (*sizes, *shifts, *of_program))
        if step.block == (1, 1) or not step.fires:
            return out
        dims = [(groups, 0), (rest, 0), (1, 1), (rows, 0), (g, 0), (columns, 0), (h, 0)]
        strides = [(g * h * rest * plane, 1), (plane, 1), (plane, 0), (columns, 0), (h * rest * plane, 1)]
        strides += [(1, 0), (rest * plane, 1)]
        blocks = self._place((groups * rest, rows * g, columns * h))
        self._arrange(COPY, out, blocks, dims, strides)
        return blocks

    def pool(self, step: Pool) -> Place:
        source, p, (g, h) = self._join(step.sources), step.patches, step.block
        (c, rows, columns), mul = (p.shape[0], *p.grid), step.mul
        fields = {SHIFT: step.pool_shift}
        if mul is not None:
            fields |= {INTS: self._number(mul), COUNT: mul.size}
        out = self._place((c, rows, columns))
        self._row(POOL, source, out, fields, where(p, step.border))
        if step.block == (1, 1):
            return out
        blocks = self._place((c, rows * g, columns * h))
        dims = [(c, 1), (rows, 0), (g, 0), (columns, 0), (h, 0)]
        strides = [(rows * columns, 0), (columns, 0), (0, 0), (1, 0), (0, 0)]
        self._arrange(COPY, out, blocks, dims, strides)
        return blocks

    def table(self, step: Table) -> Place:
        program, source = self.program, self._join(step.sources)
        # Table of the output of every channel of the result for every input
        # code, uint8 (E, 256).
        codes = np.arange(256, dtype=np.uint8)[:, None, None, None]
        channels = np.broadcast_to(codes, (256, int(step.channel.max()) + 1, 1, 1))
        answers = table(step, channels, program.curve_base, program.curve_slope)[:, :, 0, 0].T
        fields = {INTS: self._number(step.channel), VALUES: self._code(answers), COUNT: len(answers)}
        out = self._place((len(answers), *source.shape[1:]))
        self._row(TABLE, source, out, fields)
        return out

    def gate(self, step: Gate) -> Place:
        out = self._place(self.maps[step.terms[0].a].shape)
        terms = [
            (self.maps[t.a].begin, -1 if t.b is None else self.maps[t.b].begin, t.a_zero, t.b_zero, t.gain)
            for t in step.terms
        ]
        fields = {SHIFT: step.gate_shift, ZERO: step.zero, COUNT: len(terms)}
        self._row(GATE, out, out, fields | {INTS: self._number(np.array(terms, np.int64))})
        return out

    def _join(self, sources: tuple[int, ...]) -> Place:
        """Return the location at which several maps lie concatenated for a step
        that reads them together (see ``ndrite.emulator.spec.flow.join``). Appends
        the instruction rows that copy the maps to that location; a single map
        stays where it is."""
        places = [self.maps[s] for s in sources]
        if len(places) == 1:
            return places[0]
        flat = len({place.shape[1:] for place in places}) > 1
        size = sum(place.size if flat else place.shape[0] for place in places)
        out = self._place((size, 1, 1) if flat else (size, *places[0].shape[1:]))
        begin = out.begin
        for place in places:
            (c, h, w), part = place.shape, Place(begin, place.shape)
            if flat:
                dims, strides = [(c, 0), (h * w, 0), (1, 1)], [(h * w, 1), (1, 0), (h * w, 0)]
                self._arrange(COPY, place, part, dims, strides)
            else:
                self._copy(place, part)
            begin += place.size
        return out

    def _copy(self, source: Place, out: Place | None = None) -> Place:
        out = self._place(source.shape) if out is None else out
        self._arrange(COPY, source, out, [(source.size, 1)], [(1, 0)])
        return out

    def _arrange(self, kind: int, source: Place, out: Place, dims: Dims, strides: Dims) -> None:
        self._row(kind, source, out, {})
        self._rows[-1][DIMS::2][:MAP_DIMS] = 1
        for place, pairs in ((DIMS, dims), (STRIDES, strides)):
            self._rows[-1][place : place + 2 * len(pairs)] = np.ravel(pairs)

    def _row(
        self,
        kind: int,
        source: Place,
        out: Place,
        fields: dict[int, int],
        patches: Sequence[int] = (),
        layer: Sequence[int] = (),
    ) -> None:
        row = np.zeros(ROW, np.int64)
        fields = {
            KIND: kind,
            SOURCE: source.begin,
            SIZE: source.size,
            OUT: out.begin,
            OUT_SIZE: out.size,
        } | fields
        row[list(fields)] = list(fields.values())
        for place, numbers in ((CHANNELS, source.shape), (WHERE, patches), (LAYER, layer)):
            row[place : place + len(numbers)] = numbers
        self._rows.append(row)

    def _place(self, shape: Shape) -> Place:
        place = Place(self.size, shape)
        self.size += place.size
        return place

    def _number(self, *arrays: IntArray) -> int:
        place = sum(a.size for a in self._ints)
        self._ints += [a.astype(np.int64).ravel() for a in arrays]
        return place

    def _code(self, array: Codes) -> int:
        place = sum(a.size for a in self._codes)
        self._codes.append(array.ravel())
        return place


def constant(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Return the array contiguous and read-only, copied only if it is not contiguous.
    Numba then sees a single array type; it would compile all loops a second time for
    the first writable array."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def where(p: Patches, border: int) -> list[int]:
    """Return the parameters of patches as a list, in the order in which the
    compiled loops read them."""
    return [*p.shape, *p.kernel, *p.stride, *p.dilation, *p.padding[:2], *p.grid, p.groups, border]
