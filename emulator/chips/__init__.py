"""Chip descriptions: what is known of an array, its cells, converters and neurons, with units and sources.

Imports NumPy, PyYAML, emulator.errors, emulator.physics and the ranges of emulator.spec only.
"""

from emulator.chips.cell import Cell
from emulator.chips.loader import list_chips, list_devices, load_chip, parse_chip
from emulator.chips.neuron import Ecram, Neuron
from emulator.chips.schema import Array, Chip, Conditions, Input, Readout

__all__ = [
    "Array",
    "Cell",
    "Chip",
    "Conditions",
    "Ecram",
    "Input",
    "Neuron",
    "Readout",
    "list_chips",
    "list_devices",
    "load_chip",
    "parse_chip",
]
