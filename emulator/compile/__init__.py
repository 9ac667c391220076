"""From a float network and a chip description to a Program, with every loss on the way measured.

Imports NumPy and emulator.{spec,errors,physics,chips,network,golden} only.
"""

from emulator.compile.devices import Reachable, reachable_tables
from emulator.compile.die import Die, DieArray
from emulator.compile.die_file import die_digest, die_path, load_die, save_die
from emulator.compile.mitigation import NOTHING, Mitigation
from emulator.compile.network import Compiled, compile_network
from emulator.compile.program_of import program_of
from emulator.compile.pwl import PwlTable, fit_pwl
from emulator.compile.report import CompileReport, LayerReport, golden_accuracy
from emulator.compile.weights import MappedWeights, map_weights

__all__ = [
    "NOTHING",
    "CompileReport",
    "Compiled",
    "Die",
    "DieArray",
    "LayerReport",
    "MappedWeights",
    "Mitigation",
    "PwlTable",
    "Reachable",
    "compile_network",
    "die_digest",
    "die_path",
    "fit_pwl",
    "golden_accuracy",
    "load_die",
    "map_weights",
    "program_of",
    "reachable_tables",
    "save_die",
]
