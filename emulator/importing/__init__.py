"""Networks from other frameworks: PyTorch modules and ONNX files onto the network format, or refused by node.

Imports NumPy and emulator.{spec,errors,network,compile} only; ``onnx`` and ``torch`` are loaded when a
model of
theirs is imported (extras ``ndrite[onnx]``, ``ndrite[train]``).
"""

from emulator.importing.lower import lower
from emulator.importing.read import import_model
from emulator.importing.report import BlockReport, Imported, ImportReport

__all__ = ["BlockReport", "ImportReport", "Imported", "import_model", "lower"]
