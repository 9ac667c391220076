"""ndrite: neural networks on emulated RRAM crossbars with NDR neurons, in software and in gateware.

The public face: ``connect(url)`` gives a board, ``ChipImage`` holds a compiled network.
May import everything.
"""

from emulator.spec import PRESETS, ChipImage, Geometry
from host import BoardApi, HostError
from ndrite.url import connect

__version__ = "0.1.0"

__all__ = ["PRESETS", "BoardApi", "ChipImage", "Geometry", "HostError", "__version__", "connect"]
