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
"""A code or another integer of a program, a float of a network, whose maps are in 0..1."""


def joined(shapes: list[Shape]) -> Shape:
    """Shape of several maps as one step reads them."""
    if len({shape[1:] for shape in shapes}) == 1:
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return (sum(int(np.prod(shape)) for shape in shapes), 1, 1)


def join(maps: list[Any], concatenate: Callable[..., Any] = np.concatenate) -> Any:
    """Several maps (n, C, H, W) as one step reads them: of shape ``joined``."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) > 1:
        maps = [x.reshape(len(x), -1, 1, 1) for x in maps]
    return concatenate(maps, axis=1)


def filled(maps: Array, block: Pair) -> Array:
    """Maps (.., rows, columns) whose every value fills ``block`` (g, h) neighbours: the nearest, enlarged."""
    if block == (1, 1):
        return maps
    return maps.repeat(block[0], axis=-2).repeat(block[1], axis=-1)


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


class Reads:
    """A step of a program, or a node of a float network: it joins the maps ``sources``, and reads others."""

    kind: ClassVar[str]
    refused: ClassVar[type[ValueError]] = ProgramError
    """What is raised where something does not fit."""
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

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method of ``walk`` for this kind."""
        raise NotImplementedError

    def fits(self, where: str, maps: list[Shape]) -> None:
        """Raise ``refused`` unless the maps that it reads fit it."""

    def joined(self, maps: Sequence[Shape] | Mapping[int, Shape]) -> Shape:
        """Shape of its sources as it reads them, of all maps' by number."""
        return joined([maps[s] for s in self.sources])

    def source(self, maps: Sequence[Any] | Mapping[int, Any]) -> Any:
        """Its sources (n, C, H, W) as it reads them, of all maps by number."""
        return join([maps[s] for s in self.sources])


class _OfPatches(Reads):
    """It cuts patches from its sources, which may have more rows and columns than it reads."""

    patches: Patches

    def fits(self, where: str, maps: list[Shape]) -> None:
        source, shape = self.joined(maps), self.patches.shape
        read_shape = (source[0], *map(min, source[1:], shape[1:]))
        require(
            shape == read_shape, f"{where}.patches shape", shape, f"of its sources, {source}", self.refused
        )


class AnyProduct(_OfPatches):
    """A matrix applied to patches; ``skip``: its second operand, a map of the result's shape."""

    kind = "product"
    block: Pair = (1, 1)
    skip: int | None

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call ``walk.product``."""
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
        """Whether it is a plain full layer: one patch, no second operand."""
        return self.patches.is_whole and self.skip is None and self.block == (1, 1)


class AnyPool(_OfPatches):
    """Windows of a map, each result in a ``block`` of neighbours."""

    kind = "pool"
    block: Pair

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call ``walk.pool``."""
        return walk.pool(*arguments, **options)

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.patches.shape[0], rows * g, columns * h)


class AnyTable(Reads):
    """A function of each value of the channels ``channel`` (E,)."""

    kind = "table"
    channel: Array

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call ``walk.table``."""
        return walk.table(*arguments, **options)

    def shape(self, maps: list[Shape]) -> Shape:
        return (len(self.channel), *self.joined(maps)[1:])


class AnyGate(Reads):
    """A sum of ``terms``, element by element."""

    kind = "gate"
    sources = ()
    terms: tuple[Term, ...]

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call ``walk.gate``."""
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
    """The steps of one kind, in order."""
    return tuple(step for step in steps if isinstance(step, kind))


@dataclass(frozen=True, kw_only=True)
class State:
    """A map that keeps its value from one call of a sequence to the next: it begins at ``start`` everywhere,
    and takes the value of map ``source`` at the end of a call."""

    shape: Shape
    source: int
    start: Number = 0


class Flow:
    """``parts`` over maps. A sample is ``calls`` inputs of ``shape``, one after another."""

    refused: ClassVar[type[ValueError]] = ProgramError
    shape: Shape
    states: tuple[State, ...]
    calls: int

    def check(self, name: str, check: Callable[[str, Any, list[Shape]], None]) -> None:
        """Raise ``refused`` unless every part reads maps made before it, only the last gives sums, and states
        take other maps, of their shape. ``name``: of parts; ``check``: the rest of each, where it is, with
        the shapes of all maps before it."""
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
            require(fires, f"{where}.fires", False, f"true but for the last {name}", self.refused)
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
        """The steps or nodes, in order."""
        raise NotImplementedError

    @cached_property
    def map_shapes(self) -> tuple[Shape, ...]:
        """Shape of every map by its number."""
        shapes = [self.shape, *(state.shape for state in self.states)]
        for part in self.parts:
            shapes.append(part.shape(shapes))
        return tuple(shapes)

    @property
    def inputs(self) -> int:
        """Values of one sample, all its calls together."""
        return self.calls * math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """Values of one result."""
        return math.prod(self.map_shapes[-1])

    @property
    def first(self) -> int:
        """The number of the first part's map."""
        return 1 + len(self.states)

    @property
    def asked(self) -> set[int]:
        """Maps that are asked for when a call ends: the result, and those that states take over."""
        return {state.source for state in self.states} | {len(self.map_shapes) - 1}

    @property
    def is_chain(self) -> bool:
        """Whether it is full layers one behind the other."""
        in_chain = (
            isinstance(p, AnyProduct) and p.is_full and p.sources == (i,) for i, p in enumerate(self.parts)
        )
        return not self.states and self.calls == 1 and all(in_chain)

    def run(self, arithmetic: Any, x: Array) -> Iterator[list[Any]]:
        """Every map of each call on samples ``x``, by an arithmetic as for
        ``ndrite.emulator.spec.evaluate.run``."""
        return run(arithmetic, self.parts, self.states, *self.begun(x))

    def begun(self, x: Array) -> tuple[Iterator[Array], list[Any]]:
        """Map 0 of every call, and the states of the first one, of samples ``x`` (n, inputs) in its dtype."""
        calls = x.reshape(len(x), self.calls, *self.shape)
        starts = [np.full((len(x), *s.shape), s.start, x.dtype) for s in self.states]
        return (np.ascontiguousarray(calls[:, call]) for call in range(self.calls)), starts
