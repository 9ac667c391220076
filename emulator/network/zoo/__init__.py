"""Packaged networks: float weights (``ndrite.emulator.network.load_network``), and the
program of one of them."""

from pathlib import Path

FOLDER = Path(__file__).parent


def program() -> Path:
    """Return the path of the packaged compiled program, for
    ``ndrite.emulator.spec.Program.load``."""
    return FOLDER / "fashion-mnist-784-128-10.npz"


def float_network() -> Path:
    """Return the path of the float network from which the packaged program was mapped."""
    return FOLDER / "float-fashion-mnist-784-128-10.npz"


def lenet5() -> Path:
    """Return the path of the packaged LeNet-5, a float network trained on
    the enlarged digits."""
    return FOLDER / "float-lenet5-digits.npz"


def resnet() -> Path:
    """Return the path of the packaged residual float network, trained on Fashion-MNIST."""
    return FOLDER / "float-resnet-fashion-mnist.npz"


def lstm() -> Path:
    """Return the path of the packaged LSTM, a float network trained on Japanese vowels."""
    return FOLDER / "float-lstm-japanese-vowels.npz"
