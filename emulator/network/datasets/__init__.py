"""Real data: Fashion-MNIST's 10,000 test images and 1,797 small digits ship, other files do not.

Imports NumPy, emulator.errors and emulator.spec only.
"""

from emulator.network.datasets.digits import digits, enlarged
from emulator.network.datasets.fashion_mnist import CLASSES, fashion_mnist_test, fashion_mnist_train
from emulator.network.datasets.idx import read_idx
from emulator.network.datasets.japanese_vowels import japanese_vowels
from emulator.network.datasets.mnist import mnist
