"""LeNet-5 on the digits: floats, golden model and gateware. ``NDRITE_LENET5=20`` runs 20 images and more."""

from __future__ import annotations

import os

import numpy as np
import pytest

from boards.golden import GoldenBoard
from boards.sim import SimLink
from emulator import zoo
from emulator.convolution import compile_convolutional
from emulator.datasets import digits, enlarged
from emulator.network import ConvNetwork, load_any_network
from emulator.spec import PRESETS
from host import Board
from ndrite.convolution import evaluate_convolutional

IMAGES = int(os.environ.get("NDRITE_LENET5", "1"))


@pytest.fixture(scope="module")
def network() -> ConvNetwork:
    loaded = load_any_network(zoo.lenet5())
    assert isinstance(loaded, ConvNetwork)
    return loaded


@pytest.mark.parametrize("lanes", [None, 64])
def test_the_golden_model_keeps_the_floats_accuracy(network: ConvNetwork, lanes: int | None) -> None:
    x, _, test, labels = digits()
    floats = network.accuracy(enlarged(test), labels)
    assert floats > 0.97
    image = compile_convolutional(network, "wan2022", enlarged(x)[:256], lanes=lanes).image
    assert evaluate_convolutional(GoldenBoard(), image, enlarged(test), labels).accuracy > floats - 0.01


def test_every_bit_of_the_gateware_is_the_golden_models(network: ConvNetwork) -> None:
    x, _, test, labels = digits()
    image = compile_convolutional(network, "wan2022", enlarged(x)[:64], lanes=64).image
    with Board(SimLink(PRESETS["sim"])) as board:
        result = evaluate_convolutional(board, image, enlarged(test)[:IMAGES], labels[:IMAGES], seed=3)
    assert result.mismatches == 0, result.first_mismatch
    assert result.outputs.any()
    assert result.bound_cycles == 98 * 48 + 25 * 216 + 400 * 2 + 120 * 2 + 84
    assert result.cycles_per_inference is not None
    assert result.cycles_per_inference > result.bound_cycles
    assert np.unique(result.outputs).size > 5
