"""Boards and images for whole-system tests: the compiled RTL, the golden model,
the shipped network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite import connect
from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.shell.main import DEVICE
from tests.emulator.backend.test_walk import MAPS
from tests.ndrite.conftest import fails, here, prints, said  # noqa: F401


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
    rng = np.random.default_rng(11)
    return random_program(PRESETS["tiny"], rng, sizes=(40, 11, 5), readout="adc", dac_bits=4, noise=True)


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """uint8 (20, 40), the first all 0, the second all 255."""
    x = np.random.default_rng(12).integers(0, 256, (20, 40)).astype(np.uint8)
    x[0], x[1] = 0, 255
    return x


@pytest.fixture
def clients(here: Path, program: Program, x: np.ndarray, prints: Any, fails: Any) -> Callable[..., None]:  # noqa: F811
    """One client of a board after another infers as golden; while one has it,
    the next is told so."""

    def check(url: str, *told: str) -> None:
        program.save("program.npz")
        np.save("x.npy", x)
        for seed in (1, 2):  # the first client has gone
            prints(f"infer program.npz --inputs x.npy -o y.npy --board {url} --seed {seed}")
            np.testing.assert_array_equal(np.load("y.npy"), Core(program).infer(x, seed=seed))
        with connect(url) as board:
            fails(f"board info {url}", *told, code=DEVICE)
            board.program(program)
            assert board.identity()["program_tag"] == f"{program.tag:08x}"

    return check
