"""The networks in the box: files present, consistent with each other, sizes
kept, accuracies held."""

import importlib.util

import numpy as np
import pytest

import ndrite
from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network
from ndrite.emulator.mapping.explain import accuracy
from ndrite.emulator.network import load_network, zoo
from ndrite.emulator.network.datasets import fashion_mnist_test, japanese_vowels
from ndrite.emulator.network.zoo import float_network, program
from ndrite.emulator.spec import PRESETS
from tests.extras import needs


def test_recompiling_gives_the_shipped_program_which_fits_the_simulated_board():
    shipped = ndrite.load(program())
    assert load_network(float_network()).widths == (784, 128, 10)
    check_fits(shipped.program, PRESETS["64-lane"])
    again = map_network(load_network(float_network()), "wan2022", shipped.samples)
    assert again.program.checksum() == shipped.program.checksum()
    assert shipped.network.digest() == load_network(float_network()).digest()


def check_losses(network, calibration, x, labels, exact, dies, most):
    """No die is right less often than the floats by more than ``most``."""
    for die in dies:
        chip = map_network(network, "wan2022", calibration, seed=die).program
        found = accuracy(Core(chip).infer(x, seed=die), labels)
        assert exact - found <= most, f"die {die}: {found} of {exact}"


@pytest.mark.slow
def test_accuracy_on_the_real_set():
    """On two of the dies of examples/vowels.py, as it maps and reads them."""
    if importlib.util.find_spec("aeon") is None:
        pytest.skip("needs the data in the package aeon (pip install --no-deps aeon)")
    x, _, test, labels = japanese_vowels()
    network = load_network(zoo.lstm())
    given, codes = (network.meaning.inputs.encode(part) for part in (x, test))
    exact = network.accuracy(codes, labels)
    assert len(test) == 370
    assert exact >= 0.96
    check_losses(network, given, codes, labels, exact, (0, 3), 0.02)


@pytest.mark.long
@pytest.mark.slow
def test_float_accuracy_on_the_whole_test_set():
    """By PyTorch, whose answers on 200 of the images are compared with NumPy's."""
    needs("torch")
    from ndrite.emulator.learning.training.job import accuracy_of

    images, labels = fashion_mnist_test()
    network = load_network(zoo.resnet())
    assert accuracy_of(network, images[:200], labels[:200]) == network.accuracy(images[:200], labels[:200])
    assert accuracy_of(network, images, labels) >= 0.930


@pytest.mark.long
@pytest.mark.slow
def test_what_two_dies_lose():
    """On the first 2,000 test images; 128 of the last set converters, as training files
    need not be there.

    A die's loss on so few images is known to about half a point. examples/residual.py
    takes all of them.
    """
    images, labels = fashion_mnist_test()
    x, y = images[:2000], labels[:2000]
    network = load_network(zoo.resnet())
    exact = np.mean([network.accuracy(x[i : i + 250], y[i : i + 250]) for i in range(0, 2000, 250)])
    check_losses(network, images[-128:], x, y, exact, (1, 2), 0.0103)
