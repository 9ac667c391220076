"""Codes that look like values in the model's unit are told of once, on every board."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.golden import GoldenBoard
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.meaning import InputRange, Meaning
from ndrite.host import InputWarning
from tests.host.responder import Responder, ResponderLink

TINY = PRESETS["tiny"]


def program(seed: int, meaning: Meaning) -> Program:
    drawn = random_program(TINY, np.random.default_rng(seed), sizes=(12, 6, 3))
    return dataclasses.replace(drawn, meaning=meaning)


def golden(program: Program) -> Any:
    return GoldenBoard()


def device(program: Program) -> Any:
    return SteppedBoard(Board(ResponderLink(Responder(TINY, program))))


@pytest.mark.parametrize("open_board", [golden, device])
@pytest.mark.parametrize(
    # Values to ``most`` in ``count`` samples; end of the range that the program stores; whether it is told.
    ("most", "count", "end", "warned"),
    [
        (16, 20, 16.0, True),
        (16, 20, 1.0, True),
        (100, 20, 100.0, True),
        (100, 20, 16.0, False),
        (16, 15, 16.0, False),
        (0, 20, 16.0, False),
        (250, 20, 255.0, False),
        (16, 20, None, False),
    ],
)
def test_values_in_place_of_codes_are_told_once(
    open_board: Any, most: int, count: int, end: float | None, warned: bool
) -> None:
    ranged = Meaning() if end is None else Meaning(inputs=InputRange(np.zeros(1), np.full(1, end)))
    what = program(1000 * most + count + int(end or 0) + (open_board is device) * 7_000_000, ranged)
    x = np.random.default_rng(1).integers(0, most + 1, (count, 12)).astype(np.uint8)
    x[0, 0] = most
    with open_board(what) as board, warnings.catch_warnings(record=True, action="always") as heard:
        board.program(what)
        for _ in range(2):
            board.infer(x)
    told = [str(w.message) for w in heard if w.category is InputWarning]
    assert len(told) == warned
    assert all(f"no code of {count} samples is above {most} of 255" in text for text in told)
