"""ndrite: neural networks on emulated memristive chips, from measured devices to gateware.

Every public name is here; `docs/api.md` is made from their docstrings. ``compile`` puts a network on a chip.
``evaluate``, ``explain``, ``cost``, ``campaign`` and ``report`` say how well it does there, and why. ``fit``
brings in measured devices, ``sweep`` grids of chips. ``connect`` opens a board, and ``Classifier`` runs a
program on one. ``analog`` takes any PyTorch module and puts its products on a die.
"""

from typing import TYPE_CHECKING, Any

from emulator.spec import PRESETS, Geometry, Program
from host import BoardApi, HostError, InputError
from ndrite.url import connect

if TYPE_CHECKING:
    from emulator.device.description import Chip, load_chip
    from emulator.errors import CompileWarning, EmulatorError
    from emulator.learning.tuning import Plan as TuningPlan
    from emulator.learning.tuning.insitu import random_start, train_in_situ
    from emulator.mapping import Die, Mitigation, program_of
    from emulator.network import Dense, Named, Ndr, Network, load_network
    from emulator.network.datasets import japanese_vowels
    from emulator.network.importing import import_model
    from emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
    from ndrite import intervals, nn, physics
    from ndrite.api.campaigning import Wafer, campaign
    from ndrite.api.compiling import compile
    from ndrite.api.costing import cost
    from ndrite.api.evaluating import evaluate
    from ndrite.api.explaining import Loss, explain
    from ndrite.api.fitting import Fit, fit
    from ndrite.api.reporting import Page, report
    from ndrite.api.sources import load_die
    from ndrite.api.sweeping import Grid, sweep
    from ndrite.api.training import trainable, trained
    from ndrite.classifier import Classifier
    from ndrite.compiled import Compiled
    from ndrite.costs import Account
    from ndrite.evaluations import Evaluation
    from ndrite.labelled import Labelled, data_set, judging_set
    from ndrite.shipped import shipped_network, shipped_program
    from ndrite.tiles import analog, cost_of

_LATER = {
    "Account": "ndrite.costs",
    "Chip": "emulator.device.description",
    "Classifier": "ndrite.classifier",
    "CompileWarning": "emulator.errors",
    "Compiled": "ndrite.compiled",
    "Dense": "emulator.network",
    "Die": "emulator.mapping",
    "EmulatorError": "emulator.errors",
    "Evaluation": "ndrite.evaluations",
    "Fit": "ndrite.api.fitting",
    "Grid": "ndrite.api.sweeping",
    "Labelled": "ndrite.labelled",
    "Loss": "ndrite.api.explaining",
    "Mitigation": "emulator.mapping",
    "Named": "emulator.network",
    "Ndr": "emulator.network",
    "Network": "emulator.network",
    "Page": "ndrite.api.reporting",
    "TuningPlan": "emulator.learning.tuning",
    "Wafer": "ndrite.api.campaigning",
    "analog": "ndrite.tiles",
    "campaign": "ndrite.api.campaigning",
    "compile": "ndrite.api.compiling",
    "cost": "ndrite.api.costing",
    "cost_of": "ndrite.tiles",
    "data_set": "ndrite.labelled",
    "edge_functions": "emulator.network.kolmogorov_arnold",
    "evaluate": "ndrite.api.evaluating",
    "explain": "ndrite.api.explaining",
    "fit": "ndrite.api.fitting",
    "import_model": "emulator.network.importing",
    "japanese_vowels": "emulator.network.datasets",
    "judging_set": "ndrite.labelled",
    "layers_of_functions": "emulator.network.kolmogorov_arnold",
    "load_chip": "emulator.device.description",
    "load_die": "ndrite.api.sources",
    "load_network": "emulator.network",
    "program_of": "emulator.mapping",
    "random_start": "emulator.learning.tuning.insitu",
    "report": "ndrite.api.reporting",
    "shipped_network": "ndrite.shipped",
    "shipped_program": "ndrite.shipped",
    "sweep": "ndrite.api.sweeping",
    "train_in_situ": "emulator.learning.tuning.insitu",
    "trainable": "ndrite.api.training",
    "trained": "ndrite.api.training",
}
"""Loaded when they are first asked for, so that `import ndrite` and the command line stay quick."""
_MODULES = ("intervals", "nn", "physics")
"""Public modules: intervals over samples, dies and networks; modules with NDR devices; device models."""
_ELSEWHERE = {"TuningPlan": "Plan"}
"""Public name -> what it is called where it comes from."""


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), _ELSEWHERE.get(name, name))
    if name in _MODULES:
        return importlib.import_module(f"ndrite.{name}")
    raise AttributeError(f"module 'ndrite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "Account",
    "BoardApi",
    "Chip",
    "Classifier",
    "CompileWarning",
    "Compiled",
    "Dense",
    "Die",
    "EmulatorError",
    "Evaluation",
    "Fit",
    "Geometry",
    "Grid",
    "HostError",
    "InputError",
    "Labelled",
    "Loss",
    "Mitigation",
    "Named",
    "Ndr",
    "Network",
    "Page",
    "Program",
    "TuningPlan",
    "Wafer",
    "__version__",
    "analog",
    "campaign",
    "compile",
    "connect",
    "cost",
    "cost_of",
    "data_set",
    "edge_functions",
    "evaluate",
    "explain",
    "fit",
    "import_model",
    "intervals",
    "japanese_vowels",
    "judging_set",
    "layers_of_functions",
    "load_chip",
    "load_die",
    "load_network",
    "nn",
    "physics",
    "program_of",
    "random_start",
    "report",
    "shipped_network",
    "shipped_program",
    "sweep",
    "train_in_situ",
    "trainable",
    "trained",
]
