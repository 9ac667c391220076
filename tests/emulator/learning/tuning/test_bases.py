"""The rule from gradients to pulses; ECRAMs of bases, which a board's answers teach."""

import dataclasses

import numpy as np
import pytest

from emulator.errors import CompileError
from emulator.golden import Core
from emulator.learning.tuning import Learner, Tunable
from emulator.learning.tuning.calibrate import Rule, rate_at
from emulator.learning.tuning.learner import centred, cross_entropy
from emulator.mapping import map_network, program_of
from emulator.spec import Program
from tests.emulator.learning.tuning.test_tuning import Chip
from tests.system.test_kan import BASES, HIDDEN, INPUTS, kan

X = np.random.default_rng(1).integers(0, 256, (150, INPUTS), dtype=np.uint8)
LABELS = (lambda y: (y - y.mean(axis=0)).argmax(axis=1))(kan().forward(X / np.float32(255)))
"""About the outputs' means: no class is likelier than another, which the network itself does not know."""


def form(chip: str = "dendritic-ndr+ecram-pair") -> Tunable:
    return Tunable(*map_network(kan(), chip, X, seed=3)[:2])


def answers(program: Program) -> np.ndarray:
    return Core(program).infer(X, noise=False)


def moved(one: Tunable) -> list:
    """Peak currents far from where training wants them."""
    rng = np.random.default_rng(0)
    return [dataclasses.replace(s, current=rng.uniform(0, 1, s.current.size)) for s in one.states]


def test_states_of_bases_are_the_dies_and_make_its_program() -> None:
    one = form()
    assert one.layers == (2, 3)  # behind the two arrays
    assert [s.current.size for s in one.states] == [BASES * INPUTS, BASES * HIDDEN]
    states = moved(one)
    die = one.die_at(states)
    for table, state in zip(die.tables, states, strict=True):
        np.testing.assert_array_equal(table.neurons.states.current, state.current)
    np.testing.assert_array_equal(answers(one.program(states)), answers(program_of(die, one.base)))
    assert (answers(one.program(states)) != answers(one.base)).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(answers(one.program(one.states)), answers(one.base))


@pytest.mark.slow
def test_a_board_s_answers_teach_bases() -> None:
    one, board = form(), Chip()
    result = board.calibrated(one, X, LABELS, method="perturb", steps=10, batch=150, rate=0.1)
    scale = 5 / answers(one.base).std()
    before, after = (cross_entropy(centred(answers(p)), LABELS, scale)[0] for p in (one.base, result.program))
    assert after < before - 0.05
    assert [sorted(layer) for layer in result.pulses] == [["current", "voltage"]] * 2
    np.testing.assert_array_equal(answers(board.held), answers(program_of(result.die, one.base)))


def test_gradients_need_a_chain_and_states_an_ecram() -> None:
    one = form()
    with pytest.raises(CompileError, match="not a chain of full layers; accepted without one: perturb"):
        Learner(kan(), one)
    with pytest.raises(CompileError, match=r"states are of 3 parts; accepted: 2 arrays and 2 tables"):
        one.die.tuned([None, None, *one.states[:1]])
    plain = map_network(kan(), "wan2022", X, seed=3).die
    with pytest.raises(CompileError, match="part 2 has no ECRAM at its devices; accepted: no states"):
        plain.tuned([None, None, *one.states])


def test_the_rate_falls_to_a_tenth():
    assert [rate_at(0.2, step, 10) for step in (0, 5, 10)] == pytest.approx([0.2, 0.11, 0.02])


def test_changes_are_adams_with_short_memory():
    rule = Rule(2)
    # The first step is the whole rate whatever the gradient's size; both memories start without a bias.
    np.testing.assert_allclose(rule.change(np.array([1.0, -1e-6]), 0.01), [-0.01, 0.01], rtol=1e-5)
    mean = (0.8 * 0.2 * 1.0 + 0.2 * -0.5) / (1 - 0.8**2)
    square = (0.95 * 0.05 * 1.0 + 0.05 * 0.25) / (1 - 0.95**2)
    assert rule.change(np.array([-0.5, 0.0]), 0.01)[0] == pytest.approx(-0.01 * mean / square**0.5)


def test_no_device_changes_by_more_than_the_rate():
    rule = Rule(1)
    for _ in range(100):
        rule.change(np.zeros(1), 0.01)
    # Gradients that come all at once: the mean is there before the mean square is, 1.4 times the rate.
    changes = [rule.change(np.ones(1), 0.01)[0] for _ in range(6)]
    assert changes[-1] == -0.01
    assert min(changes) == -0.01


def test_the_sign_rule_has_no_memory():
    rule = Rule(3, sign=True)
    for size in (1.0, 1e-9):
        np.testing.assert_allclose(rule.change(size * np.array([2.0, 0.0, -5.0]), 0.03), [-0.01, 0, 0.01])
