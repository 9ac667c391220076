"""Mapping of a float network onto a chip description: returns a Program, with
every loss measured.

Imports NumPy and ndrite.emulator.{spec,errors,golden,device,network} only.
"""

from ndrite.emulator.device.ndr.pwl import PwlTable, fit_pwl
from ndrite.emulator.mapping.die import Die, DieArray, die_digest, load_die, save_die
from ndrite.emulator.mapping.network import Mapped, map_network, program_of
from ndrite.emulator.mapping.report import NOTHING, CompileReport, LayerReport, MapOptions, Mitigation
from ndrite.emulator.mapping.weights import MappedWeights, map_weights
