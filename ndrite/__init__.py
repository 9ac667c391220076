"""ndrite: neural networks on emulated memristive chips, from measured devices to gateware.

``compile`` puts a network or model on a chip and writes one file; ``load`` reads it. ``evaluate``,
``explain``, ``cost``, ``campaign`` and ``report`` say how well it does there, and why. ``fit`` brings in
measured devices, ``train``, ``learn`` and ``calibrate`` make the best of them, ``sweep`` goes over grids of
chips. ``connect`` opens a board, ``infer`` and ``Classifier`` run a program on one. ``analog`` takes any
PyTorch module and puts its products on a die. Everything else is in three modules: ``devices``, ``networks``
and ``intervals``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.device.description import Chip, load_chip
    from emulator.errors import EmulatorError
    from emulator.network import Network
    from emulator.spec import Program
    from host import HostError, InputError
    from ndrite import devices, intervals, networks, nn
    from ndrite.classifier import Classifier
    from ndrite.compiled import Compiled, load
    from ndrite.labelled import data_set
    from ndrite.tiles import analog, cost_of
    from ndrite.url import connect
    from ndrite.verbs.calibrate import calibrate
    from ndrite.verbs.campaign import campaign
    from ndrite.verbs.compile import compile
    from ndrite.verbs.cost import cost
    from ndrite.verbs.evaluate import evaluate
    from ndrite.verbs.explain import explain
    from ndrite.verbs.fit import fit
    from ndrite.verbs.infer import infer
    from ndrite.verbs.learn import learn
    from ndrite.verbs.report import report
    from ndrite.verbs.sweep import sweep
    from ndrite.verbs.train import train

_LATER = {
    "Chip": "emulator.device.description",
    "Classifier": "ndrite.classifier",
    "Compiled": "ndrite.compiled",
    "EmulatorError": "emulator.errors",
    "HostError": "host",
    "InputError": "host",
    "Network": "emulator.network",
    "Program": "emulator.spec",
    "analog": "ndrite.tiles",
    "calibrate": "ndrite.verbs.calibrate",
    "campaign": "ndrite.verbs.campaign",
    "compile": "ndrite.verbs.compile",
    "connect": "ndrite.url",
    "cost": "ndrite.verbs.cost",
    "cost_of": "ndrite.tiles",
    "data_set": "ndrite.labelled",
    "evaluate": "ndrite.verbs.evaluate",
    "explain": "ndrite.verbs.explain",
    "fit": "ndrite.verbs.fit",
    "infer": "ndrite.verbs.infer",
    "learn": "ndrite.verbs.learn",
    "load": "ndrite.compiled",
    "load_chip": "emulator.device.description",
    "report": "ndrite.verbs.report",
    "sweep": "ndrite.verbs.sweep",
    "train": "ndrite.verbs.train",
}
"""Loaded when they are first asked for, so that `import ndrite` and the command line stay quick."""
_MODULES = ("devices", "intervals", "networks", "nn")


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"ndrite.{name}")
    raise AttributeError(f"module 'ndrite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__version__ = "0.2.0"

__all__ = [
    "Chip",
    "Classifier",
    "Compiled",
    "EmulatorError",
    "HostError",
    "InputError",
    "Network",
    "Program",
    "analog",
    "calibrate",
    "campaign",
    "compile",
    "connect",
    "cost",
    "cost_of",
    "data_set",
    "devices",
    "evaluate",
    "explain",
    "fit",
    "infer",
    "intervals",
    "learn",
    "load",
    "load_chip",
    "networks",
    "nn",
    "report",
    "sweep",
    "train",
]
