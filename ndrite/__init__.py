"""ndrite: neural networks on emulated memristive chips, from measured devices to gateware.

``compile`` puts a network or model on a chip and writes one file; ``load`` reads it.
``evaluate``, ``explain``, ``cost``, ``campaign`` and ``report`` say how well it does
there, and why. ``fit`` brings in measured devices, ``train``, ``learn`` and
``calibrate`` make the best of them, ``sweep`` goes over grids of chips, ``atlas`` over
devices that learn. ``connect`` opens a board, ``infer`` and ``Classifier`` run a
program on one. ``analog`` puts products of any PyTorch module on a die, and ``place``
says which to keep digital. Everything else is in four modules: ``devices``,
``networks``, ``nn`` and ``intervals``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndrite import devices as devices
    from ndrite import intervals as intervals
    from ndrite import networks as networks
    from ndrite import nn as nn
    from ndrite.classifier import Classifier as Classifier
    from ndrite.compiled import Compiled as Compiled
    from ndrite.compiled import load as load
    from ndrite.emulator.device.description import Chip as Chip
    from ndrite.emulator.device.description import load_chip as load_chip
    from ndrite.emulator.errors import EmulatorError as EmulatorError
    from ndrite.emulator.network import Network as Network
    from ndrite.emulator.spec import Program as Program
    from ndrite.host import HostError as HostError
    from ndrite.host import InputError as InputError
    from ndrite.samples import data_set as data_set
    from ndrite.tiles import analog as analog
    from ndrite.tiles import cost_of as cost_of
    from ndrite.url import connect as connect
    from ndrite.verbs.atlas import atlas as atlas
    from ndrite.verbs.calibrate import calibrate as calibrate
    from ndrite.verbs.campaign import campaign as campaign
    from ndrite.verbs.compile import compile as compile
    from ndrite.verbs.cost import cost as cost
    from ndrite.verbs.evaluate import evaluate as evaluate
    from ndrite.verbs.explain import explain as explain
    from ndrite.verbs.fit import fit as fit
    from ndrite.verbs.infer import infer as infer
    from ndrite.verbs.learn import learn as learn
    from ndrite.verbs.place import place as place
    from ndrite.verbs.report import report as report
    from ndrite.verbs.sweep import sweep as sweep
    from ndrite.verbs.train import train as train

_LATER = {
    "ndrite.emulator.device.description": "Chip load_chip",
    "ndrite.emulator.errors": "EmulatorError",
    "ndrite.emulator.network": "Network",
    "ndrite.emulator.spec": "Program",
    "ndrite.host": "HostError InputError",
    "ndrite.classifier": "Classifier",
    "ndrite.compiled": "Compiled load",
    "ndrite.samples": "data_set",
    "ndrite.tiles": "analog cost_of",
    "ndrite.url": "connect",
}
_VERBS = "atlas calibrate campaign compile cost evaluate explain fit infer learn place report sweep train"
_LATER |= {f"ndrite.verbs.{verb}": verb for verb in _VERBS.split()}
"""Module -> what is loaded of it when first asked for: `import ndrite` and the
command line stay quick."""
_MODULES = ("devices", "intervals", "networks", "nn")


def __getattr__(name: str) -> Any:
    import importlib

    for module, names in _LATER.items():
        if name in names.split():
            return getattr(importlib.import_module(module), name)
    if name in _MODULES:
        return importlib.import_module(f"ndrite.{name}")
    raise AttributeError(f"module 'ndrite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__version__ = "0.2.0"

__all__ = sorted([*" ".join(_LATER.values()).split(), *_MODULES])
