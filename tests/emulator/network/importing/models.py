"""Models of other libraries, each with its own float outputs: the matrix."""

from __future__ import annotations

from tests.emulator.network.importing.cases import Build
from tests.emulator.network.importing.onnx_models import ONNX
from tests.emulator.network.importing.sklearn_models import SKLEARN
from tests.emulator.network.importing.torch_models import TORCH

CASES: dict[str, Build] = {**TORCH, **ONNX, **SKLEARN}
"""By name; each is built in a folder of its own."""
