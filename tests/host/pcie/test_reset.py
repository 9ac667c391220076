"""A card that is reset in the middle of a job: afterwards it is as one that
was just powered on."""

import os

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.sim.pcie import BlockCard, Loss, SimCard
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.host import HostError
from ndrite.host.links.pcie import PcieChannel
from tests.stimulus import random_inputs

pytestmark = pytest.mark.long

TINY = PRESETS["tiny"]
PROGRAM = random_program(TINY, np.random.default_rng(1), sizes=(37, 9, 5), noise=True)
X = random_inputs(PROGRAM, np.random.default_rng(2), 20)
JOB_CYCLES = 3000
"""About as long as a job of ``X`` takes, its descriptor's way included."""
LENGTHS = (1, 2, 3, 5, 9, 16, 33, 64)
JOBS = 100 if os.environ.get("NDRITE_PCIE") == "all" else 4
"""Of each length; ``make test-pcie`` runs all."""


@pytest.mark.parametrize(
    ("make", "loss"),
    [(SimCard, "reset"), (BlockCard, "reset"), (BlockCard, "hot reset"), (BlockCard, "link down")],
)
def test_a_reset_of_any_length_at_any_moment_of_a_job_leaves_no_wrong_answer(
    make: type[SimCard], loss: Loss
) -> None:
    """The moment is drawn. What the job says is right or an error; programmed again,
    the card is right."""
    rng = np.random.default_rng(5)
    wanted = Core(PROGRAM).infer(X, seed=3)
    card = make(TINY)
    wrong = dict.fromkeys(LENGTHS, 0)
    said = 0
    channel = PcieChannel(card, timeout_s=0.002)
    with Board.over(channel) as board:
        mark = board.read_register("host_mark")
        for length in LENGTHS:
            for _ in range(JOBS):
                board.program(PROGRAM)
                card.reset(after=int(rng.integers(1, JOB_CYCLES)), cycles=length, kind=loss)
                try:
                    during = board.infer(X, seed=3)
                except HostError:
                    said += 1
                else:
                    wrong[length] += not np.array_equal(during, wanted)
                card.run(JOB_CYCLES)  # a job that was over before the reset
                # As if it were opened again.
                channel.engine.reset()
                board.write_register("host_mark", mark)
                board.program(PROGRAM)
                wrong[length] += not np.array_equal(board.infer(X, seed=3), wanted)
    print(f"{JOBS} jobs for each {loss} of {LENGTHS} cycles; {said} said an error; wrong with OK: {wrong}")
    assert said > len(LENGTHS) * JOBS // 2, "resets came too late for this test"
    assert not any(wrong.values()), wrong
