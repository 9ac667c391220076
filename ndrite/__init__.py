"""ndrite: neural networks on emulated RRAM crossbars with NDR neurons, in software and in gateware.

The public face: ``connect(url)`` gives a board, ``Program`` holds a mapped network, ``Classifier`` runs one,
``import_model`` reads PyTorch and ONNX models.
May import everything.
"""

from typing import TYPE_CHECKING, Any

from emulator.spec import PRESETS, Geometry, Program
from host import BoardApi, HostError
from ndrite.url import connect

if TYPE_CHECKING:
    from emulator.network.importing import import_model
    from ndrite.classifier import Classifier

_LATER = {
    "Classifier": "ndrite.classifier",
    "import_model": "emulator.network.importing",
}
"""Loaded when they are first asked for, so that `import ndrite` and the command line stay quick."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'ndrite' has no attribute {name!r}")


__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "BoardApi",
    "Classifier",
    "Geometry",
    "HostError",
    "Program",
    "__version__",
    "connect",
    "import_model",
]
