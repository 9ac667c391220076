"""ndrite: neural networks on emulated RRAM crossbars with NDR neurons, in software and in gateware.

The public face: ``import_model`` reads PyTorch and ONNX models, ``map_network`` puts a network on a chip and
gives a ``Program`` and the ``Die`` that computes it. ``connect(url)`` gives a board, ``Classifier`` runs a
program on one. ``analog`` takes any PyTorch module and puts its products on a die.
May import everything.
"""

from typing import TYPE_CHECKING, Any

from emulator.spec import PRESETS, Geometry, Program
from host import BoardApi, HostError
from ndrite.url import connect

if TYPE_CHECKING:
    from emulator.device.description import load_chip
    from emulator.mapping import Die, map_network, program_of
    from emulator.network import Network, load_network
    from emulator.network.importing import import_model
    from ndrite.classifier import Classifier
    from ndrite.tiles import analog

_LATER = {
    "Classifier": "ndrite.classifier",
    "Die": "emulator.mapping",
    "Network": "emulator.network",
    "analog": "ndrite.tiles",
    "import_model": "emulator.network.importing",
    "load_chip": "emulator.device.description",
    "load_network": "emulator.network",
    "map_network": "emulator.mapping",
    "program_of": "emulator.mapping",
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
    "Die",
    "Geometry",
    "HostError",
    "Network",
    "Program",
    "__version__",
    "analog",
    "connect",
    "import_model",
    "load_chip",
    "load_network",
    "map_network",
    "program_of",
]
