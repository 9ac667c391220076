"""Import of operators that become several nodes: recurrent cells, linear estimators,
functions of other domains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.network.activation import Ndr
from ndrite.emulator.network.importing.call import Call, Handler, concatenate, with_constant
from ndrite.emulator.network.importing.graph import Function, Op, gate, given, product, table, view
from ndrite.emulator.network.importing.layers import linear
from ndrite.emulator.network.importing.values import TAKEN, LeftOut, Value
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.patches import Patches

if TYPE_CHECKING:
    from onnx import ModelProto

GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": "h"}
USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
SIGMOID: tuple[str, Callable[[Floats], Floats]] = ("sigmoid", lambda x: 0.5 + 0.5 * np.tanh(0.5 * x))
TANH: tuple[str, Callable[[Floats], Floats]] = ("tanh", np.tanh)
RELU: tuple[str, Callable[[Floats], Floats]] = ("relu", lambda x: np.maximum(x, 0.0))


@record()
class GateWeights:
    """Weights of one gate of a recurrent cell: ``input`` (K, H), ``hidden`` (H, H), and
    their biases (H,)."""

    input: Floats
    hidden: Floats
    input_bias: Floats
    hidden_bias: Floats


Gates = dict[str, GateWeights]


def check_cell(call: Call) -> None:
    """Raise UnsupportedNodeError unless a recurrent node has a standard cell with
    constant weights and constant initial states."""
    a, kind, directions = call.a, call.kind, len(call.constant(1))
    activations = a.get("activations", USUAL[kind] * directions)
    usual = (USUAL[kind], ["Relu"]) if kind == "RNN" else (USUAL[kind],)
    if activations not in [list(u) * directions for u in usual] or a.get("clip") or a.get("input_forget"):
        raise call.refused(
            "its activations are not the defaults, or it has clip or input_forget; use defaults"
        )
    computed = [i for i, value in enumerate(call.values) if value is not None]
    if call.optional(4) is not None or 0 not in computed or not {*computed} <= {0, 5, 6}:
        raise call.refused("it has sequence lengths, or its weights are computed; use constant weights")
    if kind == "LSTM" and call.optional(7) is not None:
        raise call.refused("it has peephole weights; use an LSTM without them")


def _layer(call: Call) -> list[Value | UnsupportedNodeError]:
    check_cell(call)
    if len(call.computed) > 1:
        raise call.refused("its initial states are computed; use constants")
    layout, value = int(call.a.get("layout", 0)), call.value
    by_sample = value.places if layout else value.places.swapaxes(0, 1)
    if not np.array_equal(by_sample.reshape(-1), np.arange(by_sample.size)):
        raise call.refused(
            f"its values are {value.own}; give sequences (calls, features) as the model's input"
        )
    value, gates = value.settled(), gates_of(call)
    shape = (len(next(iter(gates.values())).input_bias), 1, 1)
    states = [given(f"{call.name}.h", shape, start_of(call, 5))]
    if call.kind == "LSTM":
        states.append(given(f"{call.name}.c", shape, start_of(call, 6)))
    results = cell(call, call.name, value.op, gates, *states)
    call.memories.extend(zip(states, results, strict=True))
    out = value.mixed(results[0], -1)
    all_calls = replace(out, places=np.expand_dims(out.places, 2 if layout else 1))
    last = replace(out, places=out.places.take([-1], layout))
    return [all_calls, last, replace(last, op=results[-1])]


def cell(call: Call, name: str, x: Op, gates: Gates, h: Op | None = None, c: Op | None = None) -> list[Op]:
    """Return the states after one time step of a recurrent node: the new h and, for an
    LSTM, the new c. ``h`` and ``c`` are the previous states; None stands for 0."""
    if call.kind == "LSTM":
        return _lstm(name, x, h, c, gates)
    if call.kind == "GRU":
        return [_gru(name, x, h, gates, reset_after=bool(call.a.get("linear_before_reset", 0)))]
    relu = "Relu" in call.a.get("activations", ())
    return [_apply(RELU if relu else TANH, _both(name, x, h, gates["h"]))]


def _lstm(node: str, x: Op, h: Op | None, c: Op | None, gates: Gates) -> list[Op]:
    """Return the new states h and c of an LSTM cell: ``c = f * c + i * g``, ``h = o *
    tanh(c)``. ``gates`` has the gates' weights by the letters i, f, g, o."""
    i, f, o = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "ifo")
    g = _apply(TANH, _both(f"{node}.g", x, h, gates["g"]))
    new_c = gate(f"{node}.c", *([] if c is None else [(1.0, f, c)]), (1.0, i, g))
    return [gate(f"{node}.h", (1.0, o, _apply(TANH, new_c))), new_c]


def _gru(node: str, x: Op, h: Op | None, gates: Gates, *, reset_after: bool) -> Op:
    """Return the new state h of a GRU cell: ``h = (1 - z) * n + z * h``. ``gates`` has
    the gates' weights by the letters r, z, n.

    ``reset_after``: r multiplies the product with h (PyTorch, cuDNN), not h itself.
    """
    r, z = (_apply(SIGMOID, _both(f"{node}.{k}", x, h, gates[k])) for k in "rz")
    new, name = gates["n"], f"{node}.n"
    if reset_after:
        # With the state h equal to 0, the matrix product with h is just the bias.
        inner = view(name, r, scale=new.hidden_bias) if h is None else None
        if h is not None:
            inner = gate(name, (1.0, r, _linear(name, h, new.hidden, new.hidden_bias)))
        assert inner is not None
        n = gate(name, (1.0, _linear(name, x, new.input, new.input_bias)), (1.0, inner))
    else:
        n = _both(name, x, None if h is None else gate(name, (1.0, r, h)), new)
    unit = np.ones(z.shape[0])
    one_minus_z = view(f"{node}.z", z, scale=-unit, shift=unit)
    kept = [] if h is None else [(1.0, z, h)]
    return gate(f"{node}.h", (1.0, one_minus_z, _apply(TANH, n)), *kept)


def _apply(function: tuple[str, Callable[[Floats], Floats]], x: Op) -> Op:
    return table(x, Function(x.name, f"{function[0]}(x)", function[1]))


def _both(node: str, x: Op, h: Op | None, w: GateWeights) -> Op:
    """Return the matrix product of a recurrent cell's gate weights with the
    input and the previous state h, concatenated. If ``h`` is None (0), it is
    over the input alone."""
    if h is None:
        return _linear(node, x, w.input, w.input_bias + w.hidden_bias)
    return _linear(node, view(node, x, h), np.vstack([w.input, w.hidden]), w.input_bias + w.hidden_bias)


def _linear(node: str, x: Op, weights: Floats, bias: Floats) -> Op:
    return product(node, x, weights, bias, Patches.whole(x.shape))


def gates_of(call: Call, direction: int = 0) -> Gates:
    """Return the weights of each gate of a recurrent node, for one direction; ONNX
    stacks the gates."""
    letters = GATES[call.kind]
    w, r = (np.asarray(call.constant(i), np.float64)[direction] for i in (1, 2))
    bias = call.optional(3)
    b = np.zeros(2 * len(w)) if bias is None else np.asarray(bias, np.float64)[direction]
    parts = (np.split(array, len(letters)) for array in (w, r, b[: len(w)], b[len(w) :]))
    return {
        letter: GateWeights(wi.T, wh.T, bi, bh)
        for letter, wi, wh, bi, bh in zip(letters, *parts, strict=True)
    }


def start_of(call: Call, index: int) -> float:
    """Return the initial value of a recurrent node's state, which must be the
    same in all units."""
    first = call.optional(index)
    if first is None:
        return 0.0
    if not first.size or np.ptp(first) > 0:
        raise call.refused("its initial state is not the same number in all units; use zeros")
    return float(first.reshape(-1)[0])


RECURRENT: dict[str, Handler] = dict.fromkeys(GATES, _layer)


def _scaler(call: Call) -> Value:
    centred = with_constant(call, call.value, np.asarray(call.a["offset"], np.float64), "sub")
    return with_constant(call, centred, np.asarray(call.a["scale"], np.float64), "mul")


def _classifier(call: Call) -> list[Value | UnsupportedNodeError]:
    """Import an ONNX-ML classifier. The network computes the node's second output, the
    scores; the first output, the label, is not supported."""
    return [
        call.refused("its output label is not computed on the chip; take its output of scores"),
        _scores(call),
    ]


def _scores(call: Call) -> Value:
    a, kind = call.a, call.kind
    intercepts = np.asarray(a.get("intercepts", [0.0]), np.float64)
    weights = np.asarray(a["coefficients"], np.float64).reshape(len(intercepts), -1).T
    after = a.get("post_transform", "NONE")
    if kind == "LinearClassifier" and len(intercepts) == 1:
        weights, intercepts = np.hstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    if kind == "LinearClassifier" and after == "LOGISTIC" and len(intercepts) == 2:
        weights, intercepts = weights / 2, intercepts / 2  # the sigmoids equal a softmax of half the scores
    elif after not in ("NONE", "LOGISTIC", *(["SOFTMAX"] if kind == "LinearClassifier" else [])):
        raise call.refused(f"post_transform is {after}; use NONE or LOGISTIC")
    scores = linear(call, call.value, weights, intercepts)
    if after == "NONE":
        return scores
    if kind == "LinearRegressor":
        return scores.apply(call.name, "sigmoid({})", SIGMOID[1])
    call.notes.append(f"{call.name} ({kind}): {TAKEN.format('softmax')}")
    softmax = after == "SOFTMAX" or len(intercepts) == 2
    left_out = LeftOut(call.name, after, call.node.output[1], "softmax" if softmax else "sigmoid")
    return replace(scores, left_out=left_out)


def _joined(call: Call) -> Value:
    """Import a Concat operator. The form ``[1 - p, p]`` with p = sigmoid(z), which
    scikit-learn writes for two classes, becomes the scores -z / 2 and z / 2."""
    if len(call.computed) == 2 == len(call.known):
        classes = _two_classes(call, *call.computed)
        if classes is not None:
            return classes
    return concatenate(call)


def _two_classes(call: Call, a: Value, b: Value) -> Value | None:
    if a.op is not b.op or a.op.shape != (1, 1, 1) or not np.array_equal(a.places, b.places):
        return None
    z = np.linspace(-4, 4, 65)
    no, yes = (np.full(65, 0.5) if v.function is None else v.function(z) for v in (a, b))
    if not ((yes > 0) & (yes < 1)).all():
        return None
    scores = np.log(yes / (1 - yes))
    slope, offset = np.polyfit(z, scores, 1)
    straight = np.abs(scores - (slope * z + offset)).max() < 1e-3 * max(1.0, abs(slope))
    if not straight or np.abs(no + yes - 1).max() >= 1e-5:
        return None
    halves = np.array([-0.5, 0.5])
    before = Value(b.op, b.places, b.calls, node=b.node)
    two_scores = linear(call, before, slope * halves[None], offset * halves)
    call.notes.append(f"{call.name} ({call.kind}): two classes; outputs are taken before the softmax")
    return replace(two_scores, left_out=LeftOut(call.name, "Softmax", call.node.output[0], "softmax"))


ESTIMATORS: dict[str, Handler] = {
    "Scaler": _scaler,
    "LinearRegressor": _scores,
    "LinearClassifier": _classifier,
    "Concat": _joined,
}


DOMAIN = "ndrite"
QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
QUANTISER = """
<opset_import: ["" : 17], domain: "qonnx.custom_op.general">
Quant <signed, narrow> (x, scale, zero, bits) => (y) {
    one = Constant <value_float = 1.0> ()
    two = Constant <value_float = 2.0> ()
    sign = Constant <value_int: int = @signed> ()
    less = Constant <value_int: int = @narrow> ()
    signs = Cast <to = 1> (sign)
    kept = Cast <to = 1> (less)
    count = Squeeze(bits)
    places = Sub(count, signs)
    codes = Pow(two, places)
    below = Neg(codes)
    least = Add(below, kept)
    nothing = Sub(one, one)
    lowest = Mul(least, signs)
    low = Add(lowest, nothing)
    top = Sub(codes, one)
    lacks = Sub(one, signs)
    missing = Mul(lacks, kept)
    high = Sub(top, missing)
    scaled = Div(x, scale)
    moved = Add(scaled, zero)
    rounded = Round(moved)
    held = Clip(rounded, low, high)
    counted = Sub(held, zero)
    y = Mul(counted, scale)
}
"""
"""Body of QONNX's Quant(x, scale, zero, bits): integers of ``bits`` bits, scaled."""
NDR, NDR_CURVE = "Ndr", "NdrCurve"
"""Bodies of ``Ndr(x, peak, height)`` and ``NdrCurve(x, peak, height, values, first, step)``."""
TUNNEL = """
<opset_import: ["" : 17], domain: "ndrite">
Ndr (x, peak, height) => (y) {
    u = Div(x, peak)
    v = Relu(u)
    number = Constant <value_float = 1.0> ()
    one = CastLike(number, x)
    w = Sub(one, v)
    e = Exp(w)
    f = Mul(v, e)
    y = Mul(height, f)
}
"""
SAMPLED = """
<opset_import: ["" : 17], domain: "ndrite">
NdrCurve (x, peak, height, values, first, step) => (y) {
    u = Div(x, peak)
    moved = Sub(u, first)
    place = Div(moved, step)
    count = Size(values)
    points = CastLike(count, x)
    number = Constant <value_float = 1.0> ()
    one = CastLike(number, x)
    zero = Sub(one, one)
    last = Sub(points, one)
    before = Sub(last, one)
    at = Clip(place, zero, last)
    floor = Floor(at)
    left = Clip(floor, zero, before)
    index = Cast <to = 7> (left)
    unit = Constant <value_int = 1> ()
    next = Add(index, unit)
    low = Gather(values, index)
    high = Gather(values, next)
    rest = Sub(at, left)
    rise = Sub(high, low)
    part = Mul(rest, rise)
    f = Add(low, part)
    y = Mul(height, f)
}
"""


def prepared(proto: ModelProto) -> ModelProto:
    """Prepare an ONNX model so that any runtime can run it: inline its functions, and
    add function bodies for operators of ndrite's own domain. NDR devices stay single
    nodes. Raises UnsupportedNodeError when a quantiser uses a rounding mode other
    than to the nearest."""
    import onnx
    from onnx import inliner

    model = onnx.ModelProto()
    model.CopyFrom(proto)
    known_functions = {(f.domain, f.name) for f in proto.functions}
    bodies = {(DOMAIN, NDR): TUNNEL, (DOMAIN, NDR_CURVE): SAMPLED, **{(d, "Quant"): QUANTISER for d in QONNX}}
    for domain, kind in sorted(
        {(n.domain, n.op_type) for n in proto.graph.node} & bodies.keys() - known_functions
    ):
        body = onnx.parser.parse_function(bodies[domain, kind])
        body.domain = domain
        if domain != DOMAIN:
            body.opset_import[0].version = next((o.version for o in proto.opset_import if not o.domain), 17)
        model.functions.append(body)
        if not any(o.domain == domain for o in model.opset_import):
            model.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    for node in (n for n in model.graph.node if n.domain in QONNX and n.op_type == "Quant"):
        a = {"signed": 1, "narrow": 0} | {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if a.pop("rounding_mode", b"ROUND") != b"ROUND":
            raise UnsupportedNodeError(
                node.name or node.output[0],
                "Quant",
                "its rounding_mode is not ROUND; use ROUND, to the nearest",
            )
        del node.attribute[:]
        node.attribute.extend(onnx.helper.make_attribute(name, a[name]) for name in ("signed", "narrow"))
    foreign = [(f.domain, f.name) for f in model.functions if f.domain != DOMAIN]
    return inliner.inline_selected_functions(model, foreign) if foreign else model


def _devices(call: Call) -> Value:
    """Import NDR neurons, one device per channel."""
    value = call.value if call.value.counts(1) else call.value.vector(call.name)
    if value is None:
        raise call.refused(
            f"its input has shape {call.value.own} per sample; use an input with channels, (n, C, ..)"
        )
    value = value.settled()
    channels = value.op.shape[0]
    peak, height = (
        np.broadcast_to(np.asarray(call.constant(i), np.float64).reshape(-1), (channels,)) for i in (1, 2)
    )
    curve = None
    if call.kind == NDR_CURVE:
        f = np.asarray(call.constant(3), np.float64)
        first, step = (float(call.constant(i).reshape(-1)[0]) for i in (4, 5))
        curve = np.stack([first + step * np.arange(len(f)), f]).astype(np.float32)
    try:
        devices = Ndr(peak.astype(np.float32), height.astype(np.float32), curve)
    except NetworkError as error:
        raise call.refused(str(error)) from None
    return value.then(replace(table(value.op, devices), name=call.name), value.places)


DEVICES = {NDR: _devices, NDR_CURVE: _devices}
