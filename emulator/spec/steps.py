"""The steps of a program: matrix products, pooling, lookup tables, gates, and the
states that outlive a time step.

``ndrite.emulator.spec.flow`` says how they read maps; ``docs/arithmetic.md`` states
what every step computes, with numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import require
from ndrite.emulator.spec.flow import AnyGate, AnyPool, AnyProduct, AnyTable, Reads, Term
from ndrite.emulator.spec.flow import State as State
from ndrite.emulator.spec.layer import (
    VECTOR_MAX,
    Code,
    Layer,
    SegmentBits,
    Shift,
    TableBits,
    Words,
    check_array,
    check_arrays,
    check_curves,
    check_ints,
    check_layer,
    partial_max,
)
from ndrite.emulator.spec.patches import Pair, Patches, Shape

Joined = Callable[[tuple[int, ...]], tuple[int, ...]]
"""Function that takes the numbers of the maps that a step joins and returns
their new numbers."""
Alone = Callable[[int], int]
"""Function that takes the number of a map that a step reads without joining it and
returns its new number."""
Curves = tuple[int, ...]
"""Shape of the program's lookup tables, (Q, segments)."""
GATE_TERMS_MAX = 4


class StepBase(Reads):
    """Base class of all steps of a program."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer of a matrix product, as the array holds it; empty for
        other kinds of steps."""
        return ()

    def holding(self, fresh: Iterator[Layer]) -> Self:
        """Return the step with its layer replaced by the next layer of ``fresh``, or
        unchanged if the step has no layer."""
        return self

    @property
    def operands(self) -> npt.NDArray[np.uint16] | None:
        """Words stored beside the column parameters: gains of the second operand, or
        factors of the averages; None if the step has neither."""
        return None

    def moved(self, joined: Joined, alone: Alone) -> Self:
        """Return the step with the maps that it reads renumbered: ``joined`` maps
        the numbers of the maps that it joins, ``alone`` those of maps that it
        reads separately."""
        return dataclasses.replace(self, sources=joined(self.sources))  # type: ignore[type-var]

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        """Raise ProgramError when a value of the step is out of range or does not fit
        the shapes of ``maps``."""


@record(kw_only=True)
class Product(AnyProduct, StepBase):
    """A matrix product of the crossbar with the patches of a map, followed by neurons
    if ``fires``. Only the last step of a program may return the sums instead.

    ``border`` is the code around the map. ``block`` (g, h): each patch gives g x h
    neighbouring positions, a group's columns in the order (row, column, channel); a
    kernel is then programmed that many times. With ``skip``, a map of the output's
    shape, ``rshift_round(skip * skip_gain, skip_shift)`` is added to z;
    ``skip_gain`` uint16 (M,).
    """

    layer: Layer
    sources: tuple[int, ...]
    patches: Patches
    border: Code = 0
    block: Pair = (1, 1)
    fires: bool = True
    skip: int | None = None
    skip_gain: Annotated[npt.NDArray[np.uint16] | None, np.uint16, 0, 65535] = None
    skip_shift: Shift = 0

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (self.layer,)

    def holding(self, fresh: Iterator[Layer]) -> Product:
        return dataclasses.replace(self, layer=next(fresh))

    @property
    def operands(self) -> npt.NDArray[np.uint16] | None:
        return self.skip_gain

    def moved(self, joined: Joined, alone: Alone) -> Product:
        skip = None if self.skip is None else alone(self.skip)
        return dataclasses.replace(self, sources=joined(self.sources), skip=skip)

    @property
    def share(self) -> int:
        """Number of output columns in each group of the grouped matrix product."""
        return self.layer.outputs // self.patches.groups

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.layer.outputs // (g * h), rows * g, columns * h)

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        layer, patches = self.layer, self.patches
        check_layer(where, layer)
        _check_block(where, self.block)
        self.fits(where, maps)
        require(
            layer.inputs == patches.inputs,
            f"{where}.inputs",
            layer.inputs,
            f"{patches.inputs}, as a patch has",
        )
        copies = self.block[0] * self.block[1] * patches.groups
        several = f"a multiple of {copies}, its groups and block"
        require(layer.outputs % copies == 0, f"{where}.outputs", layer.outputs, several)
        check_ints(where, self)
        if self.fires:
            check_curves(where, layer.curve, layer.segment_bits, curves)
        second = 0
        if self.skip is None:
            unused = "none without skip"
            require(self.skip_gain is None, f"{where}.skip_gain", "given", unused)
            require(self.skip_shift == 0, f"{where}.skip_shift", self.skip_shift, f"0, {unused}")
        else:
            check_arrays(where, self, (layer.outputs,))
            assert self.skip_gain is not None
            second = (INPUT_MAX * int(self.skip_gain.max()) >> self.skip_shift) + 1
        worst = partial_max(layer, rows) + int(np.abs(layer.bias.astype(np.int64)).max()) + second
        require(worst < 1 << 31, f"{where} largest |p| + |bias|", worst, "below 2^31")


@record(kw_only=True)
class Pool(AnyPool, StepBase):
    """A pooling step: the largest code (``max``) of each window, or its ``average`` as
    ``clip(rshift_round(sum * mul, shift), 0, 255)``.

    ``border`` is the code around the map and counts in the sum; ``mul`` uint16
    (positions,), so a window that reaches over the edge may have another divisor.
    Each result fills ``block``, g x h neighbouring positions, as
    nearest-neighbour upsampling does.
    """

    of: str
    sources: tuple[int, ...]
    patches: Patches
    border: Code = 0
    mul: Annotated[npt.NDArray[np.uint16] | None, np.uint16, 0, 65535] = None
    pool_shift: Shift = 0
    block: Pair = (1, 1)

    @property
    def operands(self) -> npt.NDArray[np.uint16] | None:
        return self.mul

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        require(self.of in ("max", "average"), f"{where}.of", self.of, "max or average")
        self.fits(where, maps)
        require(self.patches.groups == 1, f"{where}.groups", self.patches.groups, "1")
        check_ints(where, self)
        _check_block(where, self.block)
        if self.of == "average":
            check_arrays(where, self, (self.patches.positions,))
        else:
            require(self.mul is None, f"{where}.mul", "given", "none with max")


@record(kw_only=True)
class Table(AnyTable, StepBase):
    """A lookup-table step: channel e of the result is the curve ``curve[e]`` applied to
    channel ``channel[e]`` of the joined sources.

    ``v = clip(rshift_round((x + offset) * scale, vshift), -2048, 2047)``, then the
    neuron's table. Arrays (E,): ``channel`` int32, ``offset`` int16 (-256..255),
    ``scale`` uint16, ``curve`` uint16.
    """

    sources: tuple[int, ...]
    channel: npt.NDArray[np.int32]
    offset: Annotated[npt.NDArray[np.int16], np.int16, -256, 255]
    scale: Words
    curve: Words
    vshift: Shift = 0
    segment_bits: SegmentBits = 7
    table_bits: TableBits = 6

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        channels = self.joined(maps)[0]
        vector = isinstance(self.channel, np.ndarray) and self.channel.ndim == 1 and self.channel.size > 0
        require(vector, f"{where}.channel", "no vector", "int32 (E,)")
        shape = self.channel.shape
        check_array(f"{where}.channel", self.channel, shape, (np.int32, 0, channels - 1))
        check_arrays(where, self, shape)
        check_ints(where, self)
        check_curves(where, self.curve, self.segment_bits, curves)


@record(kw_only=True)
class Gate(AnyGate, StepBase):
    """An element-wise gate: ``clip(rshift_round(sum of the terms, shift) + zero, 0, 255)``.

    One term is the product of two maps; two are what a recurrent cell does to its
    state, ``f * c + i * g``.
    """

    terms: tuple[Term, ...]
    gate_shift: Shift = 0
    zero: Code = 0

    def moved(self, joined: Joined, alone: Alone) -> Gate:
        numbers = {m: alone(m) for m in self.alone}
        return dataclasses.replace(self, terms=tuple(t.on(numbers) for t in self.terms))

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        require(1 <= len(self.terms) <= GATE_TERMS_MAX, f"{where}.terms", len(self.terms), "1..4")
        self.fits(where, maps)
        for term in self.terms:
            check_ints(where, term, gain=(-65535, 65535), a_zero=(0, INPUT_MAX), b_zero=(0, INPUT_MAX))
        check_ints(where, self)


Step = Product | Pool | Table | Gate
KINDS: dict[str, type[Step]] = {kind.kind: kind for kind in (Product, Pool, Table, Gate)}


def _check_block(where: str, block: Pair) -> None:
    sizes = len(block) == 2 and all(type(v) is int and 1 <= v <= VECTOR_MAX for v in block)
    require(sizes, f"{where}.block", block, "two numbers of at least 1")
