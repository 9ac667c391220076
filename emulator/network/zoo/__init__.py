"""Networks in the box: float weights (``ndrite.emulator.network.load_network``), and the program of one of
them."""

from pathlib import Path

FOLDER = Path(__file__).parent


def program() -> Path:
    """Path of the compiled network, which ``ndrite.emulator.spec.Program.load`` takes the program out of."""
    return FOLDER / "fashion-mnist-784-128-10.npz"


def float_network() -> Path:
    """Path of the float weights that the program was mapped from."""
    return FOLDER / "float-fashion-mnist-784-128-10.npz"


def lenet5() -> Path:
    """Path of LeNet-5 trained on the enlarged digits."""
    return FOLDER / "float-lenet5-digits.npz"


def resnet() -> Path:
    """Path of a residual network trained on Fashion-MNIST."""
    return FOLDER / "float-resnet-fashion-mnist.npz"


def lstm() -> Path:
    """Path of an LSTM trained on Japanese vowels."""
    return FOLDER / "float-lstm-japanese-vowels.npz"
