"""The smallest boards' design, compiled for this machine: a whole device behind
the host's driver."""

import dataclasses

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.selftest import checks_of
from ndrite.boards.sim import Design, SimLink
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.mapping import map_network
from ndrite.emulator.spec import Program
from ndrite.networks import shipped_network
from ndrite.samples import judging_set
from tests.chips import changed
from tests.stimulus import inferred, quiet

pytestmark = pytest.mark.long

SMALL = Design(small=True)


def small_program() -> tuple[Program, np.ndarray]:
    """The shipped network in 8-bit codes without read noise, and real test images."""
    images, _ = judging_set("fashion-mnist")
    chip = changed("wan2022", input={"dac_bits": 8})
    program = map_network(shipped_network(), chip, images[:64]).program
    layers = tuple(dataclasses.replace(la, weights=la.weights // 2) for la in program.layers)
    return quiet(program.with_layers(layers)), images[64:]


def test_icebreaker_runs_the_shipped_network() -> None:
    geometry = find_target("icebreaker").geometry
    program, images = small_program()
    with Board(SimLink(geometry, platform=SMALL)) as board:
        board.program(program)
        board.clear_counters()
        inferred(board, program, images[:4], seed=1, noise=False)
        counters = board.counters()
    assert counters["inferences"] == 4
    assert 0.95 <= 4 * bound_cycles(program, geometry.lanes) / counters["inference_cycles"] <= 1
    # What a small part does without.
    assert counters["busy_cycles"] == counters["passes"] == counters["last_cycles"] == 0


def test_selftest_passes() -> None:
    smallest = {"name": "small", "lanes": 2, "max_outputs": 16, "columns": 64}
    geometry = dataclasses.replace(find_target("tang-nano-9k").geometry, **smallest)
    with Board(SimLink(geometry, platform=SMALL)) as board:
        checks = list(checks_of(board))
    assert [c for c in checks if not c.passed] == []
