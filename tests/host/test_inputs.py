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
from ndrite.host import InputError, InputWarning
from ndrite.host.inputs import check_inputs, check_variation
from tests.host.responder import Responder, ResponderLink
from tests.stimulus import same_cells

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
    # Values to ``most`` in ``count`` samples; end of the range that the program stores,
    # or the end for each input; whether it is told.
    ("most", "count", "end", "warned"),
    [
        (16, 20, 16.0, True),
        (16, 20, 1.0, True),
        (100, 20, 100.0, True),
        (100, 20, [10.0, 100.0], True),
        (1, 20, 16.0, True),
        (16, 16, 16.0, True),
        (63, 20, 16.0, True),
        (64, 20, 16.0, False),
        (100, 20, 200.0, True),
        (100, 20, 201.0, False),
        (100, 20, 16.0, False),
        (16, 15, 16.0, False),
        (0, 20, 16.0, False),
        (250, 20, 255.0, False),
        (16, 20, None, False),
    ],
)
def test_values_in_place_of_codes_are_told_once(
    open_board: Any, most: int, count: int, end: float | list[float] | None, warned: bool
) -> None:
    ends = np.ravel(end or 0.0)
    ranged = Meaning() if end is None else Meaning(inputs=InputRange(np.zeros(len(ends)), ends))
    what = program(1000 * most + count + int(ends.sum()) + (open_board is device) * 7_000_000, ranged)
    x = np.random.default_rng(1).integers(0, most + 1, (count, 12)).astype(np.uint8)
    x[0, 0] = most
    with open_board(what) as board, warnings.catch_warnings(record=True, action="always") as heard:
        board.program(what)
        for _ in range(2):
            board.infer(x)
    told = [str(w.message) for w in heard if w.category is InputWarning]
    assert len(told) == warned
    assert all(f"no code of {count} samples is above {most} of 255" in text for text in told)
    unit = f" (in program {what.name!r} values to {ends.max():g})"
    assert all(f"in the model's own unit{unit}, encode them first" in text for text in told)


def test_a_program_without_a_range_is_told_no_end() -> None:
    classes = program(3, Meaning(classes=("a", "b", "c")))
    with pytest.warns(InputWarning, match="in the model's own unit, encode them first"):
        check_inputs(np.ones((16, 12), np.uint8), classes, seed=0, first_index=0, noise=True)


def test_the_last_index_of_a_call_is_the_greatest() -> None:
    x = np.zeros((2, 12), np.uint8)
    for index in (0, (1 << 32) - 2):
        assert check_inputs(x, program(4, Meaning()), seed=0, first_index=index, noise=True).shape == (2, 12)


def test_virtual_chips_need_a_varied_program_and_a_device_that_redraws() -> None:
    """A golden board without a geometry simulates any."""
    varied = dataclasses.replace(program(5, Meaning()), variation=same_cells())
    fixed = dataclasses.replace(TINY, redraw=0)
    for geometry in (TINY, None):
        check_variation(varied, geometry)
    with pytest.raises(InputError, match=r"'tiny' was built without virtual chips \(redraw 0\)"):
        check_variation(varied, fixed)
    with pytest.raises(InputError, match="was compiled for one individual chip"):
        check_variation(program(5, Meaning()), TINY)
