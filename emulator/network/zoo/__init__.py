"""Networks in the box: float weights and their programs, with the commands that made them.

Imports emulator.errors only.
"""

from emulator.network.zoo.files import float_network, lenet5, lstm, program, programs, resnet

__all__ = ["float_network", "lenet5", "lstm", "program", "programs", "resnet"]
