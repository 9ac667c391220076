"""The steps of a program: products, pooling, tables, gates, and the maps that outlive a call.

A step reads maps by their numbers. Several sources are joined: by channel where all have the same rows and
columns, else each flattened (channel, row, column) and one behind the other. ``docs/arithmetic.md`` states
what every step computes, with numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.brief import brief_repr
from emulator.spec.errors import ProgramError
from emulator.spec.layer import (
    VECTOR_MAX,
    Code,
    IntArray,
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
    require,
)
from emulator.spec.patches import Pair, Patches, Shape

Joined = Callable[[tuple[int, ...]], tuple[int, ...]]
"""Where maps are that a step joins."""
Alone = Callable[[int], int]
"""Where a map is that a step reads by itself."""
Kind = TypeVar("Kind")
Curves = tuple[int, ...]
"""Shape of the program's tables, (Q, segments)."""
Number = Any
"""A code or another integer of a program, a float of a network, whose maps are in 0..1."""
GATE_TERMS_MAX = 4


def joined(shapes: list[Shape]) -> Shape:
    """Shape of several maps as one step reads them."""
    if len({shape[1:] for shape in shapes}) == 1:
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return (sum(int(np.prod(shape)) for shape in shapes), 1, 1)


def join(maps: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Several maps (n, C, H, W) as one step reads them: of shape ``joined``."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) == 1:
        return np.concatenate(maps, axis=1)
    return np.concatenate([x.reshape(len(x), -1, 1, 1) for x in maps], axis=1)


def filled(maps: npt.NDArray[Any], block: Pair) -> npt.NDArray[Any]:
    """Maps (.., rows, columns) whose every value fills ``block`` (g, h) neighbours: the nearest, enlarged."""
    if block == (1, 1):
        return maps
    return maps.repeat(block[0], axis=-2).repeat(block[1], axis=-1)


class Reads:
    """A step of a program, or a node of a float network: it joins the maps ``sources``, and reads others."""

    sources: tuple[int, ...]

    @property
    def fires(self) -> bool:
        """Whether it gives codes or values in 0..1, not sums."""
        return True

    @property
    def alone(self) -> tuple[int, ...]:
        """Maps that it does not join with others."""
        return ()

    @property
    def reads(self) -> tuple[int, ...]:
        """Maps that it needs."""
        return (*self.sources, *self.alone)

    def shape(self, maps: list[Shape]) -> Shape:
        """Shape of the result."""
        raise NotImplementedError


class StepBase(Reads):
    """What every step of a program has."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What the array holds of it: the layer of a product."""
        return ()

    def holding(self, fresh: Iterator[Layer]) -> Any:
        """The step with the next of ``fresh`` in place of its layer, where it has one."""
        return self

    @property
    def operands(self) -> IntArray | None:
        """What lies beside the columns' parameters: gains of second operands, or an average's divisors."""
        return None

    def moved(self, joined: Joined, alone: Alone) -> Any:
        """The step with its maps at other numbers: those that it joins, those that it reads alone."""
        return dataclasses.replace(self, sources=joined(self.sources))  # type: ignore[type-var]

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        """Raise ProgramError when the step breaks a rule."""


def shapes_of(first: Shape, states: Iterable[Shape], steps: Iterable[Reads]) -> tuple[Shape, ...]:
    """Shape of every map by its number: the input's, the states', each step's result."""
    shapes = [first, *states]
    for step in steps:
        shapes.append(step.shape(shapes))
    return tuple(shapes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Product(StepBase):
    """A crossbar product over patches, then neurons (``fires``) or, as the last step, the sums themselves.

    ``border`` is the code around the map. ``block`` (g, h): each patch gives g x h neighbouring positions,
    a group's columns in the order (row, column, channel); a kernel is then programmed that many times. With
    ``skip``, a map of the output's shape, ``rshift_round(skip * skip_gain, skip_shift)`` is added to z;
    ``skip_gain`` uint16 (M,).
    """

    __repr__ = brief_repr
    kind: ClassVar[str] = "product"

    layer: Layer
    sources: tuple[int, ...]
    patches: Patches
    border: Code = 0
    block: Pair = (1, 1)
    fires: bool = True
    skip: int | None = None
    skip_gain: Annotated[IntArray | None, np.uint16, 0, 65535] = None
    skip_shift: Shift = 0

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (self.layer,)

    def holding(self, fresh: Iterator[Layer]) -> Product:
        return dataclasses.replace(self, layer=next(fresh))

    @property
    def operands(self) -> IntArray | None:
        return self.skip_gain

    @property
    def alone(self) -> tuple[int, ...]:
        return () if self.skip is None else (self.skip,)

    def moved(self, joined: Joined, alone: Alone) -> Product:
        skip = None if self.skip is None else alone(self.skip)
        return dataclasses.replace(self, sources=joined(self.sources), skip=skip)

    @property
    def share(self) -> int:
        """Columns of each group of channels."""
        return self.layer.outputs // self.patches.groups

    @property
    def is_full(self) -> bool:
        """Whether it is a plain full layer: one patch, no second operand."""
        return self.patches.is_whole and self.skip is None and self.block == (1, 1)

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.layer.outputs // (g * h), rows * g, columns * h)

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        layer, patches = self.layer, self.patches
        check_layer(where, layer)
        check_source(where, patches, joined([maps[s] for s in self.sources]))
        require(layer.inputs == patches.inputs, f"{where}.inputs", layer.inputs, f"{patches.inputs}, a patch")
        _check_block(where, self.block)
        copies = self.block[0] * self.block[1] * patches.groups
        require(
            layer.outputs % copies == 0,
            f"{where}.outputs",
            layer.outputs,
            f"a multiple of {copies}, its groups and block",
        )
        check_ints(where, self)
        if self.fires:
            check_curves(where, layer.curve, layer.segment_bits, curves)
        second = 0
        if self.skip is None:
            unused = "none without skip"
            require(self.skip_gain is None, f"{where}.skip_gain", "given", unused)
            require(self.skip_shift == 0, f"{where}.skip_shift", self.skip_shift, f"0, {unused}")
        else:
            wanted = self.shape(maps)
            require(maps[self.skip] == wanted, f"{where}.skip shape", maps[self.skip], str(wanted))
            check_arrays(where, self, (layer.outputs,))
            assert self.skip_gain is not None
            second = (INPUT_MAX * int(self.skip_gain.max()) >> self.skip_shift) + 1
        worst = partial_max(layer, rows) + int(np.abs(layer.bias.astype(np.int64)).max()) + second
        require(worst < 1 << 31, f"{where} largest |p| + |bias|", worst, "below 2^31")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(StepBase):
    """``max`` of each window, or its ``average`` as ``clip(rshift_round(sum * mul, shift), 0, 255)``.

    ``border`` is the code around the map and counts in the sum; ``mul`` uint16 (positions,), so a window
    that reaches over the edge may have another divisor. Each result fills ``block``, g x h neighbouring
    positions, as nearest-neighbour upsampling does.
    """

    __repr__ = brief_repr
    kind: ClassVar[str] = "pool"

    of: str
    sources: tuple[int, ...]
    patches: Patches
    border: Code = 0
    mul: Annotated[IntArray | None, np.uint16, 0, 65535] = None
    pool_shift: Shift = 0
    block: Pair = (1, 1)

    @property
    def operands(self) -> IntArray | None:
        return self.mul

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.patches.shape[0], rows * g, columns * h)

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        require(self.of in ("max", "average"), f"{where}.of", self.of, "max or average")
        check_source(where, self.patches, joined([maps[s] for s in self.sources]))
        require(self.patches.groups == 1, f"{where}.groups", self.patches.groups, "1")
        check_ints(where, self)
        _check_block(where, self.block)
        if self.of == "average":
            check_arrays(where, self, (self.patches.positions,))
        else:
            require(self.mul is None, f"{where}.mul", "given", "none with max")


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(StepBase):
    """Curves on codes: channel e of the result is ``curve[e]`` of channel ``channel[e]`` of the sources.

    ``v = clip(rshift_round((x + offset) * scale, vshift), -2048, 2047)``, then the neuron's table. Arrays
    (E,): ``channel`` int32, ``offset`` int16 (-256..255), ``scale`` uint16, ``curve`` uint16.
    """

    __repr__ = brief_repr
    kind: ClassVar[str] = "table"

    sources: tuple[int, ...]
    channel: IntArray
    offset: Annotated[IntArray, np.int16, -256, 255]
    scale: Words
    curve: Words
    vshift: Shift = 0
    segment_bits: SegmentBits = 7
    table_bits: TableBits = 6

    def shape(self, maps: list[Shape]) -> Shape:
        return (len(self.channel), *joined([maps[s] for s in self.sources])[1:])

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        channels = joined([maps[s] for s in self.sources])[0]
        require(
            isinstance(self.channel, np.ndarray) and self.channel.ndim == 1 and self.channel.size > 0,
            f"{where}.channel",
            "no vector",
            "int32 (E,)",
        )
        shape = self.channel.shape
        check_array(f"{where}.channel", self.channel, shape, (np.int32, 0, channels - 1))
        check_arrays(where, self, shape)
        check_ints(where, self)
        check_curves(where, self.curve, self.segment_bits, curves)


@dataclass(frozen=True, kw_only=True)
class Term:
    """``(a - a_zero) * (b - b_zero) * gain`` of two maps; without ``b``, ``(a - a_zero) * gain``."""

    a: int
    gain: Number
    b: int | None = None
    a_zero: Number = 0
    b_zero: Number = 0

    @property
    def reads(self) -> tuple[int, ...]:
        """Maps that it needs."""
        return (self.a,) if self.b is None else (self.a, self.b)

    def on(self, numbers: Sequence[int] | Mapping[int, int]) -> Term:
        """The term of the maps ``numbers`` in place of its own."""
        return dataclasses.replace(self, a=numbers[self.a], b=None if self.b is None else numbers[self.b])


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate(StepBase):
    """Element by element ``clip(rshift_round(sum of the terms, shift) + zero, 0, 255)``.

    One term is the product of two maps; two are what a recurrent cell does to its state, ``f * c + i * g``.
    """

    __repr__ = brief_repr
    kind: ClassVar[str] = "gate"
    sources = ()

    terms: tuple[Term, ...]
    gate_shift: Shift = 0
    zero: Code = 0

    @property
    def alone(self) -> tuple[int, ...]:
        return tuple(m for term in self.terms for m in term.reads)

    def moved(self, joined: Joined, alone: Alone) -> Gate:
        numbers = {m: alone(m) for m in self.alone}
        return dataclasses.replace(self, terms=tuple(t.on(numbers) for t in self.terms))

    def shape(self, maps: list[Shape]) -> Shape:
        return maps[self.terms[0].a]

    def check(self, where: str, maps: list[Shape], curves: Curves, rows: int) -> None:
        require(1 <= len(self.terms) <= GATE_TERMS_MAX, f"{where}.terms", len(self.terms), "1..4")
        wanted = self.shape(maps)
        for number in self.reads:
            require(maps[number] == wanted, f"{where} map {number}", maps[number], str(wanted))
        for term in self.terms:
            check_ints(where, term, gain=(-65535, 65535), a_zero=(0, INPUT_MAX), b_zero=(0, INPUT_MAX))
        check_ints(where, self)


Step = Product | Pool | Table | Gate
KINDS: dict[str, type[Step]] = {kind.kind: kind for kind in (Product, Pool, Table, Gate)}


def of_kind(kind: type[Kind], steps: Iterable[Any]) -> tuple[Kind, ...]:
    """Those of ``steps`` that are of one kind, in order."""
    return tuple(step for step in steps if isinstance(step, kind))


@dataclass(frozen=True, kw_only=True)
class State:
    """A map that keeps its value from one call of a sequence to the next: it begins at ``start`` everywhere,
    and takes the value of map ``source`` at the end of a call."""

    shape: Shape
    source: int
    start: Number = 0


def check_source(where: str, patches: Patches, source: Shape) -> None:
    """Raise ProgramError unless ``patches`` are of a map of shape ``source``, or of its first rows and
    columns.
    """
    fits = patches.shape[0] == source[0] and patches.shape[1] <= source[1] and patches.shape[2] <= source[2]
    require(fits, f"{where}.patches shape", patches.shape, f"of its sources, {source}")


def _check_block(where: str, block: Pair) -> None:
    sizes = len(block) == 2 and all(type(v) is int and 1 <= v <= VECTOR_MAX for v in block)
    require(sizes, f"{where}.block", block, "two numbers from 1")


def check_reads(where: str, step: Step, known: int) -> None:
    """Raise ProgramError when a step reads a map that does not exist yet."""
    for number in step.reads:
        if type(number) is not int or not 0 <= number < known:
            raise ProgramError(f"{where} reads map {number}; accepted: 0..{known - 1}, made before it")
    if not step.reads:
        raise ProgramError(f"{where} reads no map; accepted: at least one")
