"""Networks in the box: float weights (``ndrite.emulator.network.load_network``), and the program of one of
them."""

from pathlib import Path

FOLDER = Path(__file__).parent


def program() -> Path:
    """Return the path of the compiled network, from which ``ndrite.emulator.spec.Program.load`` reads the
    program."""
    return FOLDER / "fashion-mnist-784-128-10.npz"


def float_network() -> Path:
    """Return the path of the float network from which the program was mapped."""
    return FOLDER / "float-fashion-mnist-784-128-10.npz"


def lenet5() -> Path:
    """Return the path of LeNet-5, trained on the enlarged digits."""
    return FOLDER / "float-lenet5-digits.npz"


def resnet() -> Path:
    """Return the path of a residual network, trained on Fashion-MNIST."""
    return FOLDER / "float-resnet-fashion-mnist.npz"


def lstm() -> Path:
    """Return the path of an LSTM, trained on Japanese vowels."""
    return FOLDER / "float-lstm-japanese-vowels.npz"
