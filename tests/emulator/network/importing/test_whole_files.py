"""ONNX's own whole networks (their weights left out, so they are small) are read to the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="needs ndrite[onnx]")

from emulator.network.importing.graph import Concat, Gate, Linear, Op, Select  # noqa: E402
from emulator.network.importing.onnx_model import read_onnx  # noqa: E402
from emulator.network.importing.onnx_prepare import prepared  # noqa: E402
from emulator.network.importing.simplify import simplified  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
READ = {
    "squeezenet": {Concat: 8},
    "shufflenet": {Gate: 13, Concat: 3, Select: 16},
    "densenet121": {Concat: 58},
    "inception_v2": {Concat: 16},
}
"""Sums, joins and shuffles that are left of each."""


@pytest.mark.parametrize("name", READ)
def test_every_product_is_read(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    kinds = Counter(node.op_type for node in onnx.load(path).graph.node)
    graph = simplified(read_onnx(prepared(onnx.load(path))).graph)
    found: Counter[type[Op]] = Counter(type(op) for op in graph.order())
    assert found[Linear] == kinds["Conv"] + kinds["Gemm"]
    assert {kind: found[kind] for kind in READ[name]} == READ[name]
