"""Chip descriptions: what is known of an array, its cells, converters and neurons, with units and sources.

Imports NumPy, PyYAML, emulator.errors, emulator.physics and the ranges of emulator.spec only.
"""

from emulator.chips.loader import list_chips, load_chip, parse_chip
from emulator.chips.schema import Array, Cell, Chip, Input, Neuron, Readout

__all__ = ["Array", "Cell", "Chip", "Input", "Neuron", "Readout", "list_chips", "load_chip", "parse_chip"]
