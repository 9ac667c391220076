"""Lowering: the nodes of a network, one after another, for a graph's operators."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network import InputRange
from emulator.network.importing import graph as ops
from emulator.network.importing.emitted import Emitted, Entry
from emulator.network.importing.function import Stretch, with_room
from emulator.network.importing.graph import Floats, Graph, Linear, Neurons, Op, Unary, uses_of
from emulator.network.importing.held import Held, concatenated
from emulator.network.importing.node_makers import (
    counts_border,
    gate_node,
    pool_node,
    spread_node,
    table_node,
)
from emulator.network.importing.products import product_node
from emulator.network.importing.ranges import Ranges
from emulator.network.importing.span import Span
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.patches import Patches

Bools = npt.NDArray[np.bool_]

DENSE_MAX = 128
"""Values that a plain matrix passes on; more go through one group each."""


class Lowering:
    """Of a graph, with what its maps stand for."""

    def __init__(self, graph: Graph, ranges: Ranges) -> None:
        self.graph, self.ranges, self.plan, self.held = graph, ranges, ranges.plan, ranges.held
        self.plain: dict[Op, Held] = {}
        self.out = Emitted([graph.input.shape, *(m.shape for m, _ in graph.memories)])
        self.final = graph.output if uses_of(graph)[graph.output] == 1 else None

    def run(self, inputs: InputRange, still: Bools, progress: Callable[[int, int], None] | None) -> Emitted:
        """All nodes, the output last.

        ``inputs``: the range of one call's. ``still``: which of them never vary; they have no weights, as
        their value is part of the biases.
        """
        graph, order = self.graph, self.graph.order()
        self.held[graph.input] = self._input(inputs, still)
        for number, (memory, op) in enumerate(graph.memories):
            self.held[memory] = Held.of_map(1 + number, memory.shape, self.ranges.span(op))
        for done, op in enumerate(order):
            if op not in self.held and op not in self.plan.taken:
                self._lower(op)
            if progress is not None:
                progress(done, len(order))
        if graph.output in self.held:
            self._pass_out()
        for memory, op in graph.memories:
            held = self.held[op]
            start = held.affine(1.0, -memory.start).zero
            self.out.states.append((memory, held.maps[0], 0.0 if start is None else start))
        return self.out

    def _input(self, inputs: InputRange, still: Bools) -> Held:
        c, h, w = self.graph.input.shape
        held = Held((0,), (c, h, w), np.ones(c), np.zeros(c))
        if inputs.low.size == 1 or h == w == 1:
            return held.affine(np.where(still, 0.0, inputs.span), inputs.low)
        raise NetworkError(f"input range has {inputs.low.size} entries; accepted: 1, for maps")

    def _lower(self, op: Op) -> None:
        held = self.held
        if isinstance(op, Linear):
            self._product(op, op)
        elif isinstance(op, ops.Gate):
            if op in self.plan.second:
                self._sum(op)
            else:
                self._gate(op)
        elif isinstance(op, Unary):
            self._unary(op)
        elif isinstance(op, ops.Pool):
            self._pool(op)
        elif isinstance(op, ops.Spread):
            self._spread(op)
        elif isinstance(op, ops.Affine):
            held[op] = held[op.inputs[0]].affine(op.scale, op.shift)
        elif isinstance(op, ops.Flatten):
            held[op] = held[op.inputs[0]].flatten(op.order)
        elif isinstance(op, ops.Select):
            held[op] = held[op.inputs[0]].select(op.index)
        elif isinstance(op, ops.Concat):
            held[op] = concatenated([held[i] for i in op.inputs], self.out.shapes)
        else:
            raise NetworkError(f"operator {type(op).__name__} of node {op.node!r} has no place in a network")

    def _product(self, op: Op, linear: Linear, factor: float = 1.0, second: Held | None = None) -> None:
        """A matrix product, with the second operand and the function that the plan gives ``op``."""
        source = linear.inputs[0]
        x = self.held[source]
        whole = x.index is None or linear.patches.groups == 1
        if not whole or (any(linear.patches.padding) and x.zero is None):
            x = self._plainly(source)
        function = self.plan.function.get(op)
        stretch = None if op is self.final else self.ranges.stretch(function or op)
        activation = None if stretch is None else stretch.activation
        node = product_node(linear, x, factor, second, activation, self.out.shapes)
        number = self.out.add(node, _entry(linear.node, len(linear.bias), stretch))
        if stretch is None:
            return
        self.held[op] = result = Held.of_map(number, linear.shape, stretch.span)
        if function is not None and function not in self.plan.behind:
            self.held[function] = result

    def _sum(self, op: ops.Gate) -> None:
        """A product that takes in the other operand of a sum."""
        first, other = self.plan.second[op]
        linear, term = op.inputs[op.terms[first].a], op.terms[other]
        assert isinstance(linear, Linear)
        skip = self.held[op.inputs[term.a]]
        if len(skip.maps) > 1 or skip.index is not None or skip.flat or (skip.scale < 0).any():
            skip = self._plainly(op.inputs[term.a])
        self._product(op, linear, op.terms[first].factor, skip.affine(term.factor, op.constant))

    def _unary(self, op: Unary) -> None:
        """A function of a map's values: a table; or it was put before the pooling."""
        if op in self.plan.behind:
            self.held[op] = self.held[self.plan.behind[op]]
            return
        x = self.held[op.inputs[0]]
        turned = not isinstance(op, Neurons) and (x.scale < 0).all()
        if x.flat or not ((x.scale > 0).all() or turned):
            x = self._plainly(op.inputs[0])
        self.held[op] = self._table(op, x, self.ranges.stretch(op))

    def _table(self, op: Op, x: Held, stretch: Stretch) -> Held:
        node, seen = table_node(x, stretch)
        number = self.out.add(node, _entry(op.node, x.channels, seen))
        return Held.of_map(number, op.shape, stretch.span)

    def _plainly(self, op: Op) -> Held:
        """The value in one map whose codes all mean the same, 0 among them; one more rounding."""
        if op not in self.plain:
            x, stretch = self.held[op], self.ranges.plain(op)
            if not x.flat and (x.scale > 0).all():
                self.plain[op] = self._table(op, x, stretch)
            else:
                node = product_node(_passing(op, x), x, 1.0, None, stretch.activation, self.out.shapes)
                number = self.out.add(node, _entry(op.node, x.channels, stretch))
                self.plain[op] = Held.of_map(number, op.shape, stretch.span)
        return self.plain[op]

    def _pool(self, op: ops.Pool) -> None:
        x = self.held[op.inputs[0]]
        if (op.of == "max" and (x.scale <= 0).any()) or (
            counts_border(op) and x.affine(1.0, -op.border).zero is None
        ):
            x = self._plainly(op.inputs[0])
        reach = self.ranges.reach(op)
        wide = None if reach is None else with_room(*reach)
        node, held = pool_node(op, x, wide, self.ranges.holds(op), self.out.shapes)
        self.held[op] = dataclasses.replace(held, maps=(self.out.add(node, _moving(op, x)),))

    def _spread(self, op: ops.Spread) -> None:
        x = self.held[op.inputs[0]]
        x = self._plainly(op.inputs[0]) if x.flat or x.index is not None else x
        number = self.out.add(spread_node(x, op.shape), _moving(op, x))
        self.held[op] = dataclasses.replace(x, shape=op.shape, maps=(number,))

    def _gate(self, op: ops.Gate) -> None:
        about_zero = {n for t in op.terms if t.b is not None for n in (t.a, t.b)}
        x = []
        for number, source in enumerate(op.inputs):
            held = self.held[source]
            fits = held.is_plain and (number not in about_zero or held.zero is not None)
            x.append(held if fits else self._plainly(source))
        span = self.ranges.span(op)
        entry = Entry(
            node=op.node, label=_formula(op), channels=op.shape[0], span=span, error=0.5 / INPUT_MAX
        )
        number = self.out.add(gate_node(op, x, span, self.ranges.start), entry)
        self.held[op] = Held.of_map(number, op.shape, span)

    def _pass_out(self) -> None:
        """The output in the model's unit, as sums, where it is not already."""
        op = self.graph.output
        linear = _passing(op, self.held[op], grouped=True)
        node = product_node(linear, self.held[op], 1.0, None, None, self.out.shapes)
        self.out.add(node, _entry("output", len(linear.bias), None))


def _passing(op: Op, x: Held, *, grouped: bool = False) -> Linear:
    """The product that passes a value on: channel by channel."""
    count = x.channels
    apart = grouped and not x.flat and x.index is None and count > DENSE_MAX
    patches = Patches(shape=op.shape, kernel=(1, 1), groups=count if apart else 1)
    weights: Floats = np.ones((1, count)) if apart else np.eye(count)
    return Linear(
        node=op.node, inputs=(op,), shape=op.shape, weights=weights, bias=np.zeros(count), patches=patches
    )


def _entry(node: str, channels: int, stretch: Stretch | None) -> Entry:
    """Of a node with a function; without one, of the sums that come out."""
    if stretch is None:
        return Entry(node=node, label="none: outputs", channels=channels, span=None)
    return Entry(
        node=node,
        label=stretch.unary.label,
        channels=channels,
        span=stretch.span,
        stretch=stretch,
        error=stretch.error,
    )


def _moving(op: Op, x: Held) -> Entry:
    """Of a node that passes codes on."""
    return Entry(node=op.node, label="pooling", channels=x.channels, span=Span(0.0, 1.0))


def _formula(op: ops.Gate) -> str:
    letters = "abcdefgh"
    return " + ".join(letters[t.a] if t.b is None else f"{letters[t.a]}*{letters[t.b]}" for t in op.terms)
