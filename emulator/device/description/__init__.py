"""Chip descriptions: what is known of an array, its cells, converters and neurons, with units and sources.

Imports NumPy, emulator.{errors,spec,yaml_file} and the devices of emulator.device only.
"""

from emulator.device.description.loader import list_chips, list_devices, load_chip, parse_chip
from emulator.device.description.schema import Array, Chip, Conditions, Input, Readout
from emulator.device.ecram.description import Ecram
from emulator.device.ndr.description import Neuron
from emulator.device.rram.description import Cell
