"""LeNet-5 on the digits: floats, golden model and gateware. ``NDRITE_LENET5=20`` runs
20 images and more."""

import dataclasses
import os

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.boards.sim.sizing import sized
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Network, load_network, zoo
from ndrite.emulator.network.datasets import digits, enlarged
from ndrite.emulator.spec import Geometry
from ndrite.evaluations import evaluate

IMAGES = int(os.environ.get("NDRITE_LENET5", "1"))


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network(zoo.lenet5())


@pytest.mark.parametrize("target", [None, Geometry()], ids=["once", "laid out"])
def test_the_golden_model_keeps_the_floats_accuracy(network: Network, target: Geometry | None) -> None:
    x, _, test, labels = digits()
    floats = network.accuracy(enlarged(test), labels)
    assert floats > 0.97
    program = map_network(network, "wan2022", enlarged(x)[:256], options=MapOptions(target=target)).program
    outputs = Core(program).infer(enlarged(test))
    assert (outputs.argmax(axis=1) == labels).mean() > floats - 0.01


@pytest.mark.long
def test_every_bit_of_the_gateware_is_the_golden_models(network: Network) -> None:
    """It walks through the network by itself, in less than its bound where rows that
    are 0 are skipped."""
    x, _, test, labels = digits()
    program = map_network(network, "wan2022", enlarged(x)[:64], options=MapOptions(target=Geometry())).program
    with SteppedBoard(Board(SimLink(dataclasses.replace(sized(program), skip=True)))) as board:
        board.program(program)
        assert board.on_host == ()
        result = evaluate(board, program, enlarged(test)[:IMAGES], labels[:IMAGES], seed=3)
    assert result.mismatches == 0, result.first_mismatch
    assert result.outputs.any()
    bound = bound_cycles(program, 64)
    assert result.cycles_per_inference is not None
    assert 0.5 * bound < result.cycles_per_inference < bound
    assert 0 < (result.bound_cycles or 0) < result.cycles_per_inference
    assert np.unique(result.outputs).size > 5
