"""One node of an ONNX graph with its operands, and the import of operators that
move or join values.

Operators that move, cut and concatenate values need no node of the network: run on the
positions of a tensor's elements, the operator itself tells where they are afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import UnsupportedNodeError
from ndrite.emulator.network.importing.graph import Memories, Op, gate, spread, view
from ndrite.emulator.network.importing.values import Value, raw_input
from ndrite.emulator.spec.arithmetic import Array, Floats, Ints
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.patches import Shape

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto
    from onnx.reference import ReferenceEvaluator

FOLDED_MAX = 1 << 26
"""Largest number of elements in a constant that is computed while importing. Without
it, a few bytes in a file could ask for more memory than there is."""
SHAPES_MAX = 64
"""Largest number of elements of an operand whose values may determine a result's size."""


@record()
class Call:
    """One node of the ONNX graph while it is imported. Each operand is in ``known`` if
    it is a constant, or in ``values`` if it is computed from the input; the other list
    has None at its index. ``a`` holds the attributes.

    ``notes`` and ``memories`` collect what the whole model has.
    """

    node: NodeProto
    opsets: dict[str, int]
    known: list[Array | None]
    values: list[Value | None]
    notes: list[str]
    memories: Memories

    @property
    def kind(self) -> str:
        """The type of the ONNX operator, such as "Conv"."""
        return str(self.node.op_type)

    @property
    def name(self) -> str:
        """The node's name, or the name of its first output if it has no name."""
        return str(self.node.name or self.node.output[0])

    @property
    def a(self) -> dict[str, Any]:
        """The node's attributes by name."""
        return {item.name: attribute(item) for item in self.node.attribute}

    @property
    def computed(self) -> list[Value]:
        """Operands that are computed from the model's input, in order."""
        return [v for v in self.values if v is not None]

    @property
    def value(self) -> Value:
        """The first operand that is computed from the model's input."""
        return self.computed[0]

    def constant(self, index: int) -> Array:
        """Return operand number ``index``. Raises UnsupportedNodeError unless the
        operand is a constant."""
        value = self.optional(index)
        if value is None:
            raise self.refused(f"operand {index} is computed; use constant parameters")
        return value

    def optional(self, index: int) -> Array | None:
        """Return operand number ``index`` if it is a constant, else None."""
        return self.known[index] if index < len(self.known) else None

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Return integers that newer operator sets pass as operand ``index`` and older
        ones as attribute ``name``; None if the node has neither."""
        value = self.optional(index)
        if value is not None:
            return [int(v) for v in value.reshape(-1)]
        attribute = self.a.get(name)
        return (
            [int(v) for v in attribute]
            if isinstance(attribute, list)
            else None
            if attribute is None
            else [int(attribute)]
        )

    def refused(self, instead: str) -> UnsupportedNodeError:
        """Return the error that names this node; ``instead`` says what is wrong or
        what is accepted."""
        return UnsupportedNodeError(self.name, self.kind, instead)

    def check_weights(self, count: float) -> None:
        """Raise UnsupportedNodeError if the node needs more than FOLDED_MAX weights."""
        if count > FOLDED_MAX:
            raise self.refused(f"it has {count:,.0f} weights; accepted: {FOLDED_MAX:,}")

    def folded(self) -> list[Array]:
        """Return the outputs of a node whose operands are all constants (constant
        folding). Their size is checked before they are computed."""
        if any(a.HasField("g") or a.graphs for a in self.node.attribute):
            raise self.refused(
                "it computes constants with a subgraph; compute them before exporting the model"
            )
        constants = {s: k for s, k in zip(self.node.input, self.known, strict=True) if s and k is not None}
        element_count = self._elements(constants)
        if element_count > FOLDED_MAX:
            raise self.refused(
                f"its constant has {element_count:,.0f} elements; accepted: at most {FOLDED_MAX:,}"
            )
        return self.evaluated(constants)

    def _elements(self, given: dict[str, Array]) -> float:
        """Return the number of elements of the node's largest output, from ONNX's shape
        inference, without computing the output."""
        import onnx

        kinds = {s: onnx.helper.np_dtype_to_tensor_dtype(v.dtype) for s, v in given.items()}
        small = [onnx.numpy_helper.from_array(v, s) for s, v in given.items() if v.size <= SHAPES_MAX]
        inputs = [onnx.helper.make_tensor_value_info(s, kinds[s], v.shape) for s, v in given.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in self.node.output if name]
        graph = onnx.helper.make_graph([self.node], "constant", inputs, outputs, small)
        opsets = [onnx.helper.make_opsetid(*of) for of in self.opsets.items()]
        try:
            inferred = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph, opset_imports=opsets))
        except Exception as error:  # may be any of ONNX's own exception classes
            raise self.refused(f"it cannot be evaluated ({error})") from None
        shapes = (o.type.tensor_type.shape.dim for o in inferred.graph.output)
        return max(float(np.prod([float(d.dim_value) for d in dims])) for dims in shapes)

    def evaluated(self, given: dict[str, Array]) -> list[Array]:
        """Return the node's outputs for the operands ``given``, computed by ONNX's
        reference implementation of the operator."""
        try:
            # In older operator sets, the axes are an attribute instead of an operand.
            if self.kind in ("Squeeze", "Unsqueeze") and len(given) == 1:
                x, axes = given[self.node.input[0]], self.a.get("axes")
                if self.kind == "Squeeze":
                    return [np.squeeze(x, None if axes is None else tuple(axes))]
                return [np.expand_dims(x, tuple(axes or ()))]
            if self.kind == "Gelu":  # ONNX's reference implementation lacks Gelu
                x = np.asarray(given[self.node.input[0]], np.float64)
                return [_gelu(x, tanh=self.a.get("approximate") == "tanh")]
            outputs = self._evaluator().run(None, given, attributes={})
        except Exception as error:  # an operator's implementation may raise any exception
            raise self.refused(f"it cannot be evaluated ({error})") from None
        return [np.asarray(v) for v in outputs]

    def _evaluator(self) -> ReferenceEvaluator:
        """Return the reference implementation of the operator in the model's operator
        set or, if there is none, in the newest one."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        opsets = [onnx.helper.make_opsetid(*of) for of in self.opsets.items()]
        names = self.node.input, self.node.output
        alone = onnx.helper.make_function("alone", "alone", *names, [self.node], opsets)
        try:
            return ReferenceEvaluator(alone)
        except RuntimeError:  # the reference implementation lacks this version
            return ReferenceEvaluator(self.node)


def attribute(a: AttributeProto) -> Any:
    """Return the value of an ONNX attribute, with bytes decoded to text."""
    from onnx import helper

    v = helper.get_attribute_value(a)
    if isinstance(v, bytes):
        return v.decode()
    return [i.decode() if isinstance(i, bytes) else i for i in v] if isinstance(v, list) else v


def _gelu(x: Floats, *, tanh: bool) -> Floats:
    """Return ONNX's Gelu of x (operator set 20), exact or with the tanh approximation."""
    from scipy.special import erf

    inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if tanh else erf(x / np.sqrt(2))
    return np.asarray(0.5 * x * (1 + inner), np.float64)


SHAPING = ("Reshape", "Unsqueeze")
"""Operators that state the shape of the model's input when they are applied to it directly."""


def moved_places(call: Call) -> list[Array]:
    """Import an operator that only moves values (Transpose, Slice, Gather, ..): return
    for each output an array that says from which index of the first operand each
    element comes. Raises UnsupportedNodeError when another operand is computed."""
    value = call.values[0]
    if value is None or len(call.computed) > 1:
        raise call.refused("its indices or shapes are computed from the input; use constants")
    constants = {s: k for s, k in zip(call.node.input, call.known, strict=True) if s and k is not None}
    return call.evaluated({**constants, call.node.input[0]: value.places})


def moved_values(call: Call) -> list[Value]:
    """Import an operator that only moves values, without another order of elements."""
    return [_placed(call, call.value, places) for places in moved_places(call)]


def _placed(call: Call, value: Value, places: Ints) -> Value:
    moved = value.moved(places, call.name)
    if moved is None or moved.axis is None:
        raise call.refused(
            f"it moves shape {value.places.shape} to {places.shape} and mixes samples with other axes; move "
            "whole channels or features, or take the last time step of a sequence"
        )
    shaped = call.kind in SHAPING and value.is_raw and value.in_order and moved.in_order
    return raw_input(moved.own, len(places)) if shaped and len(moved.own) in (2, 3) else moved


def concatenate(call: Call) -> Value:
    """Import a concatenation. The channels of the operands are joined, whichever axis
    the model uses for channels."""
    axis, values = int(call.a.get("axis", 0)), call.computed
    if len(values) != len(call.known):
        raise call.refused(
            "it joins computed values with constants; join only values computed from the input"
        )
    for value in values:
        value.check_open()
    if len({v.op.shape[1:] for v in values}) > 1:
        values = [v.vector(call.name) or v for v in values]
    values = [v.settled() for v in values]
    if len({(v.op.shape[1:], v.calls, v.at) for v in values}) > 1:
        shapes = ", ".join(str(v.own) for v in values)
        raise call.refused(
            f"it joins shapes {shapes} along axis {axis}; join channels of maps with the same height and "
            f"width"
        )
    op, places, start = view(call.name, *(v.op for v in values)), [], 0
    for value in values:
        number = value.places // value.size * (op.shape[0] * value.area)
        places.append(number + start * value.area + value.places % value.size)
        start += value.op.shape[0]
    return values[0].then(op, np.concatenate(places, axis))


Imported = Value | Sequence[Value | UnsupportedNodeError] | None
"""An imported node: the value of its only output, or a value or an error for each
output; None if the node is not imported."""
Handler = Callable[[Call], Imported]
"""Function that imports a node."""

MOVING: dict[str, Handler] = {
    **dict.fromkeys(("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"), moved_values),
    **dict.fromkeys(("Gather", "ArrayFeatureExtractor", "Slice", "Split"), moved_values),
    "Concat": concatenate,
}


def join(call: Call, a: Value, b: Value, function: Callable[[Any, Any], Any]) -> Value:
    """Apply an element-wise function to two values. If both come from the same
    operator, any function is possible; two branches can only be added, subtracted or
    multiplied. Raises UnsupportedNodeError when two branches are combined by another
    function, or their shapes do not fit."""
    a.check_open()
    b.check_open()
    try:
        places = np.broadcast_arrays(a.places, b.places)
    except ValueError:
        raise call.refused(f"it joins values of {a.own} and {b.own}; use branches of one shape") from None
    if a.op is b.op and np.array_equal(places[0], places[1]):
        label = f"{call.kind}({a.label}, {b.label})"

        def both(z: Floats) -> Floats:
            return np.asarray(function(a.of(z), b.of(z)), np.float64)

        return replace(a, places=places[0], node=call.name, label=label, function=both, line=None)
    if not np.array_equal(places[0] // a.size, places[1] // b.size):
        raise call.refused("it joins values of different time steps of a sequence; use a recurrent layer")
    factors = {np.add: 1.0, np.subtract: -1.0}
    if function not in (*factors, np.multiply):
        raise call.refused(
            "it joins two branches by another function; use their sum, difference, product, larger or smaller"
        )
    a, b = a.settled(), b.settled()
    alike = _alike(call, a, b)
    if alike is None and (vectors := (a.vector(call.name), b.vector(call.name)))[0] and vectors[1]:
        a, b = vectors[0], vectors[1]
        alike = _alike(call, a, b)
    if alike is None:
        instead = "use branches of one shape"
        if a.own == b.own:
            instead = f"the values from {a.op.name!r} and from {b.op.name!r} are in two orders: "
            instead += "move channels among themselves, and rows and columns among themselves"
        raise call.refused(f"it joins values of {a.own} and {b.own}; {instead}")
    left, right, places_of = alike
    terms = ((1.0, left, right),) if function is np.multiply else ((1.0, left), (factors[function], right))
    return a.then(gate(call.name, *terms), places_of)


def _alike(call: Call, a: Value, b: Value) -> tuple[Op, Op, Ints] | None:
    """Broadcast two values to maps of the same shape, where either may have a single
    value per channel or a single channel. Return both maps and the index of each
    element of the result in that shape, or None if the shapes do not fit."""
    c, h, w = (max(x, y) for x, y in zip(a.op.shape, b.op.shape, strict=True))
    for wide, long in itertools.product((a, b), repeat=2):
        if wide.op.shape[0] != c or long.op.shape[1:] != (h, w):
            continue
        place = np.asarray(wide.channel * h * w + long.places % (h * w))
        places = a.places // a.size * (c * h * w) + place
        fits = all(
            x.op.shape[1:] in ((1, 1), (h, w))
            and (x.op.shape[0] == 1 or (x.channel == place // (h * w)).all())
            and (x.area == 1 or (x.places % x.area == place % (h * w)).all())
            for x in (a, b)
        )
        if fits and len(np.unique(places)) == places.size:
            return _over(call, a.op, (c, h, w)), _over(call, b.op, (c, h, w)), places
    return None


def _over(call: Call, op: Op, shape: Shape) -> Op:
    if op.shape[0] == 1 and shape[0] > 1:
        op = view(call.name, op, index=np.zeros(shape[0], np.intp))
    return spread(call.name, op, *shape[1:]) if op.shape[1:] == (1, 1) != shape[1:] else op


def with_constant(call: Call, value: Value, constant: npt.ArrayLike, operation: str) -> Value:
    """Add, subtract, multiply or divide ``value`` and a constant; ``operation`` is one
    of ``add sub rsub mul div rdiv``. Raises UnsupportedNodeError unless the constant is
    a scalar or has one value per feature or channel."""
    c = np.asarray(constant, np.float64)
    if operation == "rdiv":
        if c.size != 1:
            raise call.refused("it divides constants by a computed value; divide by constants only")
        number = float(c.reshape(-1)[0])
        return value.apply(call.name, f"{number:g}/{{}}", lambda z: number / z)
    ones_c, none = np.ones_like(c), np.zeros_like(c)
    with np.errstate(divide="ignore"):
        scale_shift = {
            "add": (ones_c, c),
            "sub": (ones_c, -c),
            "rsub": (-ones_c, c),
            "mul": (c, none),
            "div": (1 / c, none),
        }
    scale, shift = scale_shift[operation]
    if c.size == 1:
        return value.affine(call.name, float(scale.flat[0]), float(shift.flat[0]))
    value, (scale, shift) = of_channels(call, value, scale, shift)
    return value.by_channel(call.name, scale, shift)


def of_channels(call: Call, value: Value, *constants: Array) -> tuple[Value, list[Floats]]:
    """Return two results: ``value``, made a vector of features if its own channels do
    not fit the constants; and the constants, reduced from the shape of a tensor to
    one number per channel (C,). Raises UnsupportedNodeError when a constant varies
    within a channel."""
    shape = constants[0].shape
    for candidate in (value, value.vector(call.name)):
        if candidate is None or len(shape) > candidate.places.ndim:
            continue
        try:
            full = [np.broadcast_to(c, candidate.places.shape) for c in constants]
        except ValueError:
            continue
        by_channel = [np.zeros(candidate.op.shape[0]) for _ in constants]
        for channel, values in zip(by_channel, full, strict=True):
            channel[candidate.channel] = values
        if all(
            np.array_equal(channel[candidate.channel], v, equal_nan=True)
            for channel, v in zip(by_channel, full, strict=True)
        ):
            return candidate, by_channel
    raise call.refused(
        f"a constant of shape {shape} on values of {value.own}; use a scalar, or one value "
        "per channel or feature"
    )
