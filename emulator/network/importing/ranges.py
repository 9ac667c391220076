"""Ranges: what the codes of each map stand for, from samples or from what its operands can be."""

from __future__ import annotations

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network import InputRange
from emulator.network.importing.function import Devices, Stretch, identity, stretch_of, with_room
from emulator.network.importing.graph import Gate, Graph, Neurons, Op, Seen, Unary
from emulator.network.importing.held import Held
from emulator.network.importing.plan import plan_of
from emulator.network.importing.span import Span, code_span

EVERYTHING = (-np.inf, np.inf)


class Ranges:
    """Of a graph; ``seen``: ranges of its operators on samples, None without.

    ``held`` is filled while the graph is lowered: without samples a gate's range follows from its operands'.
    """

    def __init__(self, graph: Graph, seen: Seen | None) -> None:
        self._graph, self._seen = graph, seen
        self._stretches: dict[Op, Stretch] = {}
        self._spans: dict[Op, Span] = {}
        self.held: dict[Op, Held] = {}
        self.plan = plan_of(graph, lambda unary, head: stretch_of(unary, self.reach(head)).rises)

    def input_range(self, given: InputRange) -> InputRange:
        """The range of a map, all inputs alike, widened to what its codes must stand for."""
        low, high = float(given.low.min()), float(given.high.max())
        span = code_span(low, high, self.holds(self._graph.input))
        return InputRange(np.array([span.low]), np.array([span.low + span.width]))

    def reach(self, op: Op) -> tuple[float, float] | None:
        """Least and greatest value on the samples."""
        return None if self._seen is None else self._seen.of[op]

    def holds(self, op: Op) -> tuple[float, ...]:
        """Values that codes of the result must stand for."""
        return self.plan.holds.get(op, ())

    def stretch(self, op: Op) -> Stretch:
        """The table that gives ``op``, a function or, where there is none, a straight line."""
        if isinstance(op, Neurons):
            return Devices.of(op)
        if op not in self._stretches:
            unary = op if isinstance(op, Unary) else identity(op.node)
            head, limits = op, EVERYTHING
            if isinstance(op, Unary):
                pool = self.plan.behind.get(op)
                head = op.inputs[0] if pool is None else pool.inputs[0]
                limits = self.held[head].limits if head in self.held else EVERYTHING
            self._stretches[op] = stretch_of(unary, self.reach(head), self.holds(op), limits)
        return self._stretches[op]

    def plain(self, op: Op) -> Stretch:
        """The table that passes a value on, 0 among its codes."""
        limits = self.held[op].limits
        return stretch_of(identity(op.node), self.reach(op) or limits, (0.0,), limits)

    def span(self, op: Op) -> Span:
        """What the codes of a product's, table's or gate's map stand for."""
        if not isinstance(op, Gate) or op in self.plan.second:
            return self.stretch(op).span
        if op not in self._spans:
            reach = self.reach(op)
            low, high = self._limits(op) if reach is None else with_room(*reach)
            self._spans[op] = code_span(low, high, (*self.holds(op), self._at_zeros(op)))
        return self._spans[op]

    def start(self, gate: Gate, number: int) -> float:
        """The value that a gate counts operand ``number`` of a sum from: 0, or the nearest to it."""
        op = gate.inputs[number]
        low, high = self.reach(op) or self.held[op].limits
        return min(max(0.0, low), high)

    def _at_zeros(self, op: Gate) -> float:
        """The result where every operand has the value that the gate counts it from."""
        return op.constant + sum(t.factor * self.start(op, t.a) for t in op.terms if t.b is None)

    def _limits(self, op: Gate) -> tuple[float, float]:
        """Least and greatest result of a gate, from what its operands' codes can stand for."""
        if not all(i in self.held for i in op.inputs):
            raise UnsupportedNodeError(
                op.node,
                "recurrent cell",
                "it is unbounded: give samples of inputs, so that its range can be measured",
            )
        low = high = op.constant
        for term in op.terms:
            a = self.held[op.inputs[term.a]].limits
            b = (1.0, 1.0) if term.b is None else self.held[op.inputs[term.b]].limits
            ends = [term.factor * x * y for x in a for y in b]
            low, high = low + min(ends), high + max(ends)
        return low, high
