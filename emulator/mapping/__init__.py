"""From a float network and a chip description to a Program, with every loss on the way measured.

Imports NumPy and ndrite.emulator.{spec,errors,golden,device,network} only.
"""

from ndrite.emulator.device.ndr.pwl import PwlTable, fit_pwl
from ndrite.emulator.mapping.die import Die, DieArray
from ndrite.emulator.mapping.die_file import die_digest, load_die, save_die
from ndrite.emulator.mapping.layer import MapOptions
from ndrite.emulator.mapping.mitigation import NOTHING, Mitigation
from ndrite.emulator.mapping.network import Mapped, map_network
from ndrite.emulator.mapping.program_of import program_of
from ndrite.emulator.mapping.report import CompileReport, LayerReport
from ndrite.emulator.mapping.weights import MappedWeights, map_weights
