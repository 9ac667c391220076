"""A wide array whose inferences overlap, fed by a card's DMA: as golden, and
close to the schedule."""

import dataclasses
import os

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.sim.pcie import SimCard
from ndrite.emulator.backend.lay_out import weight_words
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden.random_program import random_program
from ndrite.host.links.pcie import PcieChannel
from ndrite.networks import shipped_program
from ndrite.samples import judging_set
from tests.stimulus import inferred, ran, random_inputs

IMAGES = 60


@pytest.mark.slow
@pytest.mark.skipif("NDRITE_HDL" not in os.environ, reason="takes minutes; run: make test-hdl")
def test_128_lanes_keep_to_the_schedule() -> None:
    geometry = dataclasses.replace(find_target("ulx3s-85f-128").geometry, skip=False)
    program = shipped_program()
    x = judging_set("fashion-mnist")[0][:IMAGES]
    with Board.over(PcieChannel(SimCard(geometry))) as board:
        board.program(program)
        board.clear_counters()
        inferred(board, program, x, seed=1)
        counters = board.counters()
        # Every word of the weight memories.
        full = random_program(geometry, np.random.default_rng(2), sizes=(1024, 256))
        assert weight_words(lower(full), geometry) == geometry.weight_depth
        ran(board, full, random_inputs(full, np.random.default_rng(3), 4), seed=1)
    assert counters["inferences"] == IMAGES
    # The first image's latency included.
    assert 0.95 <= IMAGES * bound_cycles(program, geometry.lanes) / counters["inference_cycles"] <= 1
    assert counters["last_cycles"] < 4 * bound_cycles(program, geometry.lanes)
