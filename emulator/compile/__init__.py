"""From a float network and a chip description to a Program, with every loss on the way measured.

Imports NumPy and emulator.{spec,errors,physics,chips,network,golden} only.
"""

from emulator.compile.devices import Reachable, reachable_tables
from emulator.compile.mitigation import NOTHING, Mitigation
from emulator.compile.network import Compiled, compile_network
from emulator.compile.pwl import PwlTable, fit_pwl
from emulator.compile.report import CompileReport, LayerReport, golden_accuracy
from emulator.compile.weights import MappedWeights, map_weights

__all__ = [
    "NOTHING",
    "CompileReport",
    "Compiled",
    "LayerReport",
    "MappedWeights",
    "Mitigation",
    "PwlTable",
    "Reachable",
    "compile_network",
    "fit_pwl",
    "golden_accuracy",
    "map_weights",
    "reachable_tables",
]
