"""Scaling: decides what values the codes of every map represent, and folds the scales
into the nodes that read the map.

Every map holds codes 0..255: a function's range is moved and stretched to 0..1,
and what reads the map undoes it exactly, so tanh and GELU need no second pass for
their negative values.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.network import Dense, Gate, InputRange, Ndr, Node, Pool, Product, State, Table, Term
from ndrite.emulator.network.importing.call import FOLDED_MAX
from ndrite.emulator.network.importing.fuse import UNBOUNDED, Stretch, stretch_of, with_room
from ndrite.emulator.network.importing.graph import Exact, Graph, Op, Reach, identity
from ndrite.emulator.network.importing.proof import BlockReport
from ndrite.emulator.network.importing.view import PerOp, Span, View, code_span, view_of
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Bools, Floats
from ndrite.emulator.spec.patches import Patches, Shape

DENSE_MAX = 128
"""Largest number of channels that a plain identity matrix copies; more channels are
copied by a grouped product with one group each."""
GAIN_MAX = 64.0
"""Largest factor by which an average is stretched."""
EVERYTHING = (-np.inf, np.inf)


class Made(NamedTuple):
    """A node of the network, with the name of the ONNX node that it was made from and
    the values that its codes represent.

    No ``stretch`` of sums, nor where codes are passed on.
    """

    node: Node
    name: str
    stretch: Stretch | None = None

    @property
    def error(self) -> float:
        """Largest error of the node's table, relative to the span of its codes."""
        return 0.0 if self.stretch is None else self.stretch.error

    def block(self, outputs: int, beyond: float | None) -> BlockReport:
        """Return the report on the node's import: ``outputs`` is its number of outputs,
        ``beyond`` the fraction of pre-activations outside its table."""
        node, stretch = self.node, self.stretch
        step = 0.0 if stretch is None else stretch.span.width / INPUT_MAX
        low, high = (0.0, 0.0) if stretch is None else stretch.ends
        return BlockReport(
            node=self.name,
            kind=node.kind,
            function="none: outputs" if stretch is None else stretch.label,
            inputs=node.width,
            outputs=outputs,
            low=low,
            high=high,
            step=step,
            table_error=self.error * INPUT_MAX * step,
            table_error_lsb=self.error * INPUT_MAX,
            beyond=beyond,
        )


class Scaling(PerOp):
    """Turns a graph of operators into network nodes with scales, one operator
    after another. The results are ``made`` (the nodes), the ``shapes`` of all
    maps, and ``states``.

    A method for each kind gives the view that an operator is of the network's maps.
    """

    def __init__(self, graph: Graph, holds: Mapping[Op, tuple[float, ...]]) -> None:
        self._graph, self._holds = graph, holds
        self._views: dict[Op, View] = {}
        self._plain: dict[Op, View] = {}
        self._stretches: dict[Op, Stretch] = {}
        self.made: list[Made] = []
        self.shapes: list[Shape] = [self._graph.input.shape, *(m.shape for m, _ in self._graph.memories)]
        self.states: tuple[State, ...] = ()

    def run(self, inputs: InputRange, still: Bools, progress: Callable[[int, int], None] | None) -> None:
        """Convert all operators of the graph to nodes; the node of the output comes last.

        ``inputs``: the range of one call's. ``still``: which of them never vary; they
        have no weights, as their value is part of the biases.
        """
        graph, views, output = self._graph, self._views, self._graph.output
        c, h, w = graph.input.shape
        if inputs.low.size > 1 and (h, w) != (1, 1):
            raise NetworkError(
                f"input range has {inputs.low.size} entries; accepted: 1, as the inputs are maps"
            )
        views[graph.input] = view_of([(c, h, w)]).affine(np.where(still, 0.0, inputs.span), inputs.low)
        for number, (memory, op) in enumerate(graph.memories):
            views[memory] = View.of_map(1 + number, memory.shape, self._stretch(op).span)
        for done, op in enumerate(graph.uses):
            if op not in views:
                views[op] = op.visit(self, op, op.node)
            if progress is not None:
                progress(done, len(graph.uses))
        if not self._gives_sums(output):
            # The network's outputs must be sums in the model's unit: append a matrix
            # product that converts the codes.
            x = views[output]
            self._product("output", output, _passing(output, x, grouped=True), x)
        self.states = tuple(
            State(
                shape=memory.shape,
                source=views[op].sources[0],
                start=views[op].affine(1.0, -memory.start).zero or 0.0,
            )
            for memory, op in graph.memories
        )

    def _gives_sums(self, op: Op) -> bool:
        """Return whether the operator is a matrix product at the end of the network,
        which returns sums."""
        ends = op is self._graph.output and self._graph.uses[op] == 1
        return ends and op.kind == "product" and op.function is None

    def product(self, op: Op, node: Product) -> View:
        """Append the node for a matrix product, with its activation function and with
        the map that is added to it (if any); return a ``View`` of its output map."""
        source = op.inputs[node.sources[0]]
        x, second = self._views[source], None
        reads_all = x.index is None or node.patches.groups == 1
        if not reads_all or (any(node.patches.padding) and x.zero is None):
            x = self._plainly(source)
        if node.skip is not None:
            second = self._views[op.inputs[node.skip]]
            if not second.is_map or (second.scale < 0).any():
                second = self._plainly(op.inputs[node.skip])
        return self._product(
            op.name, op, node, x, None if self._gives_sums(op) else self._stretch(op), second
        )

    def table(self, op: Op, node: Table) -> View:
        """Append the node for a table of functions of a map's values; return a ``View``
        of its output map."""
        x = self._views[op.inputs[0]]
        turned = (x.scale < 0).all() and not isinstance(op.function, Ndr)
        if x.flat or not ((x.scale > 0).all() or turned):
            x = self._plainly(op.inputs[0])
        return self._table(op, x, self._stretch(op))

    def pool(self, op: Op, node: Pool) -> View:
        """Append the node for a pool; return a ``View`` of its output map.
        Averages span less than the values averaged, so they are stretched to use
        the whole range of codes."""
        x = self._views[op.inputs[0]]
        unfit = node.of == "max" and bool((x.scale <= 0).any())
        if node.is_spread:
            unfit = x.flat or x.index is not None
        if unfit or (node.counts_border and x.affine(1.0, -node.pad).zero is None):
            x = self._plainly(op.inputs[0])
        pad = (x.affine(1.0, -node.pad).zero or 0.0) if node.counts_border else 0.0
        gain = 1.0
        if node.of == "average" and op.reach is not None:
            gain = _gain(x, (*with_room(*op.reach), *self._holds[op]))
        channels = x.joined(self.shapes)[0]
        patches = replace(node.patches, shape=(channels, *node.patches.shape[1:]))
        pool = replace(node, sources=x.sources, patches=patches, pad=pad, gain=gain)
        return replace(x, sources=(self._add(Made(pool, op.name)),), scale=x.scale / gain)

    def gate(self, op: Op, node: Gate) -> View:
        """Append the node for a gate, whose operands each need one scale for all their
        codes; return the view of its map. Raises UnsupportedNodeError when the offset
        of the gate's sum is far outside the range of its results."""
        about_zero = {n for t in node.terms if t.b is not None for n in t.reads}
        x = []
        for number, source in enumerate(op.inputs):
            source_view = self._views[source]
            fits = source_view.is_plain and (number not in about_zero or source_view.zero is not None)
            x.append(source_view if fits else self._plainly(source))
        stretch = self._stretch(op)
        span = stretch.span
        terms, total = [], node.zero
        for term in node.terms:
            a = x[term.a]
            gain = term.gain * float(a.scale[0]) / span.width
            if term.b is not None:
                b = x[term.b]
                gain *= float(b.scale[0])
                zeros = {"a_zero": a.zero or 0.0, "b_zero": b.zero or 0.0}
                terms.append(Term(a=a.sources[0], b=b.sources[0], gain=gain, **zeros))
                continue
            y = np.clip((self._start(op.inputs[term.a]) - a.shift[0]) / a.scale[0], 0.0, 1.0)
            code = round(float(y) * INPUT_MAX) / INPUT_MAX
            total += term.gain * float(a.shift[0] + a.scale[0] * code)
            terms.append(Term(a=a.sources[0], gain=gain, a_zero=code))
        zero = (total - span.low) / span.width
        if not -1 / INPUT_MAX < zero < 1 + 1 / INPUT_MAX:
            raise UnsupportedNodeError(
                op.name,
                "sum",
                "the ranges of its operands lie so far from 0 that codes cannot represent the sum; put a "
                "BatchNorm or a Linear layer before it",
            )
        node_made = Gate(tuple(terms), float(np.clip(zero, 0.0, 1.0)))
        return self._with(op, Made(node_made, op.name, stretch))

    def view(self, op: Op, node: View) -> View:
        """Return the operator as a ``View`` (selected, scaled and shifted channels) of
        the network's maps. No node is appended: the weights or terms of the operators
        that read the view absorb it."""
        return node.of([self._views[i] for i in op.inputs], self.shapes)

    def _stretch(self, op: Op) -> Stretch:
        """Return how codes represent the values of a matrix product, table or gate."""
        if op not in self._stretches:
            function, holds = op.function, self._holds[op]
            if op.kind == "gate":
                self._stretches[op] = self._stretch_of_gate(op, op.only(Gate))
            elif isinstance(function, Ndr):
                self._stretches[op] = Stretch.of_devices(function)
            else:
                head = self._views.get(op.inputs[0]) if op.kind == "table" else None
                limits = EVERYTHING if head is None else head.limits
                function = function or identity(op.name)
                self._stretches[op] = stretch_of(function, op.before, holds, limits)
        return self._stretches[op]

    def _stretch_of_gate(self, op: Op, gate: Gate) -> Stretch:
        """Return how codes represent the results of a gate. Their range is measured on
        samples or, without samples, computed from the ranges of the operands.

        A code is the result where every operand has the value that the gate counts it from.
        """
        low, high = self._limits(op, gate) if op.reach is None else with_room(*op.reach)
        zero = gate.zero + sum(t.gain * self._start(op.inputs[t.a]) for t in gate.terms if t.b is None)
        span = code_span(low, high, (*self._holds[op], zero))
        label = " + ".join("*".join("abcdefgh"[n] for n in term.reads) for term in gate.terms)
        points = np.array([[span.low, span.low + span.width], [0.0, 1.0]])
        return Stretch(label=label, points=points, span=span, error=0.5 / INPUT_MAX)

    def _start(self, op: Op) -> float:
        """Return the value of a gate's summand at which its contribution is counted
        as 0: the value 0 or, if that is outside the summand's range, the nearest
        end of the range."""
        low, high = op.reach or self._views[op].limits
        return min(max(0.0, low), high)

    def _limits(self, op: Op, gate: Gate) -> Reach:
        """Return the smallest and the largest possible result of a gate, from the
        ranges of its operands."""
        if not all(i in self._views for i in op.inputs):
            raise UnsupportedNodeError(op.name, "recurrent cell", UNBOUNDED)
        low = high = gate.zero
        for term in gate.terms:
            a = self._views[op.inputs[term.a]].limits
            b = (1.0, 1.0) if term.b is None else self._views[op.inputs[term.b]].limits
            ends = [term.gain * x * y for x in a for y in b]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def _add(self, made: Made) -> int:
        """Append a node to the network; return the number of its map."""
        self.made.append(made)
        self.shapes.append(made.node.shape(self.shapes))
        return len(self.shapes) - 1

    def _with(self, op: Op, made: Made) -> View:
        """Append a node whose map holds codes or, without a ``Stretch``, sums; return a
        ``View`` of that map."""
        number, stretch = self._add(made), made.stretch
        return View.of_map(number, op.shape, Span(0.0, 1.0) if stretch is None else stretch.span)

    def _table(self, op: Op, x: View, stretch: Stretch) -> View:
        """Append a table node; return the view of its map. The gains of a table
        must be positive, so codes with a negative scale are read through the
        mirrored function."""
        if (x.scale < 0).all():
            x, stretch = replace(x, scale=-x.scale, shift=-x.shift), stretch.mirrored
        gain, shift = x.scale.astype(np.float32), x.shift.astype(np.float32)
        node = Table(x.sources, x.places.astype(np.int32), gain, shift, stretch.activation)
        return self._with(op, Made(node, op.name, stretch))

    def _product(
        self,
        name: str,
        op: Op,
        node: Product,
        x: View,
        stretch: Stretch | None = None,
        second: View | None = None,
    ) -> View:
        """Append a matrix product on codes; return a ``View`` of its output map. It
        ends in the function of ``stretch`` or, without one, returns sums. ``second`` is
        a single map that is added to the sums (the second operand). Raises NetworkError
        when a weight is not finite."""
        _, height, width = node.patches.shape
        joined_shape = x.joined(self.shapes)
        patches = (
            Patches.whole(joined_shape)
            if x.flat
            else replace(node.patches, shape=(joined_shape[0], height, width))
        )
        weights, bias = _on_codes(node, x, patches)
        pad = x.zero if any(patches.padding) else 0.0
        if pad is None:
            raise NetworkError(
                f"node {name!r} pads with zeros, but 0 is outside its input's range; accepted: ranges with 0"
            )
        skip, weight = None, None
        if second is not None and node.skip_weight is not None:
            factor = node.skip_weight.astype(np.float64)
            bias, skip = bias + factor * second.shift[node.channel_of], second.sources[0]
            weight = (factor * second.scale[node.channel_of]).astype(np.float32)
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise NetworkError(f"node {name!r} holds a weight that is not finite; accepted: finite numbers")
        activation = None if stretch is None else stretch.activation
        dense = Dense(weights.astype(np.float32), bias.astype(np.float32), activation)
        node_made = replace(
            node, dense=dense, sources=x.sources, patches=patches, pad=pad, skip=skip, skip_weight=weight
        )
        return self._with(op, Made(node_made, name, stretch))

    def _plainly(self, op: Op) -> View:
        """Return the operator's value as a single map whose codes share one scale and
        represent 0 exactly. This costs one more rounding."""
        if op not in self._plain:
            x = self._views[op]
            stretch = stretch_of(identity(op.name), op.reach or x.limits, (0.0,), x.limits)
            if not x.flat and (x.scale > 0).all():
                self._plain[op] = self._table(op, x, stretch)
            else:
                self._plain[op] = self._product(op.name, op, _passing(op, x), x, stretch)
        return self._plain[op]


def _on_codes(node: Product, x: View, patches: Patches) -> tuple[Floats, Floats]:
    """Return the weights (K, M) and bias (M,) of a matrix product converted from the
    values that codes represent to the codes 0..1 themselves."""
    groups, m = node.patches.groups, node.dense.outputs
    area = node.patches.kernel[0] * node.patches.kernel[1]
    w = node.dense.weights.reshape(area, -1, groups, m // groups)
    by_group = (x.scale.reshape(groups, -1).T, x.shift.reshape(groups, -1).T)
    placed = (w * by_group[0][:, :, None]).reshape(area, -1, m)
    bias = node.dense.bias + np.einsum("cg,acgm->gm", by_group[1], w).reshape(-1)
    if x.index is not None:
        scaled, placed = placed, np.zeros((area, patches.inputs // (1 if x.flat else area), m))
        np.add.at(placed.swapaxes(0, 1), x.index, scaled.swapaxes(0, 1))
    rows = placed.reshape(-1, m)
    return patches.by_place(rows) if x.flat else rows, bias


def _passing(op: Op, x: View, *, grouped: bool = False) -> Product:
    """Return a matrix product with an identity matrix, which copies a value
    channel by channel."""
    count = x.channels
    apart = grouped and not x.flat and x.index is None and count > DENSE_MAX
    if not apart and count * count > FOLDED_MAX:
        raise UnsupportedNodeError(
            op.name,
            "copy of values",
            f"a copy of {count:,} values takes {count * count:,} weights; accepted: at most {FOLDED_MAX:,}",
        )
    patches = Patches(shape=op.shape, kernel=(1, 1), groups=count if apart else 1)
    return Product(Exact(np.ones((1, count)) if apart else np.eye(count), np.zeros(count)), (0,), patches)


def _gain(x: View, values: tuple[float, ...]) -> float:
    """Return the factor by which averages can be stretched, since they span less than
    the values averaged. If 0 is on a code, it stays exactly on a code."""
    if (x.scale == 0).any():
        return 1.0
    largest = max(float(((value - x.shift) / x.scale).max()) for value in values)
    gain = min(1 / max(largest, 1 / GAIN_MAX), GAIN_MAX)
    if x.zero:
        gain = float(np.floor(gain * x.zero * INPUT_MAX + 1e-9)) / (x.zero * INPUT_MAX)
    return max(1.0, gain)
