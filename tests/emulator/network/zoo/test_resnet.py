"""The residual network in the box: what it is, and that float and chip accuracy hold."""

from __future__ import annotations

import numpy as np
import pytest

from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import load_network, zoo
from emulator.network.datasets import fashion_mnist_test

BYTES_MAX = 1_000_000
FLOAT_MIN = 0.930
LOSS_MAX = 0.0103
MEASURED = 2000


def test_it_is_a_small_residual_network() -> None:
    network = load_network(zoo.resnet())
    assert network.meaning.data_set == "fashion-mnist"
    assert network.map_shapes[0] == (1, 28, 28)
    assert network.outputs == 10
    assert sum(product.skip is not None for product in network.products) == 3
    assert zoo.resnet().stat().st_size < BYTES_MAX


@pytest.mark.long
@pytest.mark.slow
def test_float_accuracy_on_the_whole_test_set() -> None:
    """By PyTorch, whose answers on 200 of the images are compared with NumPy's."""
    pytest.importorskip("torch")
    from emulator.learning.training.job import accuracy_of

    images, labels = fashion_mnist_test()
    network = load_network(zoo.resnet())
    assert accuracy_of(network, images[:200], labels[:200]) == network.accuracy(images[:200], labels[:200])
    assert len(images) == 10_000
    assert accuracy_of(network, images, labels) >= FLOAT_MIN


@pytest.mark.long
@pytest.mark.slow
def test_what_two_dies_lose() -> None:
    """On the first 2,000 test images; 128 of the last set converters, as training files need not be there.

    A die's loss on so few images is known to about half a point. examples/residual.py takes all of them.
    """
    images, labels = fashion_mnist_test()
    x, y = images[:MEASURED], labels[:MEASURED]
    network = load_network(zoo.resnet())
    parts = [slice(i, i + 250) for i in range(0, MEASURED, 250)]
    exact = np.mean([network.accuracy(x[part], y[part]) for part in parts])
    for die in (1, 2):
        program = map_network(network, "wan2022", images[-128:], seed=die).program
        chip = (Core(program).infer(x, seed=die).argmax(axis=1) == y).mean()
        assert exact - chip <= LOSS_MAX, f"die {die}: {chip} of {exact}"
