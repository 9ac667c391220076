"""ndrite: neural networks on emulated memristive chips, from measured devices to gateware.

Every public name is here; `docs/api.md` is made from their docstrings. ``compile`` puts a network on a chip,
``evaluate``, ``explain``, ``cost``, ``campaign`` and ``report`` say how well it does there and why, ``fit``
and ``sweep`` bring in measured devices and grids of chips, ``connect`` opens a board, ``Classifier`` runs a
program on one, and ``analog`` takes any PyTorch module and puts its products on a die.
"""

from typing import TYPE_CHECKING, Any

from emulator.spec import PRESETS, Geometry, Program
from host import BoardApi, HostError, InputError
from ndrite.url import connect

if TYPE_CHECKING:
    from emulator.device.description import Chip, load_chip
    from emulator.mapping import Die, Mitigation, program_of
    from emulator.network import Dense, Named, Ndr, Network, load_network
    from emulator.network.importing import import_model
    from ndrite.api.campaigning import Wafer, campaign
    from ndrite.api.compiling import compile
    from ndrite.api.costing import cost
    from ndrite.api.evaluating import evaluate
    from ndrite.api.explaining import Loss, explain
    from ndrite.api.fitting import Fit, fit
    from ndrite.api.reporting import Page, report
    from ndrite.api.sources import load_die
    from ndrite.api.sweeping import Grid, sweep
    from ndrite.classifier import Classifier
    from ndrite.compiled import Compiled
    from ndrite.costs import Account
    from ndrite.evaluations import Evaluation
    from ndrite.labelled import Labelled, data_set
    from ndrite.shipped import shipped_network, shipped_program
    from ndrite.tiles import analog

_LATER = {
    "Account": "ndrite.costs",
    "Chip": "emulator.device.description",
    "Classifier": "ndrite.classifier",
    "Compiled": "ndrite.compiled",
    "Dense": "emulator.network",
    "Die": "emulator.mapping",
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
    "Wafer": "ndrite.api.campaigning",
    "analog": "ndrite.tiles",
    "campaign": "ndrite.api.campaigning",
    "compile": "ndrite.api.compiling",
    "cost": "ndrite.api.costing",
    "evaluate": "ndrite.api.evaluating",
    "explain": "ndrite.api.explaining",
    "fit": "ndrite.api.fitting",
    "import_model": "emulator.network.importing",
    "data_set": "ndrite.labelled",
    "load_chip": "emulator.device.description",
    "load_die": "ndrite.api.sources",
    "load_network": "emulator.network",
    "program_of": "emulator.mapping",
    "report": "ndrite.api.reporting",
    "shipped_network": "ndrite.shipped",
    "shipped_program": "ndrite.shipped",
    "sweep": "ndrite.api.sweeping",
}
"""Loaded when they are first asked for, so that `import ndrite` and the command line stay quick."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        return getattr(importlib.import_module(_LATER[name]), name)
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
    "Compiled",
    "Dense",
    "Die",
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
    "Wafer",
    "__version__",
    "analog",
    "campaign",
    "compile",
    "connect",
    "cost",
    "data_set",
    "evaluate",
    "explain",
    "fit",
    "import_model",
    "load_chip",
    "load_die",
    "load_network",
    "program_of",
    "report",
    "shipped_network",
    "shipped_program",
    "sweep",
]
