"""Functions of other domains: NDR devices, which any runtime runs by their bodies, and QONNX's quantisers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.network.activation import Ndr
from emulator.network.importing.call import Call
from emulator.network.importing.graph import table
from emulator.network.importing.values import Value

DOMAIN = "ndrite"
QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
NDR, NDR_CURVE = "Ndr", "NdrCurve"
"""``Ndr(x, peak, height)``, and ``NdrCurve(x, peak, height, values, first, step)`` of a sampled curve."""
TUNNEL = """
<opset_import: ["" : 17], domain: "ndrite">
Ndr (x, peak, height) => (y) {
    u = Div(x, peak)
    v = Relu(u)
    one = Constant <value_float = 1.0> ()
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
    points = Cast <to = 1> (count)
    one = Constant <value_float = 1.0> ()
    zero = Constant <value_float = 0.0> ()
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


def with_bodies(proto: Any) -> Any:
    """The model with bodies for what it uses of the domain, so that a runtime can run it."""
    import onnx

    used = {node.op_type for node in proto.graph.node if node.domain == DOMAIN}
    there = {f.name for f in proto.functions if f.domain == DOMAIN}
    missing = used - there
    if not missing:
        return proto
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    for text, name in ((TUNNEL, NDR), (SAMPLED, NDR_CURVE)):
        if name in missing:
            whole.functions.append(onnx.parser.parse_function(text))
    if not any(o.domain == DOMAIN for o in whole.opset_import):
        whole.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    return whole


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


def prepared(proto: Any) -> Any:
    """The model with its functions inlined, but for NDR devices, and ``Quant`` as standard operators."""
    import onnx
    from onnx import inliner

    others = [(f.domain, f.name) for f in proto.functions if f.domain != DOMAIN]
    if others:
        proto = inliner.inline_selected_functions(proto, others)
    proto = with_bodies(proto)
    if not any(n.op_type == "Quant" and n.domain in QONNX for n in proto.graph.node):
        return proto
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in whole.graph.initializer}
    nodes = [made for node in whole.graph.node for made in _quantiser(node, constants)]
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    return whole


def _quantiser(node: Any, constants: dict[str, Any]) -> list[Any]:
    """QONNX's Quant(x, scale, zero, bits): integers of so many bits, scaled; any other node as it is."""
    import onnx

    if node.op_type != "Quant" or node.domain not in QONNX:
        return [node]
    name, (x, scale, zero, bits) = node.name or node.output[0], node.input
    a = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if bits not in constants or a.get("rounding_mode", b"ROUND") != b"ROUND":
        raise UnsupportedNodeError(
            name, "Quant", "use a constant number of bits, and rounding to the nearest"
        )
    count, narrow, signed = float(constants[bits]), int(a.get("narrow", 0)), int(a.get("signed", 1))
    low = -(2.0 ** (count - 1)) + narrow if signed else 0.0
    high = 2.0 ** (count - 1) - 1 if signed else 2.0**count - 1 - narrow
    ends = {end: np.asarray(value, np.float32) for end, value in (("low", low), ("high", high))}
    steps = [
        ("Div", [x, scale], "scaled"),
        ("Add", [f"{name}.scaled", zero], "moved"),
        ("Round", [f"{name}.moved"], "rounded"),
        ("Clip", [f"{name}.rounded", f"{name}.low", f"{name}.high"], "held"),
        ("Sub", [f"{name}.held", zero], "counted"),
        ("Mul", [f"{name}.counted", scale], None),
    ]
    return [
        *(
            onnx.helper.make_node(
                "Constant", [], [f"{name}.{end}"], value=onnx.numpy_helper.from_array(value)
            )
            for end, value in ends.items()
        ),
        *(
            onnx.helper.make_node(kind, given, [node.output[0] if to is None else f"{name}.{to}"], name=name)
            for kind, given, to in steps
        ),
    ]
