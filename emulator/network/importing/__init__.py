"""Networks from other frameworks: PyTorch modules and ONNX files onto the network format, or refused by node.

Imports NumPy and emulator.{spec,errors,network,compile} only; ``onnx`` and ``torch`` are loaded when a
model of
theirs is imported (extras ``ndrite[onnx]``, ``ndrite[train]``).
"""

from emulator.network.importing.lower import lower
from emulator.network.importing.read import import_model
from emulator.network.importing.report import BlockReport, Imported, ImportReport

__all__ = ["BlockReport", "ImportReport", "Imported", "import_model", "lower"]
