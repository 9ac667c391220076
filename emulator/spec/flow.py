"""Flow: what programs and float networks have in common: nodes that read maps by number
and compute one map each.

Map 0 is the input of a call, (C, H, W); the states follow, then each part's result.
Several sources of a part are joined: by channel where all have the same rows and
columns, else each flattened (channel, row, column) and one behind the other.
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
"""Element of a map: a code or another integer in a program; a float in 0..1 in a network."""


def joined(shapes: list[Shape]) -> Shape:
    """Return the shape that maps of ``shapes`` have when ``join`` has
    joined them to one map."""
    if len({shape[1:] for shape in shapes}) == 1:
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return (sum(int(np.prod(shape)) for shape in shapes), 1, 1)


def join(maps: list[Any], concatenate: Callable[..., Any] = np.concatenate) -> Any:
    """Join several maps (n, C, H, W) to the one map that a step reads: by channel if
    all have the same rows and columns, else flattened and concatenated."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) > 1:
        maps = [x.reshape(len(x), -1, 1, 1) for x in maps]
    return concatenate(maps, axis=1)


def filled(maps: Array, block: Pair) -> Array:
    """Return maps (.., rows, columns) enlarged so that every value fills a ``block``
    (g, h) of neighbours (nearest-neighbour upsampling)."""
    if block == (1, 1):
        return maps
    return maps.repeat(block[0], axis=-2).repeat(block[1], axis=-1)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term of a gate: ``(a - a_zero) * (b - b_zero) * gain`` of the maps numbered a
    and b, or ``(a - a_zero) * gain`` if there is no ``b``."""

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
        """Return a copy of the term that reads the maps ``numbers[a]`` and
        ``numbers[b]`` instead of a and b."""
        return dataclasses.replace(self, a=numbers[self.a], b=None if self.b is None else numbers[self.b])


class Reads:
    """Base class of program steps and of float-network nodes. It joins the maps
    numbered ``sources`` to one map; a subclass may read further maps separately."""

    kind: ClassVar[str]
    refused: ClassVar[type[ValueError]] = ProgramError
    """Class of the error that is raised when a step or node has invalid fields."""
    sources: tuple[int, ...]

    @property
    def fires(self) -> bool:
        """Whether the result consists of codes (in a float network, of values in
        0..1) and not of sums."""
        return True

    @property
    def alone(self) -> tuple[int, ...]:
        """Numbers of the maps that the step reads separately, without joining
        them with others."""
        return ()

    @property
    def reads(self) -> tuple[int, ...]:
        """Numbers of all maps that the step reads: the joined ones, then
        those read separately."""
        return (*self.sources, *self.alone)

    def shape(self, maps: list[Shape]) -> Shape:
        """Return the shape of the step's result, given the shapes of all maps
        computed before it."""
        raise NotImplementedError

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method of the visitor ``walk`` for this kind of step, with all
        further arguments."""
        raise NotImplementedError

    def fits(self, where: str, maps: list[Shape]) -> None:
        """Raise the error class ``refused`` unless the maps that the step reads have
        shapes that it accepts. ``maps`` are the shapes of all maps by number."""

    def joined(self, maps: Sequence[Shape] | Mapping[int, Shape]) -> Shape:
        """Return the shape of the step's joined sources; ``maps`` are the shapes of
        all maps by number."""
        return joined([maps[s] for s in self.sources])

    def source(self, maps: Sequence[Any] | Mapping[int, Any]) -> Any:
        """Return the step's sources joined to one map (n, C, H, W); ``maps`` are
        all maps by number."""
        return join([maps[s] for s in self.sources])


class _OfPatches(Reads):
    """Base class of nodes that cut patches from their sources. The source map may have
    rows and columns that no patch reaches."""

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
    """Base class of matrix products: a matrix applied to patches of a map.
    ``skip`` is the number of the second operand, a map that is added and has the
    shape of the result."""

    kind = "product"
    block: Pair = (1, 1)
    skip: int | None

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``product`` of the visitor ``walk``, with all further arguments."""
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
        """Whether the matrix product is a plain fully connected layer: a single patch,
        no second operand and no block."""
        return self.patches.is_whole and self.skip is None and self.block == (1, 1)


class AnyPool(_OfPatches):
    """Base class of pools: the largest value or the average of each window of a map.
    Each result is repeated over a ``block`` of neighbouring output positions."""

    kind = "pool"
    block: Pair

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``pool`` of the visitor ``walk``, with all further arguments."""
        return walk.pool(*arguments, **options)

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.patches.shape[0], rows * g, columns * h)


class AnyTable(Reads):
    """Base class of lookup tables: output channel e is a function of each value of
    source channel ``channel[e]``, ``channel`` being (E,)."""

    kind = "table"
    channel: Array

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``table`` of the visitor ``walk``, with all further arguments."""
        return walk.table(*arguments, **options)

    def shape(self, maps: list[Shape]) -> Shape:
        return (len(self.channel), *self.joined(maps)[1:])


class AnyGate(Reads):
    """Base class of gates: the element-wise sum of ``terms``, each a product
    of up to two maps."""

    kind = "gate"
    sources = ()
    terms: tuple[Term, ...]

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``gate`` of the visitor ``walk``, with all further arguments."""
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


def of_kind(kind: type[Kind], steps: Iterable[object]) -> tuple[Kind, ...]:
    """Return the steps of one type, in order."""
    return tuple(step for step in steps if isinstance(step, kind))


@dataclass(frozen=True, kw_only=True)
class State:
    """A map that keeps its value from one time step (call) of a sequence to the next.
    Every element is ``start`` in the first time step; after each time step the state
    takes over the value of map number ``source``."""

    shape: Shape
    source: int
    start: Number = 0


class Flow:
    """Base class of float networks and programs: their ``parts`` (nodes or
    steps) compute maps one after another. A sample is a sequence of ``calls``
    inputs of ``shape``."""

    refused: ClassVar[type[ValueError]] = ProgramError
    shape: Shape
    states: tuple[State, ...]
    calls: int

    def check(self, name: str, check: Callable[[str, Any, list[Shape]], None]) -> None:
        """Raise the error class ``refused`` unless every node reads only maps computed
        before it, only the last node returns sums, and each state takes over a map of
        its own shape. ``name`` is the word for a node in messages; ``check(where, part,
        shapes)`` checks the rest of a node, given the shapes of all maps before it."""
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
        """The nodes of a network or the steps of a program, in order of computation."""
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
        """Number of values in the result of one sample."""
        return math.prod(self.map_shapes[-1])

    @property
    def first(self) -> int:
        """Number of the map that the first node computes: the input and the
        states come before it."""
        return 1 + len(self.states)

    @property
    def asked(self) -> set[int]:
        """Numbers of the maps that are still needed when a time step ends: the result,
        and the maps whose values the states take over."""
        return {state.source for state in self.states} | {len(self.map_shapes) - 1}

    @property
    def is_chain(self) -> bool:
        """Whether there is a single time step without states, and all nodes are fully
        connected layers, each reading the result of the layer before."""
        in_chain = (
            isinstance(p, AnyProduct) and p.is_full and p.sources == (i,) for i, p in enumerate(self.parts)
        )
        return not self.states and self.calls == 1 and all(in_chain)

    def run(self, arithmetic: PerKind, x: Array) -> Iterator[list[Any]]:
        """Yield the list of all maps for each time step of samples ``x``, computed by
        the visitor ``arithmetic`` (see ``ndrite.emulator.spec.evaluate.run``)."""
        return run(arithmetic, self.parts, self.states, *self.begun(x))

    def begun(self, x: Array) -> tuple[Iterator[Array], list[Array]]:
        """Return the input map of every time step, and the initial maps of all states,
        for samples ``x`` (n, inputs), in the dtype of ``x``."""
        calls = x.reshape(len(x), self.calls, *self.shape)
        starts = [np.full((len(x), *s.shape), s.start, x.dtype) for s in self.states]
        return (np.ascontiguousarray(calls[:, call]) for call in range(self.calls)), starts
