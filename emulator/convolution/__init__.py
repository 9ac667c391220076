"""Convolutional networks on one array: a chip image per convolution, patches and pooling on the host.

Imports NumPy and emulator.{spec,errors,chips,network,compile,golden} only.
"""

from emulator.convolution.compile import CompiledConv, compile_convolutional
from emulator.convolution.image import ConvImage, StageImage

__all__ = ["CompiledConv", "ConvImage", "StageImage", "compile_convolutional"]
