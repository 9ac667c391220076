"""An ONNX model in the operators that are read: functions written out, QONNX's quantisers as arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.devices import DOMAIN, with_bodies

QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")


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
