"""codes: the golden model's arithmetic of programs, step by step, vectorised over samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.array import array, readout
from ndrite.emulator.golden.neuron import neuron, preneuron
from ndrite.emulator.golden.noise import gaussian, noise, pass_key, sigma
from ndrite.emulator.golden.steps import gate, pool, second_operand, table
from ndrite.emulator.spec.arithmetic import IntArray, Ints, dac_slice, slices
from ndrite.emulator.spec.evaluate import At, PerKind
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Gate, Pool, Product, Table

Bytes = npt.NDArray[np.uint8]
Maps = dict[int, Bytes] | list[Bytes]
"""Maps (n, C, H, W) of codes by their number in the program."""
Sums = Callable[[int, Product, Bytes, "Draw"], Ints]
"""Function of the number of a matrix product, its step, patches uint8 (n, groups *
K) and random samples (``Draw``), which returns partial sums plus bias, p + bias,
int64 (n, outputs)."""

Key = tuple[str, int, int, int]
"""Key of an intermediate value: (block of the computation, number of the
matrix product, row tile, bit slice). Row tile and bit slice are 0 for a
block that has none."""


@dataclass
class Trace:
    """Collects the intermediate values of an inference, each int64 (samples *
    positions, columns), by key (block, product, tile, slice). For a sequence, it keeps
    the values of the last time step only.

    Blocks: ``array`` (a), ``noise`` (g), ``noisy`` (a'), ``readout`` (what is added
    to p), ``partial`` (p), ``preneuron`` (z), ``neuron`` (y). ``sigma`` holds a
    column for each group.
    """

    values: dict[Key, npt.NDArray[np.int64]] = field(default_factory=dict)

    def record(self, key: Key, value: IntArray, *, beside: bool = False) -> None:
        """Store a copy of one intermediate value under ``key``. With ``beside``, append
        the value's columns to those already stored under that key."""
        earlier = [self.values[key]] if beside else []
        self.values[key] = np.concatenate([*earlier, value], axis=1).astype(np.int64)


def unrecorded(key: Key, value: IntArray, *, beside: bool = False) -> None:
    """Discard an intermediate value: the default of ``Codes.record``, when no trace is kept."""


@dataclass(frozen=True)
class Draw:
    """Seed and sample numbers ``index`` int64 (samples,) from which the read noise is
    generated. With ``noise`` off there is no read noise."""

    seed: int
    index: Ints
    noise: bool = True
    stream: int = 0

    @classmethod
    def none(cls, samples: int) -> Draw:
        """Return a Draw without read noise."""
        return cls(0, np.arange(samples, dtype=np.int64), False)


@dataclass(frozen=True, eq=False)
class Codes(PerKind):
    """Arithmetic of the golden model: computes the result of each kind of program step
    on maps of codes (n, C, H, W), with the read noise that ``draw`` selects.

    ``record`` is told every intermediate of products, as a ``Trace`` stores them.
    ``given`` gives the sums of a product in place of ``Codes.sums``: a board, where it
    holds that product. All else is as the program has it.
    """

    rows: int
    curve_base: npt.NDArray[np.int32]
    curve_slope: npt.NDArray[np.int32]
    draw: Draw
    calls: int = 1
    first_product: int = 0
    record: Callable[..., None] = unrecorded
    given: Sums | None = None

    @classmethod
    def of(cls, program: Program, draw: Draw, trace: Trace | None = None, given: Sums | None = None) -> Codes:
        """Build the golden model's arithmetic for ``program``, with the read noise that
        ``draw`` selects."""
        record = unrecorded if trace is None else trace.record
        fields = (program.rows, program.curve_base, program.curve_slope, draw)
        return cls(*fields, program.calls, program.first_product, record, given)

    def product(self, at: At, step: Product, maps: Maps) -> IntArray:
        """Return the map that a matrix product computes: neuron output codes, or int64
        sums if the step has no neurons."""
        patches = step.patches
        rows = patches.cut(step.source(maps), step.border)
        n, positions = rows.shape[:2]
        calls = self.draw.index * self.calls + at.call
        index = (calls[:, None] * positions + np.arange(positions)).reshape(-1)
        draw = dataclasses.replace(self.draw, index=index)
        column_sums = self.sums if self.given is None else self.given
        z = column_sums(at.nth, step, rows.reshape(n * positions, -1), draw)
        return self.ended(at.nth, step, z, maps)

    def pool(self, at: At, step: Pool, maps: Maps) -> Bytes:
        """Return the map of codes that a pooling step computes."""
        return pool(step, step.source(maps))

    def table(self, at: At, step: Table, maps: Maps) -> Bytes:
        """Return the map of codes that a lookup-table step computes: a function
        of each input code."""
        return table(step, step.source(maps), self.curve_base, self.curve_slope)

    def gate(self, at: At, step: Gate, maps: Maps) -> Bytes:
        """Return the map of codes that a gate step computes: an element-wise sum of
        products of maps."""
        return gate(step, maps)

    def ended(self, number: int, step: Product, z: Ints, maps: Maps) -> IntArray:
        """Turn a matrix product's sums z (patches, outputs) into the step's output map:
        add the map that is its second operand, if any, then apply the neurons."""
        positions = step.patches.positions
        if step.skip is not None:
            z = z + second_operand(step, maps[step.skip]).reshape(z.shape)
        self.record(("preneuron", number, 0, 0), z)
        y: IntArray = z
        if step.fires:
            y = neuron(preneuron(z, step.layer), step.layer, self.curve_base, self.curve_slope)
            self.record(("neuron", number, 0, 0), y)
        return step.patches.place(y.reshape(len(z) // positions, positions, -1), step.block)

    def sums(self, number: int, step: Product, x: Bytes, draw: Draw) -> Ints:
        """Return the partial sums plus bias, p + bias, int64 (patches, outputs), of
        matrix product ``number`` on patches x uint8 (patches, inputs)."""
        layer, groups = step.layer, step.patches.groups
        share = layer.outputs // groups
        p = np.zeros((len(x), layer.outputs), np.int64)
        for g in range(groups):
            mine = slice(g * share, (g + 1) * share)
            part = layer
            if groups > 1:
                columns: dict[str, Any] = {
                    n: v[..., mine] for n, v in vars(layer).items() if isinstance(v, np.ndarray)
                }
                part = dataclasses.replace(layer, **columns)
            p[:, mine] = self._of_group(
                number, part, mine, x[:, g * layer.inputs : (g + 1) * layer.inputs], draw
            )
        return p + layer.bias.astype(np.int64)

    def _of_group(self, number: int, layer: Layer, mine: slice, x: Bytes, draw: Draw) -> Ints:
        """Return the partial sums p of the output columns ``mine``, which are one group
        of a grouped convolution, added over all row tiles and input bit slices: int64
        (patches, columns)."""
        noisy = draw.noise and bool(layer.sigma_out or layer.var_cell)
        p = np.zeros((len(x), layer.outputs), np.int64)
        per_tile, later_group = layer.tile_rows(self.rows), mine.start > 0
        for t in range(layer.tiles(self.rows)):
            rows = slice(t * per_tile, (t + 1) * per_tile)
            for j in range(slices(layer.dac_bits)):
                xj = dac_slice(x[:, rows], j, layer.dac_bits)
                a = array(xj, layer.weights[rows])
                self.record(("array", number, t, j), a, beside=later_group)
                if noisy:
                    energy = np.square(xj.astype(np.int64)).sum(axis=1)
                    s = sigma(energy, layer.sigma_out, layer.var_cell)[:, None]
                    product_number = self.first_product + number
                    key = pass_key(draw.seed, draw.index, product_number, t, j, stream=draw.stream)
                    n = gaussian(key, np.arange(mine.start, mine.stop))
                    a = noise(a, s, n)
                    for name, value in (("sigma", s), ("noise", n), ("noisy", a)):
                        self.record((name, number, t, j), value, beside=later_group)
                added = readout(a, layer, j)
                p += added
                self.record(("readout", number, t, j), added, beside=later_group)
                self.record(("partial", number, t, j), p, beside=later_group)
        return p
