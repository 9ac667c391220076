"""Programming and inference through something faulty, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boards.board import Board
from emulator.golden import Core
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS
from host import HostError
from tests.faulty_link import Faulty, Rates
from tests.stimulus import random_inputs

TINY = PRESETS["tiny"]
INFERENCES = 11
"""After each programming."""


@dataclass
class Tally:
    """What came of a run; ``wrong`` is what must stay 0."""

    programmings: int = 0
    inferences: int = 0
    refused_programmings: int = 0
    refused_inferences: int = 0
    wrong: int = 0

    def line(self, link: Faulty) -> str:
        """For the summary."""
        return (
            f"{self.programmings} programmings ({self.refused_programmings} refused), {self.inferences} "
            f"inferences ({self.refused_inferences} refused), {sum(link.injected.values())} faults, "
            f"{self.wrong} wrong numbers"
        )


def work(board: Board, link: Faulty, rates: Rates, rounds: int, seed: int) -> Tally:
    """Program two programs in turn and infer after each, with faults at ``rates``; at last without."""
    whole = link.rates
    rng = np.random.default_rng([seed, 31])
    images = [random_program(TINY, rng, sizes=(12, 6, 3), noise=True) for _ in range(2)]
    tally = Tally()
    for i in range(rounds):
        program = images[i % 2]
        x = random_inputs(program, rng, INFERENCES)
        expected = Core(program).infer(x, seed=i)
        link.rates = rates
        tally.programmings += 1
        try:
            board.program(program)
        except HostError:
            tally.refused_programmings += 1
            continue
        tally.inferences += len(x)
        try:
            y = board.infer(x, seed=i)
        except HostError:
            tally.refused_inferences += len(x)
            continue
        tally.wrong += int((y != expected).any(axis=1).sum())
    # Once the link is whole again, so is the board.
    link.rates = whole
    x = random_inputs(images[0], rng, 4)
    board.program(images[0])
    np.testing.assert_array_equal(board.infer(x, seed=1), Core(images[0]).infer(x, seed=1))
    return tally
