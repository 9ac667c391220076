"""Banks of ECRAMs, whose pulses obey each device; the rule from gradients to pulses;
ECRAMs of bases, which a board's answers teach."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.learning.tuning import EcramBank, Learner, Tunable
from ndrite.emulator.learning.tuning.calibrate import Rule
from ndrite.emulator.learning.tuning.learner import centred, cross_entropy
from ndrite.emulator.mapping import map_network, program_of
from ndrite.emulator.spec import Program
from tests.emulator.device.cited import linear_step
from tests.emulator.learning.tuning.test_tuning import Chip
from tests.kan import BASES, HIDDEN, INPUTS, kan

X = np.random.default_rng(1).integers(0, 256, (150, INPUTS), dtype=np.uint8)
LABELS = (lambda y: (y - y.mean(axis=0)).argmax(axis=1))(kan().forward(X / np.float32(255)))
"""About the outputs' means: no class is likelier than another, which the network
itself does not know."""


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
    with pytest.raises(
        CompileError, match="not a chain of full layers; accepted: a chain, or method perturb"
    ):
        Learner(kan(), one)
    with pytest.raises(
        CompileError, match=r"states has 3 entries; accepted: one for each of 2 arrays and 2 tables"
    ):
        one.die.tuned([None, None, *one.states[:1]])
    plain = map_network(kan(), "wan2022", X, seed=3).die
    with pytest.raises(CompileError, match="part 2 has no ECRAM, but states are given for it"):
        plain.tuned([None, None, *one.states])


def test_changes_are_adams_with_short_memory():
    rule = Rule(2)
    # The first step is the whole rate whatever the gradient's size; both memories
    # start without a bias.
    np.testing.assert_allclose(rule.change(np.array([1.0, -1e-6]), 0.01), [-0.01, 0.01], rtol=1e-5)
    mean = (0.8 * 0.2 * 1.0 + 0.2 * -0.5) / (1 - 0.8**2)
    square = (0.95 * 0.05 * 1.0 + 0.05 * 0.25) / (1 - 0.95**2)
    assert rule.change(np.array([-0.5, 0.0]), 0.01)[0] == pytest.approx(-0.01 * mean / square**0.5)


def test_no_device_changes_by_more_than_the_rate():
    rule = Rule(1)
    for _ in range(100):
        rule.change(np.zeros(1), 0.01)
    # Gradients that come all at once: the mean is there before the mean square is,
    # 1.4 times the rate.
    changes = [rule.change(np.ones(1), 0.01)[0] for _ in range(6)]
    assert changes[-1] == -0.01
    assert min(changes) == -0.01


def test_the_sign_rule_has_no_memory():
    rule = Rule(3, sign=True)
    for size in (1.0, 1e-9):
        np.testing.assert_allclose(rule.change(size * np.array([2.0, 0.0, -5.0]), 0.03), [-0.01, 0, 0.01])


def bank(name, states, **changes):
    """ECRAMs of a device preset that differs in ``changes``, from ``states`` (n,) on."""
    ecram = dataclasses.replace(load_chip(f"ideal+{name}").ecram, **changes)
    return EcramBank(ecram, np.asarray(states, float), np.random.default_rng(0))


def test_every_device_of_a_bank_follows_its_own_law():
    ecram = load_chip("ideal+ecram-tang2018").ecram
    own = bank("ecram-tang2018", np.full(3, 0.4), cycle_percent=0.0)
    drawn = vars(ecram.device.population(ecram.spread, 3, np.random.default_rng(0)))
    devices = [SimpleNamespace(**{name: values[i] for name, values in drawn.items()}) for i in range(3)]
    start = ecram.w_min + 0.4 * (ecram.w_max - ecram.w_min)
    own.pulse(np.array([30, 0, -20]))
    want = [linear_step(devices[0], start, 30, True), start, linear_step(devices[2], start, 20, False)]
    np.testing.assert_allclose(own.states, (np.array(want) - ecram.w_min) / (ecram.w_max - ecram.w_min))
    np.testing.assert_array_equal(own.pulses, [30, 0, 20])


def test_counts_move_by_what_is_asked_on_average_and_are_limited():
    half = bank("ecram-linear-ysz", np.full(4000, 0.5))  # 100 equal steps over the range
    counts = half.toward(np.full(4000, 0.023), 200)
    assert set(counts.tolist()) == {2, 3}
    assert counts.mean() == pytest.approx(2.3, abs=0.03)
    assert half.toward(np.full(4000, -0.9), 7).min() == -7


def test_a_pulse_is_sized_by_its_direction_and_by_a_floor_at_the_bounds():
    """Up and down pulses differ where the device is asymmetric; at a bound
    none does anything."""
    alike = {f"{kind}_variation_percent": 0.0 for kind in ("step", "asymmetry", "bound", "gamma")}
    flat = bank("ecram-tang2018", np.full(4000, 0.9), cycle_percent=0.0, **alike)
    w = -0.8276 + 0.9 * 2.0
    up = 0.002 * (1 - 0.1153 * w / 1.1724) / 2  # of a range of 2
    down = 0.002 * (1 + 0.5085 * w / 0.8276) / 2
    np.testing.assert_allclose(flat.step_sizes(np.array([True] * 4000)), up, rtol=1e-9)
    np.testing.assert_allclose(flat.step_sizes(np.array([False] * 4000)), down, rtol=1e-9)
    assert flat.toward(np.full(4000, -10.5 * down), 100).mean() == pytest.approx(-10.5, abs=0.03)
    full = bank("ecram-linear-ysz", np.ones(4000))
    # Nothing moves a device beyond its bound: a wish of 1e-12 is not worth all the
    # pulses there are.
    assert full.toward(np.full(4000, 1e-12), 200).max() <= 1
    assert full.toward(np.full(4000, 1e-3), 200).min() == 200


@pytest.mark.parametrize("direction", [1, -1])
def test_pulses_of_a_bank_have_cycle_noise_both_ways(direction):
    half = bank("ecram-linear-ysz", np.full(4000, 0.5), cycle_percent=30.0)
    half.pulse(np.full(4000, 4 * direction))
    assert half.states.mean() == pytest.approx(0.5 + 0.04 * direction, abs=0.0005)
    assert half.states.std() == pytest.approx(0.3 * 0.01 * 4**0.5, rel=0.06)
