"""Data sets: Fashion-MNIST's 10,000 test images and 1,797 small digits are packaged,
other files are the user's.

Imports NumPy, ndrite.emulator.errors and ndrite.emulator.spec only.
"""

from ndrite.emulator.network.datasets.digits import digits, enlarged
from ndrite.emulator.network.datasets.fashion_mnist import CLASSES, fashion_mnist_test, fashion_mnist_train
from ndrite.emulator.network.datasets.idx import read_idx
from ndrite.emulator.network.datasets.japanese_vowels import japanese_vowels
from ndrite.emulator.network.datasets.mnist import mnist
