"""The place of a device: states, asymmetry and noise, measured on its steps;
networks in floats."""

from dataclasses import replace

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, Exponential, LinearStep, StepTable, tabulated
from ndrite.emulator.errors import CompileError
from ndrite.emulator.learning import insitu
from ndrite.emulator.learning.insitu import IMPROVEMENTS, Place, improved, law_of_weights, place_of, placed
from ndrite.emulator.network.datasets import digits
from tests.refusals import refused

TANG = load_chip("ideal+ecram-tang2018")
LINEAR = LinearStep(step_up=0.01, step_down=0.01, w_min=-1.0, w_max=1.0)
ALIKE = EcramSpread()
X, LABELS, *_ = digits()


def moves(law: LinearStep, w: float, up: bool) -> tuple[float, float]:
    """Mean and deviation of the moves of 20,000 devices that get one pulse at ``w``."""
    moved = law.pulse(np.full(20_000, w), up, np.random.default_rng(1)) - w
    return abs(float(moved.mean())), float(moved.std())


@pytest.mark.parametrize("asymmetry", [0.0, 0.125, 0.5])
def test_a_device_put_somewhere_moves_so(asymmetry: float) -> None:
    """Steps away from a bound are larger than steps towards it, at both bounds alike."""
    law = placed(TANG, Place(100, asymmetry, 0.3)).ecram.device
    for w in (-0.8, 0.0, 0.8):
        (up, up_noise), (down, down_noise) = (moves(law, w, rises) for rises in (True, False))
        assert up + down == pytest.approx(2 * 2 / 100, rel=0.01)
        assert (down - up) / (up + down) == pytest.approx(2 * asymmetry * w, abs=0.01)
        assert up_noise / up == pytest.approx(0.3, rel=0.03)
        assert down_noise / down == pytest.approx(0.3, rel=0.03)
    assert place_of(law) == pytest.approx(Place(100, asymmetry, 0.3), abs=0.003)


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.8), (-2.0, 1.5)])
def test_a_place_is_the_mean_over_states_within_both_bounds(low: float, high: float) -> None:
    law = LinearStep(step_up=0.01, step_down=0.02, w_min=low, w_max=high, gamma_up=0.6, gamma_down=0.3)
    w = np.linspace(max(low, -1), min(high, 1), 100_001)
    up, down = 0.01 * (1 - 0.6 * w / high), 0.02 * (1 - 0.3 * w / low)
    asymmetry = (np.abs(up - down) / (up + down)).mean()
    assert place_of(law) == pytest.approx(Place(4 / (up + down).mean(), asymmetry, 0), rel=1e-4)
    still = tabulated(replace(law, gamma_up=0.0, gamma_down=0.0))
    halves = dict.fromkeys(("step_up_table", "step_down_table"), (0.0,) * 32 + (0.01,) * 32)
    assert place_of(replace(still, **halves)) == pytest.approx(Place(4 / 0.01, 0, 0), rel=0.2)
    for place in (Place(2, 0, 0), Place(65_536, 0.5, 10)):  # the ends are accepted
        assert place_of(placed(TANG, place).ecram.device) == pytest.approx(place, abs=0.01)


@pytest.mark.parametrize("name", ["ecram-tang2018", "rram-gong2018"])
def test_an_improvement_changes_what_it_names_at_every_state(name: str) -> None:
    device = load_chip(f"ideal+{name}")
    law = law_of_weights(device, name)
    place = place_of(law)
    wanted = [(2, 1, 1), (1, 0.5, 1), (1, 1, 0.5)]
    for what, factors in zip(IMPROVEMENTS, wanted, strict=True):
        better = improved(device, law, what)
        table = better.ecram.device
        expected = [value * factor for value, factor in zip(place, factors, strict=True)]
        assert place_of(table) == pytest.approx(expected, rel=0.02)
        assert better.ecram.spread.bound_sigmas == device.ecram.spread.bound_sigmas
        for w in (-0.7, 0.5):
            apart = [float(m.mean(w, True) - m.mean(w, False)) for m in (tabulated(law), table)]
            assert apart[1] == pytest.approx(apart[0] * factors[1] / factors[0], rel=0.02, abs=1e-5)


@pytest.mark.parametrize("what", IMPROVEMENTS)
def test_an_improvement_leaves_how_devices_differ(what: str) -> None:
    ecram = replace(TANG.ecram, lower_bound_variation_percent=7.0, gamma_variation_percent=0.0)
    chip = replace(TANG, ecram=ecram)
    assert improved(chip, law_of_weights(chip, "mine"), what).ecram.spread == ecram.spread
    assert ecram.spread.bound_sigmas == pytest.approx((0.07, 0.05))


def test_a_table_of_64_steps_is_improved_step_by_step() -> None:
    rng = np.random.default_rng(0)
    tables = {name: rng.uniform(0.01, 0.02, 64) for name in ("step_up_table", "step_down_table")}
    tables |= {name: rng.uniform(0.001, 0.002, 64) for name in ("noise_up_table", "noise_down_table")}
    law = StepTable(
        **{name: tuple(values.tolist()) for name, values in tables.items()}, w_min=-0.5, w_max=0.8
    )
    mean = (tables["step_up_table"] + tables["step_down_table"]) / 2
    wanted = {
        "twice the states": {name: values / 2 for name, values in tables.items()},
        "half the asymmetry": tables
        | {name: (tables[name] + mean) / 2 for name in ("step_up_table", "step_down_table")},
        "half the noise": tables
        | {name: tables[name] / 2 for name in ("noise_up_table", "noise_down_table")},
    }
    for what in IMPROVEMENTS:
        ecram = improved(TANG, law, what).ecram
        for name, values in wanted[what].items():
            np.testing.assert_allclose(getattr(ecram, name), values, rtol=1e-9, err_msg=f"{what}: {name}")
        assert (ecram.w_min, ecram.w_max) == (-0.5, 0.8)


def test_an_exponential_law_learns_as_a_table_of_its_steps() -> None:
    """On -1..1 where the law has 0..1; its noise, a part of the range, is the
    same at every state."""
    law = Exponential(pulses=1000, a_up=6488.0, a_down=531.0, cycle_sigma=0.01)
    table = law_of_weights(load_chip("ideal+rram-gong2018"), "rram-gong2018")
    w = np.linspace(-0.95, 0.95, 20)
    for up in (True, False):
        steps = np.abs(replace(law, cycle_sigma=0.0).pulse((w + 1) / 2, up) * 2 - 1 - w)
        np.testing.assert_allclose(table.mean(w, up), steps, rtol=0.01)
        np.testing.assert_allclose(table.deviation(w, up), 2 * 0.0106572, rtol=1e-3)


def test_the_float_network_descends_the_cross_entropy() -> None:
    """One update from a start is the numerical gradient of the network's own loss,
    through all layers."""
    plan = insitu.Plan(widths=(64, 6, 5, 10), rate=0.1, hidden_rate=0.5, seed=3, rule="tiki-taka", bound=1.5)
    ready = insitu.prepare(plan, load_chip("ideal"), LINEAR, ALIKE, X[:64])
    start, after = (
        [
            (np.vstack([dense.weights, dense.bias]).astype(np.float64), dense.activation)
            for dense in (product.dense for product in products)
        ]
        for products in (
            insitu.float_network(ready, X[:1], LABELS[:1], epochs=n, seed=0).products for n in (0, 1)
        )
    )

    def loss(layer: int, place: tuple[int, int], change: float) -> float:
        y = X[0] / 255
        for i, (w, activation) in enumerate(start):
            if i == layer:
                w = w.copy()
                w[place] += change
            y = y @ w[:-1] + w[-1]
            if activation is not None:
                y = activation.height * activation.shape(y)
        p = 1 / (1 + np.exp(-y))
        p[LABELS[0]] = 1 - p[LABELS[0]]
        return -float(np.log(1 - p).sum())

    for layer, rate in ((0, 0.05), (1, 0.05), (2, 0.1)):
        moved = after[layer][0] - start[layer][0]
        for rows in (slice(0, -1), slice(-1, None)):  # of weights, and of biases
            row, column = np.unravel_index(np.abs(moved[rows]).argmax(), moved[rows].shape)
            place = (int(row) if rows.stop else len(moved) - 1, int(column))
            slope = (loss(layer, place, 1e-4) - loss(layer, place, -1e-4)) / 2e-4
            assert moved[place] == pytest.approx(-rate * slope, rel=0.02)


def test_a_start_that_is_taken_up_again_is_the_one_prepared() -> None:
    """With another rule, rate, bound and device: the same program, states and devices
    as prepared anew."""
    chip, spread = load_chip("wan2022"), EcramSpread(step_sigma=0.3)
    first = insitu.Plan(widths=(64, 6, 10), seed=4)
    other = replace(first, rule="agad", rate=0.01, bound=2.0)
    anew = insitu.prepare(other, chip, LINEAR, spread, X[:64])
    again = insitu.prepare(first, chip, replace(LINEAR, gamma_up=0.5), ALIKE, X[:64]).again(
        other, LINEAR, spread
    )
    assert again.learning.program.tag == anew.learning.program.tag
    assert again.learning.program.checksum() == anew.learning.program.checksum()
    for a, b in zip(again.learning.layers, anew.learning.layers, strict=True):
        np.testing.assert_array_equal(a.states, b.states)
        np.testing.assert_array_equal(a.devices.step, b.devices.step)
        assert a.devices.slope_up == b.devices.slope_up
        assert a.column_rate == b.column_rate
    with pytest.raises(CompileError, match="seed is 5; accepted: 4, the value it was prepared with"):
        again.again(replace(other, seed=5), LINEAR, spread)


test_places_out_of_reach_are_refused = refused(
    CompileError,
    (placed, TANG, Place(1.99, 0, 0), r"device.states is 1.99; accepted: 2\.\.65536"),
    (placed, TANG, Place(65_537, 0, 0), r"device.states is 65537; accepted: 2\.\.65536"),
    (placed, TANG, Place(10, 0.6, 0), r"device.asymmetry is 0.6; accepted: 0\.\.0.5"),
    (placed, TANG, Place(10, 0, 11), r"device.noise is 11; accepted: 0\.\.10 steps"),
    (place_of, replace(LINEAR, step_up=0.0, step_down=0.0), "largest step is 0; accepted: above 0"),
)
