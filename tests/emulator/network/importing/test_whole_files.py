"""ONNX's own whole networks (their weights left out, so they are small) are read to the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="needs ndrite[onnx]")

from emulator.network.importing.domains import prepared  # noqa: E402
from emulator.network.importing.graph import Op  # noqa: E402
from emulator.network.importing.reading import Reading  # noqa: E402
from emulator.network.importing.simplify import simplified  # noqa: E402
from emulator.network.importing.view import View  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
READ = {
    "squeezenet": {"join": 8},
    "shufflenet": {"gate": 13, "join": 3, "pick": 16},
    "densenet121": {"join": 58},
    "inception_v2": {"join": 16},
}
"""Sums, joins and shuffles that are left of each."""


def kind(op: Op) -> str:
    if not isinstance(op.node, View):
        return op.kind
    picks = op.node.index is not None and not op.node.flat
    return "join" if len(op.inputs) > 1 else "pick" if picks else "view"


@pytest.mark.parametrize("name", READ)
def test_every_product_is_read(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    kinds = Counter(node.op_type for node in onnx.load(path).graph.node)
    graph = simplified(Reading(prepared(onnx.load(path))).graph)
    found = Counter(kind(op) for op in graph.uses)
    assert found["product"] == kinds["Conv"] + kinds["Gemm"]
    assert {key: found[key] for key in READ[name]} == READ[name]
