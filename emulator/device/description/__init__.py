"""Chip descriptions: what is known of an array and its cells, converters and neurons,
with units and sources.

Imports NumPy, ndrite.emulator.{errors,spec,yaml_file} and the devices of
ndrite.emulator.device only.
"""

from ndrite.emulator.device.description.loader import list_chips, list_devices, load_chip, parse_chip
from ndrite.emulator.device.description.schema import Array, Chip, Conditions, Input, Readout
from ndrite.emulator.device.ecram.description import Ecram
from ndrite.emulator.device.ndr.description import Neuron
from ndrite.emulator.device.rram.description import Cell
