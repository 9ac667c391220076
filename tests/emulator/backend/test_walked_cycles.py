"""Fewest cycles of a walk: the network's, and those of tables, which are products of the array too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emulator.backend.schedule import bound_cycles
from emulator.backend.walk import walked_cycles
from emulator.mapping import map_network
from emulator.spec import PRESETS
from tests.system.test_kan import INPUTS, kan

GEOMETRY = dataclasses.replace(PRESETS["8-lane"], map_codes=2048, overlap=True, redraw=0)


def test_tables_of_bases_are_products_of_the_array() -> None:
    """10 inputs to 30 functions, 30 to 6 sums, 6 to 18, 18 to 3, eight lanes."""
    x = np.random.default_rng(0).integers(0, 256, (20, INPUTS)).astype(np.uint8)
    program = map_network(kan(), "wan2022", x).program
    assert bound_cycles(program, 8) == 30 + 18
    assert walked_cycles(program, GEOMETRY) == 10 * 4 + 30 + 6 * 3 + 18


@pytest.mark.parametrize("calls", [1, 3])
def test_a_body_is_walked_once_a_call(calls: int) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, INPUTS)).astype(np.uint8)
    program = dataclasses.replace(map_network(kan(), "wan2022", x).program, calls=calls)
    assert walked_cycles(program, GEOMETRY) == calls * (10 * 4 + 30 + 6 * 3) + 18
