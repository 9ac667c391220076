"""A chip that is ready to learn: laws of devices, errors against float gradients,
and that it learns."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep, StepTable
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import Learner, make_learner
from ndrite.emulator.golden.learn.devices import Pulses, constants, key_of, updated
from ndrite.emulator.golden.learn.devices import pulsed as pulses_of_update
from ndrite.emulator.golden.learn.fast import FastLearner
from ndrite.emulator.golden.noise import words
from ndrite.emulator.learning.insitu import Course, Plan, follow, prepare
from ndrite.emulator.learning.insitu.laws import devices_of, normal_table, table
from ndrite.emulator.learning.insitu.plan import Prepared
from ndrite.emulator.learning.insitu.rules import symmetry_points
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec.errors import ProgramError
from ndrite.emulator.spec.learning import DOMAIN_CYCLE, DOMAIN_DEVICE, STATE_ONE
from tests.emulator.device.cited import linear_step
from tests.refusals import refused

X, LABELS, TEST_X, TEST_LABELS = digits()
DIGITS = Labelled("digits", X, LABELS, TEST_X, TEST_LABELS)
IDEAL = LinearStep(step_up=0.002, step_down=0.002, w_min=-1.0, w_max=1.0)
ALIKE = EcramSpread()
FAST = replace(IDEAL, step_up=0.5, step_down=2.5)
KIM = LinearStep(
    step_up=0.00028214, step_down=0.00028214, w_min=-0.8286, w_max=1.1714, gamma_up=0.4152, gamma_down=0.7342
)
SOFT = LinearStep(step_up=0.01, step_down=0.008, w_min=-1.0, w_max=1.0, gamma_up=1.0, gamma_down=1.0)


def prepared(
    plan: Plan, chip: str = "ideal", law: LinearStep = IDEAL, spread: EcramSpread = ALIKE
) -> Prepared:
    return prepare(plan, load_chip(chip), law, spread, X[:64])


def pulsed(
    law: LinearStep | StepTable, spread: EcramSpread, start: float, ups: Sequence[bool], count: int
) -> np.ndarray:
    """States (P + 1, count), of the nominal bound, of ``count`` devices pulsed one by
    one; ``ups`` (P,)."""
    what = devices_of(law, spread)
    k = np.arange(count)
    own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), k, 0)
    s = np.full(count, round(start * STATE_ONE))
    found = [s]
    for i, up in enumerate(ups):
        drawn = words(key_of(2, DOMAIN_CYCLE, 0, i), k, 0)
        s = updated(s, np.ones(count, int), np.full(count, up), own, what, drawn)
        found.append(s)
    return np.array(found) / STATE_ONE


@pytest.mark.parametrize("law", [IDEAL, KIM, SOFT], ids=["ideal", "kim", "soft"])
def test_a_device_answers_to_1000_pulses_as_described(law: LinearStep) -> None:
    """Up, then down, against the closed form; rounding is all that is drawn."""
    found = pulsed(law, ALIKE, -0.4, [True] * 1000 + [False] * 1000, 64).mean(axis=1)
    wanted = linear_step(law, -0.4, np.arange(1001), up=True)
    assert np.abs(found[:1001] - wanted).max() < 0.012
    back = linear_step(law, float(found[1000]), np.arange(1001), up=False)
    assert np.abs(found[1000:] - back).max() < 0.012


def test_devices_differ_and_pulses_scatter_as_described() -> None:
    spread = EcramSpread(step_sigma=0.3, asymmetry_sigma=0.1, bound_sigma=0.05)
    law = replace(IDEAL, cycle_sigma=0.5)
    found = pulsed(law, spread, 0.0, [True] * 100, 4000)
    moved = found[100]
    wanted = 100 * law.step_up
    assert moved.mean() == pytest.approx(wanted, rel=0.02)
    assert moved.std() == pytest.approx(wanted * np.hypot(np.hypot(0.3, 0.1), 0.5 / 10), rel=0.05)
    step = np.diff(found[:101], axis=0)
    usual = step[:, step.mean(axis=0) > law.step_up / 2]
    assert (usual / usual.mean(axis=0)).std() == pytest.approx(0.5, rel=0.06)


def test_a_device_of_16_levels_moves_by_steps_of_an_eighth() -> None:
    law = replace(IDEAL, step_up=0.125, step_down=0.25)
    found = pulsed(law, ALIKE, -1.0, [True] * 17 + [False] * 9, 3).T
    wanted = [*np.linspace(-1, 1, 17), 1, *np.linspace(0.75, -1, 8), -1]
    np.testing.assert_allclose(found, [wanted] * 3, atol=1e-3)


@pytest.mark.parametrize(("up", "down"), [(0.25, 0.0), (0.0, 0.25), (0.0, 0.0)])
def test_a_device_may_move_one_way_only_or_never(up: float, down: float) -> None:
    """No spread gives a step to the other way; the step that there is spreads
    about its own mean."""
    law = devices_of(
        replace(IDEAL, step_up=up, step_down=down), EcramSpread(step_sigma=0.3, asymmetry_sigma=0.1)
    )
    own = constants(law, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(4000), 0)
    for drawn, mean in ((own.up, up), (own.down, down)):
        step = drawn / 2.0**law.step_shift * 64 / STATE_ONE
        assert step.any() == bool(mean)
        assert step.mean() == pytest.approx(mean, rel=0.02)
        assert step.std() == pytest.approx(mean * np.hypot(0.3, 0.1), rel=0.05)


@pytest.mark.parametrize(("up", "down"), [(0.05, 0.05), (0.05, 0.0), (0.0, 0.05)])
@pytest.mark.parametrize("sigma", [0.3, 0.78, 1.0])
def test_log_normal_steps_have_the_stated_median_and_deviation(sigma: float, up: float, down: float) -> None:
    """Against SciPy's distribution; sums of two table entries come within 0.07 of it,
    the draws add 0.02."""
    what = devices_of(
        replace(IDEAL, step_up=up, step_down=down), EcramSpread(step_sigma=sigma, log_normal=True)
    )
    own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(8000), 0)
    for drawn, median in ((own.up, up), (own.down, down)):
        if not median:
            assert not drawn.any()
            continue
        step = drawn / 2.0**what.step_shift * 64 / STATE_ONE
        assert np.median(step) == pytest.approx(median, rel=0.06)
        assert step.mean() == pytest.approx(median * np.exp(sigma**2 / 2), rel=0.04)
        assert stats.kstest(step, stats.lognorm(sigma, scale=median).cdf).statistic < 0.09
        assert step.max() > 0.6 * median * np.exp(2 * sigma), "the largest is not cut"


def test_pulses_of_one_update_are_one_after_the_other_where_steps_are_coarse() -> None:
    """5 pulses of a law that falls toward its bound end where 5 updates of one pulse
    do, up to their noise, which is drawn anew for each pulse; a fine device takes them
    at the state before."""
    count, cycle = 4000, 0.4
    for step, after_one_another in ((0.4622, True), (0.01, False)):
        law = replace(SOFT, step_up=step, step_down=step, cycle_sigma=cycle)
        what, k = devices_of(law, ALIKE), np.arange(count)
        own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), k, 0)
        key, up = key_of(2, DOMAIN_CYCLE, 0, 9), np.full(count, True)
        pulses = Pulses(k, np.zeros_like(k), np.full(count, 5), up)
        s = pulses_of_update(np.zeros(count, int), pulses, own, what, key) / STATE_ONE
        single = 1 - step
        wanted = 1 - single**5 if after_one_another else 5 * step
        assert s.mean() == pytest.approx(wanted, rel=0.01)
        # Of independent factors 1 - step (1 + noise): the variance of their product.
        scatter = np.sqrt((single**2 + (step * cycle) ** 2) ** 5 - single**10)
        assert s.std() == pytest.approx(scatter if after_one_another else np.sqrt(5) * step * cycle, rel=0.1)


def soft_table(step: float, noise: float, *, down: float = 1.0, entries: int = 40) -> StepTable:
    """Steps that fall to 0 at the bound, up and ``down`` times as large down; ``noise``
    at the bounds' ends twice that in the middle."""
    w = (np.arange(entries) + 0.5) * 2 / entries - 1
    noises = tuple((noise * (1 + np.abs(w))).tolist())
    return StepTable(
        step_up_table=tuple((step * (1 - w)).tolist()),
        step_down_table=tuple((step * down * (1 + w)).tolist()),
        noise_up_table=noises,
        noise_down_table=noises,
        w_min=-1.0,
        w_max=1.0,
    )


def test_a_table_of_a_linear_law_moves_devices_as_that_law() -> None:
    """1000 pulses up and down against the closed form, and where alternating pulses settle."""
    law = soft_table(SOFT.step_up, 0.0, down=SOFT.step_down / SOFT.step_up)
    ups = [True] * 1000 + [False] * 1000
    found = pulsed(law, ALIKE, -0.4, ups, 64).mean(axis=1)
    wanted = linear_step(SOFT, -0.4, np.arange(1001), up=True)
    assert np.abs(found[:1001] - wanted).max() < 0.025
    back = linear_step(SOFT, float(found[1000]), np.arange(1001), up=False)
    assert np.abs(found[1000:] - back).max() < 0.025
    spread = EcramSpread(step_sigma=0.2, asymmetry_sigma=0.2)
    settled = pulsed(law, spread, 0.0, [True, False] * 500, 300)[501:].mean(axis=0)
    what = devices_of(law, spread)
    own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(300), 0)
    inside = (own.up > 0) & (own.down > 0)
    assert np.abs(settled - symmetry_points(what, own) / STATE_ONE)[inside].max() < 0.05


def test_devices_of_a_table_differ_by_a_factor_of_both_ways() -> None:
    """With steps down a fifth of those up: no device stops, and all settle
    at the same state."""
    law, spread = soft_table(0.02, 0.0, down=0.2), EcramSpread(step_sigma=0.2)
    settled = pulsed(law, spread, 0.0, [True, False] * 1000, 500)[1000:].mean(axis=0)
    assert np.ptp(settled) < 0.05
    moved = np.diff(pulsed(law, spread, 0.5, [False], 4000), axis=0)[0]
    assert moved.mean() == pytest.approx(-0.02 * 0.2 * 1.5, rel=0.02)
    assert moved.std() == pytest.approx(0.02 * 0.2 * 1.5 * 0.2, rel=0.06)


@pytest.mark.parametrize("start", [-0.7, 0.01, 0.7])
@pytest.mark.parametrize("up", [True, False])
def test_a_step_of_a_table_has_the_mean_and_the_deviation_of_its_state(start: float, up: bool) -> None:
    """From device to device the mean alone differs, by its own part."""
    law = soft_table(0.03, 0.004, down=0.7)
    moved = np.diff(pulsed(law, ALIKE, start, [up], 20000), axis=0)[0] * (1 if up else -1)
    assert moved.mean() == pytest.approx(float(law.mean(start, up)), rel=0.03)
    assert moved.std() == pytest.approx(float(law.deviation(start, up)), rel=0.04)


def test_the_largest_steps_bounds_and_deviations_are_accepted() -> None:
    for law in (
        replace(IDEAL, step_up=2.0, step_down=2.0),
        replace(IDEAL, step_up=6.1e-8, step_down=6.1e-8),
        replace(IDEAL, cycle_sigma=10.0),
        replace(IDEAL, w_max=1.999, w_min=-1.999),
        replace(IDEAL, gamma_up=1.99),
    ):
        devices_of(law, ALIKE)
    with pytest.raises(CompileError, match=r"ecram.gamma_up is 2.0; accepted: below twice the bound, 1"):
        devices_of(replace(IDEAL, gamma_up=2.0), ALIKE)


def test_the_table_has_the_normal_laws_moments() -> None:
    t = normal_table()
    both = (t[:, None] + t).ravel()
    assert both.mean() == pytest.approx(0, abs=1e-12)
    assert both.var() == pytest.approx(1, abs=1e-9)
    assert (both**4).mean() == pytest.approx(3, abs=1e-6)
    assert table(1234.5, 100).sum() / 8 == pytest.approx(1234.5, abs=0.13)


@pytest.mark.parametrize(("activation", "bound"), [("ndr", 1.0), ("sigmoid", 0.7), ("relu", 2.0)])
def test_errors_are_the_float_networks_gradients(activation: str, bound: float) -> None:
    """Of the cross entropy of sigmoids, by differences of the loss, for every
    neuron of every layer."""
    spans = {"bound": bound, "span": 3.0, "back_span": 2.0}
    ready = prepared(Plan(widths=(64, 12, 9, 10), activation=activation, start=2.0, seed=2, **spans))
    learner = Learner(ready.learning)
    program, network = learner.program(), ready.network(learner.states)
    kept, wanted = [], []
    for sample, label in zip(X[64:84], LABELS[64:84], strict=True):
        errors, _ = learner._errors(program, learner._forward(program, sample, 0), int(label), 0)
        kept.append([e * 2.0**power * unit for (e, power), unit in zip(errors, ready.units, strict=True)])
        wanted.append([-slopes(network, sample / 255, int(label), at) for at in range(3)])
    for found, exact in zip(zip(*kept, strict=True), zip(*wanted, strict=True), strict=True):
        follows(found, exact, 0.98 if activation == "sigmoid" else 0.95, 0.08)


def slopes(network: Any, x: np.ndarray, label: int, at: int, by_height: bool = False) -> np.ndarray:
    """dLoss by every pre-activation of layer ``at``, or by its neurons' heights, by
    central differences."""
    layers = [product.dense for product in network.products]

    def loss(unit: int, by: float) -> float:
        y = x.astype(np.float64)
        for i, dense in enumerate(layers):
            z = y @ dense.weights.astype(np.float64) + dense.bias
            if i == at and not by_height:
                z[unit] += by
            y = z if dense.activation is None else dense.activation(z).astype(np.float64)
            if i == at and by_height:
                y[unit] *= 1 + by / dense.activation.height[unit]
        return float((np.logaddexp(0, y) - np.eye(len(y))[label] * y).sum())

    h = 1e-3
    return np.array([(loss(m, h) - loss(m, -h)) / (2 * h) for m in range(layers[at].outputs)])


def follows(found: list[np.ndarray], wanted: list[np.ndarray], likeness: float, off: float) -> None:
    a, b = np.concatenate(found), np.concatenate(wanted)
    assert np.corrcoef(a, b)[0, 1] > likeness
    assert (a * b).sum() / (b * b).sum() == pytest.approx(1.0, abs=off)


def test_pulses_of_ecrams_follow_the_float_networks_gradients() -> None:
    """What trains move every ECRAM of both layers by, on average, against differences
    of the loss by its state."""
    rate, ecram = 0.004, load_chip("dendritic-ndr").ecram
    plan = Plan(widths=(64, 12, 9, 10), neuron_rate=rate, start=2.0, span=3.0, back_span=2.0, seed=2)
    ready = prepared(plan, "dendritic-ndr")
    learner = Learner(ready.learning)
    program = learner.program()
    network = ready.network(learner.states)
    step = ecram.step_up * (ecram.peak_current_high_factor - ecram.peak_current_low_factor) / 2
    moved, wanted = ([], []), ([], [])
    for sample, label in zip(X[64:124], LABELS[64:124], strict=True):
        _, found = learner._errors(program, learner._forward(program, sample, 0), int(label), 0)
        for i, layer in enumerate(ready.learning.layers[:2]):
            (error, power), tuned = found[i], layer.tuned
            slots = np.abs(error) * 2.0 ** (power - tuned.shift) * tuned.rate / 65536 * ready.learning.slots
            moved[i].append(np.sign(error) * slots * step)
            # A height of 1 is 0.9 / 2 of a state.
            slope = slopes(network, sample / 255, int(label), i, by_height=True)
            wanted[i].append(-rate * slope * (0.9 / 2) ** 2)
    for i in range(2):
        follows(moved[i], wanted[i], 0.95, 0.12)


def learned(ready: Prepared, *, epochs: int, seed: int = 0) -> tuple[Learner | FastLearner, Course]:
    """The learner of digits after so many epochs, and its course."""
    learner = make_learner(ready.learning, seed=1)
    return learner, follow(learner, Course(), DIGITS, epochs=epochs, seed=seed)


def right_on_others(ready: Prepared, **course: int) -> float:
    learner, _ = learned(ready, **course)
    return float((Core(learner.program()).infer(TEST_X).argmax(axis=1) == TEST_LABELS).mean())


def test_neurons_learn_beside_weights_that_stay() -> None:
    plan = Plan(widths=(64, 32, 10), hidden_rate=0.0, neuron_rate=0.003, rate=0.005, seed=3)
    ready = prepared(plan, "dendritic-ndr")
    learner, _ = learned(ready, epochs=1)
    moved = [now != layer.states for now, layer in zip(learner.states, ready.learning.layers, strict=True)]
    assert not moved[0][:64].any()
    assert moved[0][65:].any()
    assert moved[1].any()


@pytest.mark.parametrize("chip", ["ideal", "wan2022"])
def test_it_learns_digits(chip: str) -> None:
    ready = prepared(Plan(widths=(64, 32, 10), seed=3), chip, spread=EcramSpread(step_sigma=0.1))
    assert right_on_others(ready, epochs=8, seed=1) > 0.9


def test_symmetry_points_are_where_alternating_pulses_settle() -> None:
    law = replace(SOFT, step_up=0.02, step_down=0.016)
    spread = EcramSpread(step_sigma=0.3, asymmetry_sigma=0.2, bound_sigma=0.1)
    what = devices_of(law, spread)
    own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(300), 0)
    wanted = symmetry_points(what, own) / STATE_ONE
    assert wanted.std() > 0.05
    settled = pulsed(law, spread, 0.0, [True, False] * 1000, 300)[1001:].mean(axis=0)
    inside = (own.up > 0) & (own.down > 0)
    assert inside.sum() > 250
    # Between the two ends of a pair, which are a step apart.
    assert np.abs(settled - wanted)[inside].max() < 0.02


def test_symmetry_points_of_even_steps_are_bounds() -> None:
    """Where steps are as large everywhere, the larger direction takes a device to its end."""
    what = devices_of(IDEAL, EcramSpread(step_sigma=0.3, asymmetry_sigma=0.2, bound_sigma=0.1))
    own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(300), 0)
    wanted = np.where(own.up > own.down, own.high, own.low)[own.up != own.down]
    np.testing.assert_array_equal(symmetry_points(what, own)[own.up != own.down], wanted)


@pytest.mark.long
def test_fast_devices_mend_what_steps_that_fall_toward_the_bounds_do() -> None:
    """Soft bounds, 30 % of spread, 20 % of asymmetry: Tiki-Taka is right more often on
    digits, unless its references are off, and so is AGAD, which has none; each at a
    rate that was good over five seeds."""
    law = replace(SOFT, step_up=0.004, step_down=0.004, cycle_sigma=0.3)
    spread, right = EcramSpread(step_sigma=0.3, asymmetry_sigma=0.2), {}
    for rule, how in {
        "stochastic": {"rate": 0.005},
        "tiki-taka": {"rate": 0.05},
        "off": {"rule": "tiki-taka", "rate": 0.05, "reference_error": 0.2},
        "agad": {"rate": 0.05, "threshold": 8.0},
    }.items():
        plan = Plan(widths=(64, 32, 10), seed=3, **{"rule": rule} | how)
        right[rule] = right_on_others(prepared(plan, "ideal", law, spread), epochs=40)
    assert min(right["tiki-taka"], right["agad"]) > max(right["stochastic"], right["off"]) + 0.02, right


@pytest.mark.parametrize("states", [4, 10])
def test_tiles_learn_where_few_states_stop_one_device(states: int) -> None:
    """Soft bounds of arXiv 2510.02516, 30 % of spread and noise: sums over four
    tiles are right more often than plain pulses, and with 4 states than Tiki-Taka
    1, two tiles of which the last one weighs nothing; each at a rate that was
    good on other seeds."""
    law = replace(SOFT, step_up=2 / states, step_down=2 / states, cycle_sigma=0.3)
    spread, right = EcramSpread(step_sigma=0.3, asymmetry_sigma=0.01), {}
    for rule, how in {
        "stochastic": {"rate": 0.003},
        "one": {"rule": "residual", "tiles": 2, "gamma": 1e-4, "rate": 0.2},
        "residual": {"rate": 0.16},
    }.items():
        plan = Plan(widths=(64, 32, 10), seed=3, bound=0.5, **{"rule": rule, "threshold": 10.0} | how)
        right[rule] = right_on_others(prepared(plan, "ideal", law, spread), epochs=12)
    assert right["residual"] > right["stochastic"] + 0.25, right
    assert states == 10 or right["residual"] > right["one"] + 0.1, right


def test_manhattan_gives_one_pulse_wherever_input_and_error_are_not_0() -> None:
    law = replace(IDEAL, step_up=0.001, step_down=0.001)
    rates = {"rate": 10.0, "hidden_rate": 1e3, "slots": 1}  # they count for nothing
    plan = Plan(widths=(64, 10), rule="manhattan", seed=3, **rates)
    ready = prepared(plan, law=law)
    learner = Learner(ready.learning, seed=1)
    before = learner.states[0].copy()
    counts = learner.learn(X[:1], LABELS[:1])
    moved = learner.states[0] - before
    live = np.append(X[0] != 0, True)
    assert counts.pulses == (int(live.sum()) * 10,)
    assert not moved[~live].any()
    assert (np.sign(moved[live]) == np.where(np.arange(10) == LABELS[0], 1, -1)).all()
    assert np.abs(moved[live]) == pytest.approx(0.001 * STATE_ONE, abs=1)


@pytest.mark.parametrize(("rate", "hidden_rate"), [(0.5, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_manhattan_gives_no_pulse_at_a_rate_of_0(rate: float, hidden_rate: float) -> None:
    """Of ECRAMs too, whose pulses come at every error."""
    rates = {"rate": rate, "hidden_rate": hidden_rate, "neuron_rate": 1e-6}
    plan = Plan(widths=(64, 8, 10), rule="manhattan", seed=3, **rates)
    hidden, last = prepared(plan, "dendritic-ndr").learning.layers
    shown = [
        (layer.row_rate, layer.row_shift, layer.column_rate, layer.column_shift) for layer in (hidden, last)
    ]
    assert shown == [(65535, 0, 65535 * (of > 0), 0) for of in (rate * hidden_rate, rate)]
    assert (hidden.tuned.rate, hidden.tuned.shift) == (65535, 0)


TUNED = Plan(widths=(64, 8, 10), neuron_rate=0.01)
# Fast devices behind 32,768 rows: their numbers would begin at 0 again.
TALL = Plan(widths=(32768, 2), rule="agad"), load_chip("ideal"), IDEAL, ALIKE
test_refused = refused(
    (CompileError, ProgramError),
    (prepare, *TALL, np.full((16, 32768), 7, np.uint8), r"layer 0\.inputs is 32768; accepted: at most 32767"),
    (prepared, Plan(widths=(64, 10)), "dendritic-analog", "kind is 'analog'; accepted to learn on: adc"),
    (
        prepare,
        Plan(widths=(64, 10)),
        load_chip("ideal"),
        IDEAL,
        ALIKE,
        0 * X[:64],
        r"largest code of the samples is 0; accepted: 1\.\.255",
    ),
    (
        prepared,
        Plan(widths=(64, 10), rule="agad", transfer_noise=True),
        "transfer_noise is on, and the chip's cells have no read noise; accepted: off",
    ),
    (prepared, TUNED, r"accepted to learn with neuron_rate above 0: linear-step"),
    (lambda: replace(TUNED, activation="relu"), "neuron_rate is 0.01, with relu neurons in 1 hidden layers"),
    (
        devices_of,
        FAST,
        ALIKE,
        r"moves a device by 2\.5 of its nominal bound; accepted: 0, and 6e-08 to 2, the whole range",
    ),
    (devices_of, replace(IDEAL, cycle_sigma=11.0), ALIKE, r"largest deviation of a step is 11 steps"),
    (devices_of, replace(IDEAL, w_max=2.5), ALIKE, r"largest bound is 2\.5 times"),
    (devices_of, replace(IDEAL, w_min=-2.0), ALIKE, r"largest bound is 2 times"),
    (devices_of, replace(IDEAL, step_up=5e-8, step_down=5e-8), ALIKE, r"moves a device by 5e-08"),
)
