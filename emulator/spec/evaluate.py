"""The loop that evaluates nodes, time steps (calls) and states, for float networks
and programs alike.

A node calls the method of its kind, and an arithmetic computes it: in floats, in codes,
in tensors that are trained, with causes of errors. ``run`` yields every map to whoever
wants to see inner ones.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class At(NamedTuple):
    """Position of a node in a run: the number of the time step (call), the node's
    number, and how many nodes of the same kind come before the node."""

    call: int = 0
    node: int = 0
    nth: int = 0


class PerKind(ABC):
    """Visitor with one method for each kind of network node or program step. An
    arithmetic is such a visitor: it computes the node's result, for example in
    floats or in codes.

    ``node.visit(walk, ...)`` calls the method of the node's kind with all further
    arguments. A subclass that lacks a kind cannot be instantiated, and mypy says so;
    ``def gate(`` finds every implementation of one.
    """

    @abstractmethod
    def product(self, *arguments: Any, **options: Any) -> Any:
        """Process a matrix-product node: a matrix applied to patches of a map, then
        another map added (if the node has a second operand), then the neurons."""

    @abstractmethod
    def pool(self, *arguments: Any, **options: Any) -> Any:
        """Process a pooling node: the largest value of each window, or its average."""

    @abstractmethod
    def table(self, *arguments: Any, **options: Any) -> Any:
        """Process a lookup-table node: a function applied to each value of a map."""

    @abstractmethod
    def gate(self, *arguments: Any, **options: Any) -> Any:
        """Process a gate node: an element-wise sum of products of maps."""


class Kind(Protocol):
    """A network node or program step as visitors see it: an object with the name of its
    kind and a method ``visit``."""

    @property
    def kind(self) -> str:
        """Name of the kind of node: "product", "pool", "table" or "gate"."""
        ...

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method of the visitor ``walk`` for this kind of node, and pass on
        all further arguments."""
        ...


class Source(Protocol):
    """A state as ``run`` sees it: an object with the number of the map whose value the
    state takes over at the end of a time step."""

    @property
    def source(self) -> int:
        """Number of the map that the state takes over."""
        ...


def evaluated(arithmetic: PerKind, at: At, node: Kind, maps: Any) -> Any:
    """Return the map that ``node`` computes from ``maps``, which are indexed by number."""
    return node.visit(arithmetic, at, node, maps)


def last(calls: Iterator[list[Any]]) -> list[Any]:
    """Return the maps of the last time step among those that ``run`` yields."""
    return deque(calls, maxlen=1).pop()


def run(
    arithmetic: PerKind,
    nodes: Sequence[Kind],
    states: Sequence[Source],
    inputs: Iterable[Any],
    starts: Sequence[Any],
) -> Iterator[list[Any]]:
    """Run a network or program, and yield for each time step (call) the list of all
    maps: the input, the states, then each node's result.

    ``arithmetic``: its method of a node's kind, called with (at, node, maps), computes
    the node's map. ``nodes``, ``states``: of the network or program. ``inputs``,
    ``starts``: map 0 of every call, and what the states hold in the first one.
    """
    state_maps = list(starts)
    for call, first in enumerate(inputs):
        maps, before = [first, *state_maps], Counter[str]()
        for number, node in enumerate(nodes):
            maps.append(evaluated(arithmetic, At(call, number, before[node.kind]), node, maps))
            before[node.kind] += 1
        state_maps = [maps[state.source] for state in states]
        yield maps
