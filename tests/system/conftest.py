"""Boards and images for whole-system tests: the compiled RTL, the golden model, the shipped network."""

from collections.abc import Iterator

import numpy as np
import pytest

from boards.board import Board
from boards.sim import SimLink
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from tests.emulator.backend.test_walk import MAPS


@pytest.fixture
def tiny() -> Iterator[tuple[Board, SimLink]]:
    """A fresh tiny board, and its link."""
    link = SimLink(PRESETS["tiny"])
    with Board(link) as board:
        yield board, link


@pytest.fixture
def walker() -> Iterator[Board]:
    """A fresh board with maps, which walks through programs that are no chains."""
    with Board(SimLink(MAPS)) as board:
        yield board


@pytest.fixture(scope="session")
def program() -> Program:
    """40-11-5 for the tiny geometry, with read noise: three row tiles, three column groups."""
    return random_program(
        PRESETS["tiny"], np.random.default_rng(11), sizes=(40, 11, 5), readout="adc", dac_bits=4, noise=True
    )


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """uint8 (20, 40), the first all 0, the second all 255."""
    x = np.random.default_rng(12).integers(0, 256, (20, 40)).astype(np.uint8)
    x[0], x[1] = 0, 255
    return x
