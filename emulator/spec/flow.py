"""Flow: what programs and float networks have in common, parts that read maps by number and make one each.

Map 0 is the input of a call, (C, H, W); the states follow, then each part's result. Several sources of a part
are joined: by channel where all have the same rows and columns, else each flattened (channel, row, column)
and one behind the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np

from ndrite.emulator.spec.arithmetic import Array
from ndrite.emulator.spec.errors import ProgramError, require
from ndrite.emulator.spec.evaluate import PerKind, run
from ndrite.emulator.spec.patches import Pair, Patches, Shape

Kind = TypeVar("Kind")
Number = Any
"""A code or another integer in a program; a float in a network, whose maps are in 0..1."""


def joined(shapes: list[Shape]) -> Shape:
    """Return the shape of several maps joined to one, as a step reads them."""
    if len({shape[1:] for shape in shapes}) == 1:
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return (sum(int(np.prod(shape)) for shape in shapes), 1, 1)


def join(maps: list[Any], concatenate: Callable[..., Any] = np.concatenate) -> Any:
    """Return several maps (n, C, H, W) joined to one, as a step reads them; the result has the shape that
    ``joined`` returns."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) > 1:
        maps = [x.reshape(len(x), -1, 1, 1) for x in maps]
    return concatenate(maps, axis=1)


def filled(maps: Array, block: Pair) -> Array:
    """Return maps (.., rows, columns) enlarged so that every value fills a ``block`` (g, h) of neighbours
    (nearest-neighbour upsampling)."""
    if block == (1, 1):
        return maps
    return maps.repeat(block[0], axis=-2).repeat(block[1], axis=-1)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term of a gate: ``(a - a_zero) * (b - b_zero) * gain`` of two maps or, without ``b``, ``(a - a_zero)
    * gain``."""

    a: int
    gain: Number
    b: int | None = None
    a_zero: Number = 0
    b_zero: Number = 0

    @property
    def reads(self) -> tuple[int, ...]:
        """Numbers of the maps that the term reads."""
        return (self.a,) if self.b is None else (self.a, self.b)

    def on(self, numbers: Sequence[int] | Mapping[int, int]) -> Term:
        """Return a copy of the term that reads the maps ``numbers[a]`` and ``numbers[b]`` instead of a and
        b."""
        return dataclasses.replace(self, a=numbers[self.a], b=None if self.b is None else numbers[self.b])


class Reads:
    """Base class of a step of a program and of a node of a float network: it joins the maps ``sources`` to
    one, and may read other maps too."""

    kind: ClassVar[str]
    refused: ClassVar[type[ValueError]] = ProgramError
    """Class of the error that is raised when something does not fit."""
    sources: tuple[int, ...]

    @property
    def fires(self) -> bool:
        """Whether the result consists of codes, or of values in 0..1, and not of sums."""
        return True

    @property
    def alone(self) -> tuple[int, ...]:
        """Numbers of the maps that it reads without joining them with others."""
        return ()

    @property
    def reads(self) -> tuple[int, ...]:
        """Numbers of all maps that it reads."""
        return (*self.sources, *self.alone)

    def shape(self, maps: list[Shape]) -> Shape:
        """Return the shape of the result, given the shapes of all maps so far."""
        raise NotImplementedError

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Visitor dispatch: call the method of ``walk`` for this kind."""
        raise NotImplementedError

    def fits(self, where: str, maps: list[Shape]) -> None:
        """Raise the error ``refused`` unless the shapes of the maps that it reads fit."""

    def joined(self, maps: Sequence[Shape] | Mapping[int, Shape]) -> Shape:
        """Return the shape of its joined sources; ``maps`` are the shapes of all maps by number."""
        return joined([maps[s] for s in self.sources])

    def source(self, maps: Sequence[Any] | Mapping[int, Any]) -> Any:
        """Return its joined sources (n, C, H, W); ``maps`` are all maps by number."""
        return join([maps[s] for s in self.sources])


class _OfPatches(Reads):
    """Base class of nodes that cut patches from their sources, which may have more rows and columns than the
    patches reach."""

    patches: Patches

    def fits(self, where: str, maps: list[Shape]) -> None:
        source, shape = self.joined(maps), self.patches.shape
        read_shape = (source[0], *map(min, source[1:], shape[1:]))
        require(
            shape == read_shape,
            f"{where}.patches shape",
            shape,
            f"that of its sources, {source}, or fewer rows and columns",
            self.refused,
        )


class AnyProduct(_OfPatches):
    """Base class of products: a matrix applied to patches. ``skip`` is the number of its second operand, a
    map of the result's shape."""

    kind = "product"
    block: Pair = (1, 1)
    skip: int | None

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Visitor dispatch: call ``walk.product`` for this node."""
        return walk.product(*arguments, **options)

    @property
    def alone(self) -> tuple[int, ...]:
        return () if self.skip is None else (self.skip,)

    def fits(self, where: str, maps: list[Shape]) -> None:
        super().fits(where, maps)
        if self.skip is not None:
            skip_shape, own_shape = maps[self.skip], self.shape(maps)
            require(skip_shape == own_shape, f"{where}.skip shape", skip_shape, str(own_shape), self.refused)

    @property
    def is_full(self) -> bool:
        """Whether the product is a plain full layer: a single patch and no second operand."""
        return self.patches.is_whole and self.skip is None and self.block == (1, 1)


class AnyPool(_OfPatches):
    """Base class of pools: windows of a map, each result filling a ``block`` of neighbours."""

    kind = "pool"
    block: Pair

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Visitor dispatch: call ``walk.pool`` for this node."""
        return walk.pool(*arguments, **options)

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.patches.shape[0], rows * g, columns * h)


class AnyTable(Reads):
    """Base class of tables: a function of each value of the source channels ``channel`` (E,)."""

    kind = "table"
    channel: Array

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Visitor dispatch: call ``walk.table`` for this node."""
        return walk.table(*arguments, **options)

    def shape(self, maps: list[Shape]) -> Shape:
        return (len(self.channel), *self.joined(maps)[1:])


class AnyGate(Reads):
    """Base class of gates: an element-wise sum of ``terms``."""

    kind = "gate"
    sources = ()
    terms: tuple[Term, ...]

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Visitor dispatch: call ``walk.gate`` for this node."""
        return walk.gate(*arguments, **options)

    @property
    def alone(self) -> tuple[int, ...]:
        return tuple(m for term in self.terms for m in term.reads)

    def shape(self, maps: list[Shape]) -> Shape:
        return maps[self.terms[0].a]

    def fits(self, where: str, maps: list[Shape]) -> None:
        own_shape = self.shape(maps)
        for number in self.reads:
            map_shape = maps[number]
            require(map_shape == own_shape, f"{where} map {number}", map_shape, str(own_shape), self.refused)


def of_kind(kind: type[Kind], steps: Iterable[Any]) -> tuple[Kind, ...]:
    """Return the steps of one type, in order."""
    return tuple(step for step in steps if isinstance(step, kind))


@dataclass(frozen=True, kw_only=True)
class State:
    """A map that keeps its value from one time step (call) of a sequence to the next. It has the value
    ``start`` everywhere at first, and takes over the value of map ``source`` at the end of each time step."""

    shape: Shape
    source: int
    start: Number = 0


class Flow:
    """Base class of networks and programs: ``parts`` compute maps one after another. A sample is a sequence
    of ``calls`` inputs of ``shape``."""

    refused: ClassVar[type[ValueError]] = ProgramError
    shape: Shape
    states: tuple[State, ...]
    calls: int

    def check(self, name: str, check: Callable[[str, Any, list[Shape]], None]) -> None:
        """Raise the error ``refused`` unless every part reads maps computed before it, only the last part
        returns sums, and each state takes over another map of its own shape. ``name`` is the word for a part;
        ``check(where, part, shapes)`` checks everything else of a part, given the shapes of all maps before
        it."""
        shapes = [self.shape, *(state.shape for state in self.states)]
        require(len(self.parts) >= 1, f"{name}s", "empty", f"at least one {name}", self.refused)
        for i, part in enumerate(self.parts):
            where, last_map = f"{name}{i}", len(shapes) - 1
            for number in part.reads:
                if type(number) is not int or not 0 <= number <= last_map:
                    raise self.refused(f"{where} reads map {number}; accepted: 0..{last_map}, made before it")
            if not part.reads:
                raise self.refused(f"{where} reads no map; accepted: at least one")
            check(where, part, shapes)
            fires = part.fires or i == len(self.parts) - 1
            require(fires, f"{where}.fires", False, f"True for all but the last {name}", self.refused)
            shapes.append(part.shape(shapes))
        for i, state in enumerate(self.states):
            where, last_map = f"state{i}.source", len(shapes) - 1
            is_map = type(state.source) is int and 0 <= state.source <= last_map
            require(is_map, where, state.source, f"0..{last_map}", self.refused)
            fires = self.parts[-1].fires or state.source < last_map
            require(fires, where, "sums", "a map of codes, or of values in 0..1", self.refused)
            state_shape = shapes[state.source]
            require(state_shape == state.shape, f"{where} shape", state_shape, str(state.shape), self.refused)

    @property
    def parts(self) -> tuple[Reads, ...]:
        """Steps or nodes, in order."""
        raise NotImplementedError

    @cached_property
    def map_shapes(self) -> tuple[Shape, ...]:
        """Shape of every map, by map number."""
        shapes = [self.shape, *(state.shape for state in self.states)]
        for part in self.parts:
            shapes.append(part.shape(shapes))
        return tuple(shapes)

    @property
    def inputs(self) -> int:
        """Number of values in one sample, over all its time steps."""
        return self.calls * math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """Number of values in one result."""
        return math.prod(self.map_shapes[-1])

    @property
    def first(self) -> int:
        """Number of the first part's map."""
        return 1 + len(self.states)

    @property
    def asked(self) -> set[int]:
        """Numbers of the maps that are needed when a time step ends: the result, and those that states take
        over."""
        return {state.source for state in self.states} | {len(self.map_shapes) - 1}

    @property
    def is_chain(self) -> bool:
        """Whether the parts are full layers, each reading the result of the one before, in a single time
        step."""
        in_chain = (
            isinstance(p, AnyProduct) and p.is_full and p.sources == (i,) for i, p in enumerate(self.parts)
        )
        return not self.states and self.calls == 1 and all(in_chain)

    def run(self, arithmetic: Any, x: Array) -> Iterator[list[Any]]:
        """Yield the list of all maps for each time step of samples ``x``, computed by the visitor
        ``arithmetic`` (see ``ndrite.emulator.spec.evaluate.run``)."""
        return run(arithmetic, self.parts, self.states, *self.begun(x))

    def begun(self, x: Array) -> tuple[Iterator[Array], list[Any]]:
        """Return the input map of every time step, and the initial maps of all states, for samples ``x`` (n,
        inputs), in the dtype of ``x``."""
        calls = x.reshape(len(x), self.calls, *self.shape)
        starts = [np.full((len(x), *s.shape), s.start, x.dtype) for s in self.states]
        return (np.ascontiguousarray(calls[:, call]) for call in range(self.calls)), starts
