"""The one loop over nodes, calls and states: it serves float networks and programs alike.

A node knows its kind, and an arithmetic knows what a kind computes: floats, codes, tensors that are trained,
bounds of errors. Whoever wants to see inner maps takes them from what ``run`` yields.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class At(NamedTuple):
    """Where a node is computed: the call, the node's number, and how many of its kind come before it."""

    call: int = 0
    node: int = 0
    nth: int = 0


class Kind(Protocol):
    """A node of a network, or a step of a program."""

    @property
    def kind(self) -> str:
        """The arithmetic's method that computes it: product, pool, table, gate, .."""
        ...


class Source(Protocol):
    """A state: what it takes over from a call into the next."""

    @property
    def source(self) -> int:
        """Number of a map."""
        ...


def evaluated(arithmetic: Any, at: At, node: Kind, maps: Any) -> Any:
    """The map that ``node`` makes of ``maps``, by number."""
    return getattr(arithmetic, node.kind)(at, node, maps)


def last(calls: Iterator[list[Any]]) -> list[Any]:
    """The maps of the last call of those that ``run`` yields."""
    return deque(calls, maxlen=1).pop()


def run(
    arithmetic: Any,
    nodes: Sequence[Kind],
    states: Sequence[Source],
    inputs: Iterable[Any],
    starts: Sequence[Any],
) -> Iterator[list[Any]]:
    """Every map of each call in turn: the input, the states, then each node's result.

    ``arithmetic``: has a method for each kind of node: ``kind(at, node, maps)`` gives the node's map.
    ``nodes``, ``states``: of the network or program. ``inputs``, ``starts``: map 0 of every call, and what
    the states hold in the first one.
    """
    state_maps = list(starts)
    for call, first in enumerate(inputs):
        maps, before = [first, *state_maps], Counter[str]()
        for number, node in enumerate(nodes):
            maps.append(evaluated(arithmetic, At(call, number, before[node.kind]), node, maps))
            before[node.kind] += 1
        state_maps = [maps[state.source] for state in states]
        yield maps
