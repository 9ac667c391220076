"""Networks in the box: float weights and their programs, with the commands that made them.

Imports emulator.errors only.
"""

from pathlib import Path

from emulator.errors import EmulatorError

FOLDER = Path(__file__).parent
FLOAT_PREFIX = "float-"
DEFAULT = "fashion-mnist-784-128-10"


def programs() -> list[str]:
    """Names of the compiled networks, sorted."""
    names = (p.name for p in FOLDER.glob("*.npz"))
    return sorted(name.removesuffix(".npz") for name in names if not name.startswith(FLOAT_PREFIX))


def program(name: str = DEFAULT) -> Path:
    """Path of a compiled network, which ``emulator.spec.Program.load`` takes the program out of. Raises
    EmulatorError when there is no such network."""
    return _existing(f"{name}.npz", name)


def float_network(name: str = DEFAULT) -> Path:
    """Path of the float weights a program was mapped from (``emulator.network.load_network``). Raises
    EmulatorError when there is no such network."""
    return _existing(f"{FLOAT_PREFIX}{name}.npz", name)


def _existing(file: str, name: str) -> Path:
    path = FOLDER / file
    if name not in programs() or not path.is_file():
        raise EmulatorError(f"network is {name!r}; accepted: {', '.join(programs())}")
    return path


def lenet5() -> Path:
    """Path of LeNet-5 trained on the enlarged digits (``emulator.network.load_network``)."""
    return FOLDER / f"{FLOAT_PREFIX}lenet5-digits.npz"


def resnet() -> Path:
    """Path of a residual network trained on Fashion-MNIST (``emulator.network.load_network``)."""
    return FOLDER / f"{FLOAT_PREFIX}resnet-fashion-mnist.npz"


def lstm() -> Path:
    """Path of an LSTM trained on Japanese vowels (``emulator.network.load_network``)."""
    return FOLDER / f"{FLOAT_PREFIX}lstm-japanese-vowels.npz"
