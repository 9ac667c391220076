"""Functions of other domains: NDR devices, which any runtime runs by their bodies, and QONNX's quantisers."""

from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.errors import NetworkError, UnsupportedNodeError
from ndrite.emulator.network.activation import Ndr
from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.graph import table
from ndrite.emulator.network.importing.values import Value

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
"""Integers of so many bits, scaled: QONNX's Quant(x, scale, zero, bits)."""
NDR, NDR_CURVE = "Ndr", "NdrCurve"
"""``Ndr(x, peak, height)``, and ``NdrCurve(x, peak, height, values, first, step)`` of a sampled curve."""
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


def prepared(proto: Any) -> Any:
    """The model with bodies for what it uses of these domains, so that any runtime runs it, and its functions
    inlined, but for NDR devices. Raises UnsupportedNodeError when a quantiser rounds otherwise."""
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
            raise UnsupportedNodeError(node.name or node.output[0], "Quant", "use rounding to the nearest")
        del node.attribute[:]
        node.attribute.extend(onnx.helper.make_attribute(name, a[name]) for name in ("signed", "narrow"))
    foreign = [(f.domain, f.name) for f in model.functions if f.domain != DOMAIN]
    return inliner.inline_selected_functions(model, foreign) if foreign else model


def _devices(call: Call) -> Value:
    """Neurons of one device a channel."""
    value = call.value if call.value.counts(1) else call.value.vector(call.name)
    if value is None:
        raise call.refused(f"on values of {call.value.own}; use it on channels (n, C, ..)")
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
