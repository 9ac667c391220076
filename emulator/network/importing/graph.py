"""The graph of an import: a model as nodes of the network, in the model's own unit and
in float64, before its maps have scales.

The kinds are the network's own (``ndrite.emulator.network.nodes``), their functions not
yet sampled, and views, which move values and are gone when the maps have scales. A
vector is (F, 1, 1), a row of a 1-D layer (C, 1, L).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np

from ndrite.emulator.network import Dense, Gate, Ndr, Node, Patches, Pool, Product, Table, Term
from ndrite.emulator.network.importing.view import REALS, PerOp, View, view_of
from ndrite.emulator.spec.arithmetic import Array, Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.evaluate import At, PerKind, last, run
from ndrite.emulator.spec.flow import State
from ndrite.emulator.spec.patches import Pair, Shape

Reach = tuple[float, float]
"""Range of an operator's values: the smallest and the largest."""
K = TypeVar("K")
BATCH = 64
"""Number of samples for which the operators of a graph are computed together."""


@record()
class Function:
    """A function of single values, as the model computes it, with the name of the ONNX
    node that computes it."""

    node: str
    label: str
    of: Callable[[Floats], Floats]

    def __call__(self, z: Array) -> Floats:
        return np.asarray(self.of(z), np.float64)


def identity(node: str) -> Function:
    """Return the identity function, for a table that only rounds values to codes."""
    return Function(node, "identity(x)", lambda z: z)


@record()
class Exact(Dense):
    """A dense layer in float64 for the graph of the import. Its activation is a
    ``Function`` or NDR devices; its values may be infinite or NaN."""

    weights: Array
    bias: Array
    activation: Any = None

    def __post_init__(self) -> None:
        """Skip the checks and the rounding to float32 that ``Dense`` does."""


@record()
class Given:
    """A map that no node computes: the model's input, or a memory (a value kept from
    the previous time step). ``start`` is the memory's initial value; it is None for
    the model's input.

    ``axes``: where the model's own samples are maps in another order, the axes of
    ``of`` in them, (2, 0, 1) for (H, W, C).
    """

    kind: ClassVar[str] = "given"

    of: Shape
    start: float | None = None
    axes: tuple[int, ...] | None = None

    def shape(self, maps: list[Shape]) -> Shape:
        """Return the shape (C, H, W) of the map."""
        return self.of


@record()
class Op:
    """An operator of the graph: a node, the name of the ONNX node that it
    was made from, and its input operators. The node reads the inputs' maps
    by the numbers 0, 1, ..

    On samples, where there are: ``before``, what its function is taken of, and
    ``reach``, its results.
    """

    name: str
    node: Node | View | Given
    inputs: tuple[Op, ...] = ()
    before: Reach | None = None
    reach: Reach | None = None

    @property
    def kind(self) -> str:
        """Name of the kind of the operator's node, such as "product"."""
        return self.node.kind

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method of the visitor ``walk`` for the kind of the operator's node.
        There is no such method for a ``Given``."""
        assert not isinstance(self.node, Given)
        return self.node.visit(walk, *arguments, **options)

    @cached_property
    def shape(self) -> Shape:
        """Shape (C, H, W) of the operator's result for one sample."""
        return self.node.shape([i.shape for i in self.inputs])

    def of(self, kind: type[K]) -> K | None:
        """Return the operator's node if it is of type ``kind``, else None."""
        return self.node if isinstance(self.node, kind) else None

    def only(self, kind: type[K]) -> K:
        """Return the operator's node, which must be of type ``kind``."""
        assert isinstance(self.node, kind)
        return self.node

    @property
    def is_input(self) -> bool:
        """Whether the operator is the model's input."""
        return self.kind == "given" and self.only(Given).start is None

    @property
    def start(self) -> float:
        """Value that a memory has in the first time step."""
        return self.only(Given).start or 0.0

    @property
    def function(self) -> Function | Ndr | None:
        """The activation function at the end of a matrix product or table; None
        if there is none."""
        product = self.of(Product)
        return getattr(self.node if product is None else product.dense, "activation", None)

    @property
    def sampled(self) -> Function | None:
        """The activation function at the end of the operator; None if there is none, or
        if it is the curve of NDR devices."""
        return self.function if isinstance(self.function, Function) else None


def given(name: str, shape: Shape, start: float | None = None, axes: tuple[int, ...] | None = None) -> Op:
    """Return an operator for the model's input or, with ``start``, for a memory."""
    return Op(name, Given(shape, start, axes))


def product(name: str, x: Op, weights: Floats, bias: Floats, patches: Patches, block: Pair = (1, 1)) -> Op:
    """Return an operator for a matrix product: patches times ``weights`` (K, M) plus
    ``bias`` (M,), where K are the inputs of one group. Maps are padded with zeros."""
    return Op(name, Product(Exact(weights, bias), (0,), patches, block=block), (x,))


def table(x: Op, function: Any) -> Op:
    """Return an operator for a table: one ``Function`` applied to all values of x, or
    one NDR device per channel."""
    unit_scale = np.ones(x.shape[0], np.float32)
    name = function.node if isinstance(function, Function) else x.name
    return Op(
        name,
        Table((0,), np.arange(len(unit_scale), dtype=np.int32), unit_scale, 0 * unit_scale, function),
        (x,),
    )


def pool(name: str, x: Op, of: str, patches: Patches, **rest: Any) -> Op:
    """Return an operator for a pool: the maximum or mean of each window of x. ``rest``
    are further fields of ``Pool``."""
    return Op(name, Pool(of, (0,), patches, **rest), (x,))


def spread(name: str, x: Op, height: int, width: int) -> Op:
    """Return an operator that repeats the single value of each channel of x over a map:
    a maximum over windows that contain only this value and padding."""
    around = (height - 1, width - 1, height - 1, width - 1)
    return pool(name, x, "max", Patches(shape=x.shape, kernel=(height, width), padding=around))


def view(name: str, *x: Op, **moves: Any) -> Op:
    """Return an operator for a view: the maps of the operators ``x`` joined, with
    channels selected, shifted and scaled. The keyword arguments ``moves`` are
    fields of ``View``."""
    return Op(name, view_of([i.shape for i in x], **moves), x)


def gate(name: str, *terms: tuple[float, Op] | tuple[float, Op, Op]) -> Op:
    """Return an operator for a gate, an element-wise sum of terms. Each
    term is a factor times the value of one operator, or times the product
    of the values of two."""
    inputs: list[Op] = []
    parts = []
    for factor, *ops in terms:
        input_number = len(inputs)
        inputs += ops
        parts.append(Term(a=input_number, b=input_number + 1 if len(ops) > 1 else None, gain=factor))
    return Op(name, Gate(tuple(parts)), tuple(inputs))


Memories = list[tuple[Op, Op]]
"""Maps that outlive a time step, each with the operator whose result it holds in
the next time step."""


@record()
class Graph:
    """A model as a graph of operators. It takes a sequence of ``calls`` inputs, one per
    time step; ``output`` is read after the last time step.

    ``memories``: each with the operator whose result it holds in the next call.
    """

    input: Op
    output: Op
    memories: tuple[tuple[Op, Op], ...] = ()
    calls: int = 1

    @cached_property
    def uses(self) -> dict[Op, int]:
        """For every operator, how many times it is read, by operators, by memories and
        as the output. Each operator comes after those that it reads.

        Inputs of memories come first, so the output is last.
        """
        ends = (*(op for _, op in self.memories), self.output)
        uses = dict.fromkeys(ordered((self.input, *(memory for memory, _ in self.memories), *ends)), 0)
        for read in (*(i for op in uses for i in op.inputs), *ends):
            uses[read] += 1
        return uses

    def changed(self, change: Callable[[Op, Op], Op]) -> Graph:
        """Return the graph with every operator replaced by ``change(op, fresh)``,
        inputs first; ``fresh`` is ``op`` with its operands already replaced. Return
        this same graph if nothing changed."""
        new: dict[Op, Op] = {}
        for op in self.uses:
            inputs = tuple(new[i] for i in op.inputs)
            new[op] = change(op, op if inputs == op.inputs else replace(op, inputs=inputs))
        if all(a is b for a, b in new.items()):
            return self
        memories = tuple((new[memory], new[op]) for memory, op in self.memories)
        return Graph(new[self.input], new[self.output], memories, self.calls)

    def run(self, x: Floats, seen: Callable[[Op, Floats], object] | None = None) -> Floats:
        """Return the outputs float64 (n, M) for inputs (n, calls * C * H * W); ``seen``
        is called with each operator and its result."""
        n, ops = len(x), _Ops(self, seen)
        parts = x.reshape(n, self.calls, *self.input.shape)
        states = [State(shape=m.shape, source=ops.number[op]) for m, op in self.memories]
        starts = [np.full((n, *m.shape), m.start) for m, _ in self.memories]
        firsts = (parts[:, call] for call in range(self.calls))
        maps = last(run(ops, ops.nodes, states, firsts, starts))
        y: Floats = maps[ops.number[self.output]].reshape(n, -1)
        return y


class _Ops(PerOp):
    """Arithmetic that computes a graph in real numbers. A map is freed
    after its last reader."""

    def __init__(self, graph: Graph, seen: Callable[[Op, Floats], object] | None) -> None:
        self._given = (graph.input, *(memory for memory, _ in graph.memories))
        self._seen = seen
        self.nodes = [op for op in graph.uses if op not in self._given]
        self.number = {op: i for i, op in enumerate((*self._given, *self.nodes))}
        self._last = {i: op for op in self.nodes for i in op.inputs}
        for op in (graph.output, *(op for _, op in graph.memories)):
            self._last.pop(op, None)

    def product(self, at: At, op: Op, maps: list[Any]) -> Floats:
        y: Floats = op.visit(REALS, at, op.node, [maps[self.number[i]] for i in op.inputs])
        if self._seen is not None:
            for i, map_given in enumerate(self._given if at.node == 0 else ()):
                self._seen(map_given, maps[i])
            self._seen(op, y)
        for source in op.inputs:
            if self._last.get(source) is op:
                maps[self.number[source]] = None
        return y

    pool = table = gate = view = product


def measured(graph: Graph, samples: Floats) -> Graph:
    """Return the graph with each operator's range of values, measured on samples (n,
    values), filled in."""
    reach_of = dict[Op, Reach]()

    def take(op: Op, y: Floats) -> None:
        low, high = reach_of.get(op, (np.inf, -np.inf))
        reach_of[op] = (min(low, float(y.min())), max(high, float(y.max())))

    for i in range(0, len(samples), BATCH):
        graph.run(samples[i : i + BATCH], take)

    def known(op: Op, fresh: Op) -> Op:
        before = reach_of[op.inputs[0] if op.kind == "table" else op]
        return replace(fresh, before=before, reach=reach_of[op])

    return graph.changed(known)


def ordered(ends: Iterable[Op]) -> list[Op]:
    """Return all operators on which ``ends`` depend, each after those that it reads."""
    done: dict[Op, None] = {}
    waiting = list(reversed(list(ends)))
    while waiting:
        op = waiting[-1]
        missing = [i for i in op.inputs if i not in done]
        if op in done or not missing:
            done.setdefault(waiting.pop())
        else:
            waiting += reversed(missing)
    return list(done)
