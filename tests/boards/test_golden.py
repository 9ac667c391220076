"""The golden board satisfies the API."""

import dataclasses

import numpy as np
import pytest

from ndrite.boards.golden import GoldenBoard
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import Learner
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.host import BoardApi, InputError, LinkError, NotProgrammedError
from ndrite.host.api import LearningApi
from tests.random_learning import random_learning
from tests.stimulus import inferred


@pytest.mark.slow
def test_it_learns_and_then_infers_with_what_it_learned() -> None:
    learning = random_learning(Geometry(rows=16), np.random.default_rng(3), sizes=(20, 5))
    x, labels = np.full((6, 20), 200, np.uint8), np.arange(6) % 5
    with GoldenBoard() as board:
        with pytest.raises(NotProgrammedError, match="no learning program"):
            board.learn(x, labels)
        board.program_learning(learning, seed=4)
        counts = board.learn(x, labels, first_update=2)
        assert isinstance(board, LearningApi)
        assert counts.updates == 6
        plain = Learner(learning, seed=4)
        assert plain.learn(x, labels, first_update=2) == counts
        np.testing.assert_array_equal(board.states()[0], plain.states[0])
        inferred(board, plain.program(), x, seed=9)
    with GoldenBoard(PRESETS["tiny"]) as small, pytest.raises(GeometryError):
        small.program_learning(random_learning(Geometry(), np.random.default_rng(3), sizes=(900, 5)))


def small(rng: np.random.Generator) -> Program:
    return random_program(PRESETS["tiny"], rng, sizes=(20, 6, 3), readout="adc", dac_bits=8, noise=True)


def test_golden_board() -> None:
    rng = np.random.default_rng(0)
    program = small(rng)
    x = rng.integers(0, 256, (700, 20)).astype(np.uint8)
    with GoldenBoard(PRESETS["tiny"]) as board:
        assert isinstance(board, BoardApi)
        with pytest.raises(NotProgrammedError):
            board.infer(x)
        board.program(program)
        seen: list[tuple[int, int]] = []
        y = board.infer(x, seed=4, first_index=9, progress=lambda *p: seen.append(p))
        np.testing.assert_array_equal(y, Core(program).infer(x, seed=4, first_index=9))
        assert seen == [(512, 700), (700, 700)]
        assert board.counters() == {"inferences": 700}
        board.clear_counters()
        assert board.counters() == {"inferences": 0}
        with pytest.raises(InputError, match="dtype"):
            board.infer(x.astype(int))
        for seed, first_index, said in ((1.5, 0, "seed is 1.5"), (0, "7", "first_index is '7'")):
            with pytest.raises(InputError, match=f"{said}; accepted: 0"):
                board.infer(x, seed=seed, first_index=first_index)  # type: ignore[arg-type]
    with pytest.raises(LinkError, match="closed"):
        board.infer(x)
    with GoldenBoard(PRESETS["64-lane"]) as other, pytest.raises(GeometryError):
        other.program(program)


def test_scrubbing_is_of_the_program_that_was_programmed_whatever_its_name() -> None:
    rng = np.random.default_rng(0)
    program, other = small(rng), small(rng)
    assert program.name == other.name
    with GoldenBoard() as board:
        board.program(program)
        assert board.scrub(dataclasses.replace(program, name="renamed")) == []
        with pytest.raises(NotProgrammedError, match="does not hold"):
            board.scrub(other)
