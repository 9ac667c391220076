"""Import of networks from other frameworks: PyTorch modules, scikit-learn's
estimators and ONNX files.

Each is run beside what was read of it. Imports NumPy and
ndrite.emulator.{spec,errors,device,network} only; ``onnx``, ``torch`` and ``skl2onnx``
are loaded when a model of theirs is imported.
"""

from ndrite.emulator.network.importing.proof import BlockReport, ImportReport
from ndrite.emulator.network.importing.read import Imported, import_model
