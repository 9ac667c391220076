"""Real image data: Fashion-MNIST's 10,000 test images and 1,797 small digits ship, training files do not.

Imports NumPy and emulator.errors only.
"""

from emulator.datasets.digits import digits, enlarged
from emulator.datasets.fashion_mnist import CLASSES, fashion_mnist_test, fashion_mnist_train
from emulator.datasets.idx import read_idx

__all__ = ["CLASSES", "digits", "enlarged", "fashion_mnist_test", "fashion_mnist_train", "read_idx"]
