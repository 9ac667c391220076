"""ECRAMs of bases: their states are the die's, pulses move them, and a board's answers teach them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emulator.errors import CompileError
from emulator.golden import Core
from emulator.learning.tuning import Learner, Plan, Tunable, calibrate
from emulator.learning.tuning.learner import centred, cross_entropy
from emulator.mapping import map_network, program_of
from emulator.spec import Program
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
    assert [(layer.table, layer.index) for layer in one.layers] == [(True, 0), (True, 1)]
    assert [s.current.size for s in one.states] == [BASES * INPUTS, BASES * HIDDEN]
    states = moved(one)
    die = one.die_at(states)
    for table, state in zip(die.tables, states, strict=True):
        assert table is not None
        assert table.neurons.states is not None
        np.testing.assert_array_equal(table.neurons.states.current, state.current)
    np.testing.assert_array_equal(answers(one.program(states)), answers(program_of(die, one.base)))
    assert (answers(one.program(states)) != answers(one.base)).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(answers(one.program(one.states)), answers(one.base))


@pytest.mark.slow
def test_a_board_s_answers_teach_bases() -> None:
    one, held = form(), {}

    def infer(x: np.ndarray, first: int) -> np.ndarray:
        return Core(held["program"]).infer(x, seed=5, first_index=first)

    result = calibrate(
        one,
        None,
        X,
        LABELS,
        infer=infer,
        load=lambda program: held.update(program=program),
        plan=Plan(method="perturb", steps=10, batch=150, rate=0.1),
    )
    scale = 5 / answers(one.base).std()
    before, after = (cross_entropy(centred(answers(p)), LABELS, scale)[0] for p in (one.base, result.program))
    assert after < before - 0.05
    assert [sorted(layer) for layer in result.pulses] == [["current", "voltage"]] * 2
    np.testing.assert_array_equal(answers(held["program"]), answers(program_of(result.die, one.base)))


def test_gradients_need_a_chain_and_states_an_ecram() -> None:
    one = form()
    with pytest.raises(CompileError, match="not a chain of full layers; accepted without one: perturb"):
        Learner(kan(), one)
    with pytest.raises(CompileError, match=r"states are of 1 tables; accepted: 2"):
        one.die.tuned([None, None], one.states[:1])
    plain = map_network(kan(), "wan2022", X, seed=3).die
    with pytest.raises(CompileError, match="table 0 has no ECRAM at its devices; accepted: no states"):
        plain.tuned([None, None], one.states)
