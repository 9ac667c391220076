"""From a float network and a chip description to a Program, with every loss on the way measured.

Imports NumPy and emulator.{spec,errors,golden,device,network} only.
"""

from emulator.device.ndr.pwl import PwlTable, fit_pwl
from emulator.mapping.die import Die, DieArray
from emulator.mapping.die_file import die_digest, load_die, save_die
from emulator.mapping.layer import MapOptions
from emulator.mapping.mitigation import NOTHING, Mitigation
from emulator.mapping.network import Mapped, map_network
from emulator.mapping.program_of import program_of
from emulator.mapping.report import CompileReport, LayerReport
from emulator.mapping.weights import MappedWeights, map_weights
