"""What a plan's numbers stand for at any bound, in every layer and for every individual."""

import dataclasses
import inspect
import warnings
from dataclasses import replace

import numpy as np
import pytest

import ndrite
from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep, StepTable
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn.devices import constants, key_of
from ndrite.emulator.learning.insitu import THRESHOLDS, Plan, fields_of_rule, learned, prepare
from ndrite.emulator.learning.insitu.laws import (
    COUNT_ONE,
    cycle_of,
    devices_of,
    normal_table,
    pulse_of,
    rate_and_shift,
)
from ndrite.emulator.learning.insitu.plan import Prepared, Start
from ndrite.emulator.learning.insitu.rules import symmetry_points
from ndrite.emulator.mapping import program_of
from ndrite.emulator.mapping.weights import code_max
from ndrite.emulator.spec.learning import DOMAIN_DEVICE, STATE_ONE, STEP_MAX, Tiles, weights_of
from ndrite.emulator.spec.learning import program_of as program_at
from tests.chips import changed
from tests.emulator.learning.insitu.test_plan import ALIKE, IDEAL, KIM, SOFT, TEST_X, X, prepared, soft_table
from tests.stimulus import quiet

WIDTHS = (64, 12, 9, 10)
UNIT = 255 * 255
"""The largest weight's code times the largest input's."""
MISMATCHED = changed("wan2022", readout={"gain_mismatch_percent": 3.0, "offset_mismatch_lsb": 2.0})


@pytest.mark.parametrize(("bound", "rate"), [(0.4, 0.003), (1.0, 0.05), (3.0, 0.003)])
def test_rates_and_spans_are_in_weights_of_1(bound: float, rate: float) -> None:
    """A pulse of either direction is 0.002 on average, of the bound: a full input
    and an error of 1."""
    law = dataclasses.replace(IDEAL, step_up=0.003, step_down=0.001)
    plan = Plan(widths=WIDTHS, activation="sigmoid", rate=rate, hidden_rate=0.5, bound=bound, seed=2)
    ready = prepared(plan, law=law)
    program = ready.learning.program
    for layer, rules, unit, share in zip(
        program.layers, ready.learning.layers, ready.units, (0.5, 0.5, 1.0), strict=True
    ):
        row = 255 * rules.row_rate / 2.0**rules.row_shift / 65536
        column = rules.column_rate / 2.0**rules.column_shift / 65536
        assert row < 1.001
        moved = row * column * plan.slots * 0.002 * bound
        assert moved == pytest.approx(share * plan.rate * unit, rel=0.01)
        top = 2 ** (layer.adc_bits - 1) * bound / UNIT
        assert top * 2.0**layer.shift / layer.gain == pytest.approx(plan.span, rel=0.01)
        assert top * 2.0**rules.back_shift / rules.back_gain == pytest.approx(plan.back_span, rel=0.01)
        assert rules.back_bits == layer.adc_bits


@pytest.mark.parametrize("probability", [1e-12, 3e-4, 0.5, 0.99, 65535 / 65536])
@pytest.mark.parametrize("most", [31, 63])
def test_a_rate_uses_16_bits_unless_its_shift_is_at_its_end(probability: float, most: int) -> None:
    rate, shift = rate_and_shift(probability, most)
    assert (
        abs(rate / 2.0**shift / 65536 - probability)
        <= max(0.5 / 2.0**shift, 1e-5 * rate / 2.0**shift) / 65536
    )
    assert shift <= most
    assert 1 << 15 <= rate <= 65535 or shift == most
    assert rate_and_shift(0.0, most) == (0, 0)


@pytest.mark.parametrize("never", [replace(IDEAL, step_up=0.0, step_down=0.0), soft_table(0.0, 0.0)])
def test_rates_of_devices_that_never_move_are_of_steps_of_1(never: LinearStep | StepTable) -> None:
    assert pulse_of(never) == 1.0
    assert cycle_of(never) == 0.0


def test_a_table_moves_on_average_by_what_its_states_do() -> None:
    law = soft_table(0.03, 0.0, down=0.5)
    assert pulse_of(law) == pytest.approx(0.75 * 0.03, rel=1e-3)


@pytest.mark.parametrize(
    ("step", "sigma", "shift"),
    [(2.0, 0.5, 0), (1.9, 0.0, 1), (0.01, 0.0, 8), (0.01, 0.5, 7), (1e-6, 0.0, 16)],
)
def test_the_resolution_is_the_finest_that_holds_the_largest_step(
    step: float, sigma: float, shift: int
) -> None:
    """Steps are below 4096 / 64 of 2^-shift states; the largest is three
    deviations above the mean."""
    law = devices_of(replace(IDEAL, step_up=step, step_down=step), EcramSpread(step_sigma=sigma))
    assert law.step_shift == shift
    assert law.step.sum() / 8 == pytest.approx(step * 2.0**shift / 64 * STATE_ONE, abs=0.2)


def test_a_random_start_warns_of_nothing() -> None:
    """Though faint samples leave the second layer in its errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ready = prepare(Plan(widths=(64, 12, 10), seed=3), changed("wan2022"), IDEAL, ALIKE, X[:64] // 40)
    assert ready.start.mapped.report.warnings


def test_the_normal_table_is_nobodys_to_change() -> None:
    with pytest.raises(ValueError, match="read-only"):
        normal_table()[0] = 0


def test_a_bound_is_as_small_as_the_converters_noise_allows() -> None:
    """The noise of a converter's step has 16 bits, in products of codes."""
    chip, plan = changed("wan2022", readout={"output_noise_lsb": 8.0}), Plan(widths=(64, 10), seed=3)
    (layer,) = prepare(plan, chip, IDEAL, ALIKE, X[:64]).learning.program.layers
    least = layer.sigma_out / 65535
    (layer,) = prepare(replace(plan, bound=1.01 * least), chip, IDEAL, ALIKE, X[:64]).learning.program.layers
    assert 0.97 * 65535 < layer.sigma_out <= 65535
    with pytest.raises(CompileError, match=r"bound is .*; accepted: .* or more on this chip"):
        prepare(replace(plan, bound=0.98 * least), chip, IDEAL, ALIKE, X[:64])


def test_a_network_without_hidden_layers_has_one_curve() -> None:
    assert len(prepared(Plan(widths=(64, 10), seed=3)).learning.program.curve_base) == 1


@pytest.mark.parametrize("threshold", [1e-3, 1.0, 65535 / 255 / 0.002])
def test_a_threshold_is_of_1_to_65535_codes(threshold: float) -> None:
    ready = prepared(Plan(widths=(64, 10), seed=3, rule="tiki-taka", threshold=threshold))
    (layer,) = ready.learning.layers
    assert layer.transfer.threshold == max(1, round(threshold * 0.002 * 255))
    assert layer.transfer.chopped == 0
    with pytest.raises(CompileError, match=r"threshold is 128520; accepted: at most 128500 pulses"):
        prepared(Plan(widths=(64, 10), seed=3, rule="tiki-taka", threshold=128520.0))


def test_rates_and_readings_of_tiles() -> None:
    """The rate is that of the last tile, as if it were the weight; a reading gives a
    pulse for as much as ``threshold`` pulses had moved the tile, on average."""
    law, spread = dataclasses.replace(SOFT, step_up=0.03, step_down=0.01), EcramSpread(asymmetry_sigma=0.1)
    how = {"rule": "residual", "tiles": 4, "gamma": 0.4, "threshold": 5.0, "rate": 0.01, "slots": 31}
    ready = prepared(Plan(widths=(64, 10), seed=3, **how), law=law, spread=spread)
    (layer,), (unit,) = ready.learning.layers, ready.units
    row = 255 * layer.row_rate / 2.0**layer.row_shift / 65536
    column = layer.column_rate / 2.0**layer.column_shift / 65536
    assert row * column * 31 * 0.02 == pytest.approx(0.01 * unit, rel=0.01)
    tiles = layer.transfer
    assert isinstance(tiles, Tiles)
    assert (tiles.count, tiles.every, tiles.ratio) == (3, 1, 5)
    assert tiles.gamma / 65536 == pytest.approx(0.4, abs=1e-5)
    of_five_pulses = 5 * 0.02 * 255 * tiles.rate / 2.0**tiles.shift / 65536
    assert of_five_pulses * 31 == pytest.approx(1.0, rel=0.01)
    own, *rest = np.split(layer.states.astype(np.int64), 7)
    np.testing.assert_array_equal(rest[:3], rest[3:])
    at = np.arange(65, 4 * 65)[:, None]
    drawn = constants(layer.devices, key_of(3, DOMAIN_DEVICE, 0, 0), at, np.arange(10))
    np.testing.assert_array_equal(np.vstack(rest[:3]), symmetry_points(layer.devices, drawn))
    np.testing.assert_array_equal(weights_of(own)[:-1], ready.learning.layers[0].codes(layer.states, 64)[:-1])


def test_draws_of_a_seed_by_hand() -> None:
    """Of release after release the same: states, converters and references of every layer."""
    how = {"rule": "tiki-taka", "reference_error": 0.2, "start": 2.0, "bound": 0.5}
    ready = prepare(
        Plan(widths=WIDTHS, seed=3, **how), MISMATCHED, IDEAL, EcramSpread(step_sigma=0.1), X[:64]
    )
    rng = np.random.default_rng([3, int.from_bytes(b"learn")])
    for i, (k, layer, array) in enumerate(zip(WIDTHS, ready.learning.layers, ready.die.arrays, strict=False)):
        own, fast, _, wrong = np.split(layer.states.astype(np.float64), 4)
        start = np.random.default_rng([3, int.from_bytes(b"start"), i]).uniform(-1, 1, own.shape)
        start = np.clip(np.rint(start * (2.0 / 0.5 / k**0.5 * STATE_ONE)), -STATE_ONE, STATE_ONE)
        np.testing.assert_array_equal(own[:-1], start[:-1])
        assert not own[-1].any()
        gain, offset = rng.standard_normal((2, layer.columns))
        assert array.designed.gain.min() >= 1 << 15
        assert array.designed.clipped == array.built.clipped == 0
        np.testing.assert_array_equal(array.built.gain, np.rint(array.designed.gain * (1 + 0.03 * gain)))
        np.testing.assert_array_equal(array.built.offset, np.rint(2 * offset))
        off = np.random.default_rng([3, int.from_bytes(b"refer"), i]).normal(0, 0.2, own.shape)
        wanted = np.clip(fast + np.rint(off * STATE_ONE), -(1 << 17), (1 << 17) - 1)
        np.testing.assert_array_equal(wrong, wanted)


def test_multipliers_use_their_bits() -> None:
    """Slopes and biases are of 17 bits, as fine as these go; a bias row is one
    with a full input."""
    ready = prepare(Plan(widths=WIDTHS, seed=3), MISMATCHED, IDEAL, ALIKE, X[:64])
    program = ready.learning.program
    for layer, rules in zip(program.layers, ready.learning.layers, strict=True):
        assert 1 << 16 <= rules.bias_gain <= 1 << 17
        wanted = np.median(layer.gain) * 255 / 2.0**layer.shift
        assert rules.bias_gain / 2.0**rules.bias_shift == pytest.approx(wanted, rel=1e-4)
    for layer, rules in zip(program.layers[:2], ready.learning.layers, strict=False):
        slope = np.abs(program.curve_slope[layer.curve]).max() * int(layer.scale.max())
        assert 1 << 16 <= slope >> rules.slope_shift < 1 << 17
    assert ready.learning.layers[2].slope_shift == 0


def test_slopes_of_few_bits_are_not_shifted() -> None:
    """Slopes of neurons that hardly rise, such as those of a layer whose
    only device is weak."""
    plan = Plan(widths=(64, 12, 10), seed=3)
    ready = prepared(plan)
    network, mapped = ready.start
    flat = np.sign(mapped.program.curve_slope)
    program = mapped.program.with_layers(
        mapped.program.layers, curve_base=mapped.program.curve_base, curve_slope=flat
    )
    start = replace(ready, start=Start(network, mapped._replace(program=program)))
    hidden = start.again(plan, IDEAL, ALIKE).learning.layers[0]
    assert hidden.slope_shift == 0


def test_what_a_plan_leaves_out_is_what_learn_leaves_out() -> None:
    """But for the rate and the seed; what `learn` has no name for is 1 for weights,
    12 and 4 for spans."""
    verb, plan = inspect.signature(ndrite.learn).parameters, Plan(widths=(4, 2))
    fields = {f.name: getattr(plan, f.name) for f in dataclasses.fields(plan)}
    for name in ("hidden_rate", "neuron_rate", "slots", "rule", "reference_error", "bound"):
        assert verb[name].default == fields.pop(name), name
    of_residual = fields_of_rule("residual")
    assert {name: fields.pop(name) for name in ("tiles", "gamma")}.items() <= of_residual.items()
    noise = {"transfer_noise": False}
    assert of_residual == {"threshold": 10.0, "reference_error": 0.0, "tiles": 4, "gamma": 0.5} | noise
    assert fields_of_rule("tiki-taka") == {"threshold": 25.0, "reference_error": 0.0} | noise
    assert fields_of_rule("agad", threshold=3.0) == {"threshold": 3.0, "chopper_period": 1} | noise
    assert fields_of_rule("stochastic", threshold=None, tiles=0) == {}
    fields = {name: fields[name] for name in ("rate", "threshold", "start", "span", "back_span", "seed")}
    assert plan.chopper_period == 1
    assert list(fields.values()) == [0.05, THRESHOLDS["tiki-taka"], 1.0, 12.0, 4.0, 0]
    assert THRESHOLDS == {"tiki-taka": 25.0, "agad": 8.0, "residual": 10.0}


def test_of_a_chip_only_converters_neurons_and_read_noise_count() -> None:
    """Of cells that go through 255 levels each way; wires, faults, drift and errors of
    programming do not."""
    cell = {
        "levels": 4,
        "weight_bits": 8,
        "stuck_low_percent": 5.0,
        "iv_cubic_per_V2": 9.0,
        "drift": "wan2022",
    }
    array = {"wire_resistance_ohm": 9.0, "access_resistance_ohm": 9.0}
    worse = changed("wan2022", cell=cell, array=array, conditions={"time_since_programming_s": 9e4})
    plan = Plan(widths=(64, 6, 10), seed=3, rule="tiki-taka", threshold=7.0, transfer_noise=True)
    plain, same = (prepare(plan, chip, IDEAL, ALIKE, X[:64]) for chip in (changed("wan2022"), worse))
    assert plain.learning.program.checksum() == same.learning.program.checksum()
    chip = same.die.chip
    assert (chip.cell.g_min_uS, chip.cell.levels - 1, code_max(chip.cell)) == (0.0, 255, 255)
    assert (chip.conditions.time_since_programming_s, chip.conditions.corrected_at_s) == (1.0, None)
    for layer in plain.learning.layers:
        assert layer.transfer.read_sigma == pytest.approx(0.01 * 255 * 256, abs=1)  # 1 % of the largest code
        assert layer.transfer.threshold == round(7 * IDEAL.step_up * 255)
        assert layer.back_var == round(0.01**2 * 255**2 * 256)
        noise = layer.back_gain / 2.0**layer.back_shift * layer.back_sigma
        assert noise == pytest.approx(0.5, rel=0.01)  # of a step of the converter


@pytest.mark.parametrize("lower", [None, 0.2])
def test_both_bounds_spread_about_their_own_means(lower: float | None) -> None:
    """Of a device that reaches from -0.83 to 1.17."""
    assert devices_of(IDEAL, EcramSpread(bound_sigma=0.33)).upper.max() < 2 * 1024
    law = devices_of(KIM, EcramSpread(bound_sigma=0.1, lower_bound_sigma=lower))
    own = constants(law, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(4000), 0)
    for bounds, mean, sigma in ((own.low, KIM.w_min, lower or 0.1), (own.high, KIM.w_max, 0.1)):
        own_bounds = bounds / STATE_ONE
        assert own_bounds.mean() == pytest.approx(mean, rel=0.01)
        assert own_bounds.std() == pytest.approx(sigma * abs(mean), rel=0.05)
    assert abs(np.corrcoef(own.low, own.high)[0, 1]) < 0.05


@pytest.mark.parametrize(("chip", "bound", "rate"), [("ideal", 0.5, 0.0), ("dendritic-ndr", 2.0, 0.01)])
def test_what_has_learned_computes_what_its_floats_do(chip: str, bound: float, rate: float) -> None:
    """At the outputs' step, after a file's round too: the die's program is the
    one that learned."""
    plan = Plan(widths=(64, 12, 9, 10), bound=bound, neuron_rate=rate, span=4.0, start=2.0, seed=3)
    ready: Prepared = prepared(plan, chip, spread=EcramSpread(bound_sigma=0.1))
    rng = np.random.default_rng(1)
    moved = [s.states + rng.normal(0, STATE_ONE / 20, s.states.shape) for s in ready.learning.layers]
    states = [np.clip(s, -STATE_ONE, STATE_ONE).astype(np.int64) for s in moved]
    found = learned(ready, states, "mine", learning={"epochs": 3})
    x = TEST_X[:100]
    sums = Core(quiet(found.program)).infer(x) * found.program.meaning.output_step
    wanted = found.network.forward(x / 255)
    assert np.corrcoef(sums.ravel(), wanted.ravel())[0, 1] > 0.97
    assert (sums * wanted).sum() / np.square(wanted).sum() == pytest.approx(1.0, abs=0.1)
    again = program_of(found.die, found.program)
    for a, b, array in zip(found.program.layers, again.layers, found.die.arrays, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
        np.testing.assert_allclose(array.mapped.effective, a.weights * (bound / 255))
        np.testing.assert_array_equal(array.mapped.codes, a.weights)
        assert set(array.mapped.limits) == {bound}
        assert (array.mapped.limited, array.mapped.saturated, array.mapped.cells.stuck.any()) == (0, 0, False)
    later = program_of(found.die.at(86_400.0), found.program)
    np.testing.assert_array_equal(later.layers[0].weights, found.program.layers[0].weights)
    assert found.die.network == found.network.digest()
    assert len(found.program.curve_base) == len(np.unique([c for p in found.program.layers for c in p.curve]))
    assert found.program.provenance["learning"] == {"epochs": 3}


@pytest.mark.parametrize("tunes", ["peak_current", "peak_voltage"])
@pytest.mark.parametrize("percent", [0.0, 2.0])
def test_a_state_of_an_ecram_selects_the_curve_that_the_die_has_there(tunes: str, percent: float) -> None:
    """The neurons of a layer share their 32 curves if they are all alike, else each
    has 32 of its own."""
    spread = {"peak_voltage_variation_percent": percent, "peak_current_variation_percent": percent}
    factors = {"peak_voltage_low_factor": 0.5, "peak_voltage_high_factor": 1.5}
    factors |= {"states": 2 if tunes == "peak_voltage" else 64}
    chip = changed("dendritic-ndr", neuron=spread, ecram={"tunes": tunes} | factors)
    ready = prepare(Plan(widths=(64, 5, 4, 10), neuron_rate=0.01, seed=3), chip, IDEAL, ALIKE, X[:64])
    mapped, states = ready.start.mapped, [layer.states.copy() for layer in ready.learning.layers]
    name = tunes.removeprefix("peak_")
    for now, start in zip(ready.die_at(states).states, mapped.die.states, strict=True):
        assert start is None or np.abs(getattr(now, name) - getattr(start, name)).max() < 0.5 / 32 + 1e-4
    for layer, array in zip(ready.learning.program.layers[:2], ready.die.arrays, strict=False):
        scale = array.window.per_unit * array.step / array.neurons.peaks
        np.testing.assert_allclose(layer.scale / 2.0**layer.vshift, scale, rtol=1e-3)
        assert (np.abs(np.log(array.neurons.peaks)) > 0.3).all() == (tunes == "peak_voltage")
    for s, inputs in zip(states, (64, 5), strict=False):
        s[inputs + 1] = np.random.default_rng(1).integers(-STATE_ONE, STATE_ONE, s.shape[1])
    for now, s, inputs in zip(ready.die_at(states).states, states, (64, 5), strict=False):
        place = np.interp(s[inputs + 1] / STATE_ONE, (chip.ecram.w_min, chip.ecram.w_max), (0.0, 1.0))
        assert np.abs(getattr(now, name) - place).max() < 0.5 / 32 + 1e-4
    learnt, wanted = program_at(ready.learning, states), program_of(ready.die_at(states), mapped.program)
    for a, b in zip(learnt.layers[:2], wanted.layers, strict=False):
        np.testing.assert_array_equal(learnt.curve_base[a.curve], wanted.curve_base[b.curve])
        np.testing.assert_array_equal(learnt.curve_slope[a.curve], wanted.curve_slope[b.curve])
    tables = len(mapped.program.curve_base) + 1 + 32 * (9 if percent else 2)
    assert len(ready.learning.program.curve_base) == tables


@pytest.mark.parametrize("asymmetry", [0.0, 0.3])
def test_log_normal_steps_that_are_asymmetric_are_not_cut(asymmetry: float) -> None:
    spread = EcramSpread(step_sigma=0.1, asymmetry_sigma=asymmetry, log_normal=True)
    what = devices_of(IDEAL, spread)
    own = constants(what, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(20_000), 0)
    unit = 2.0**what.step_shift / COUNT_ONE * STATE_ONE * IDEAL.step_up
    apart = (own.up - own.down) / 2 / unit
    assert apart.std() == pytest.approx(asymmetry, rel=0.03, abs=1e-3)
    assert max(own.up.max(), own.down.max()) < STEP_MAX


def test_bounds_that_spread_far_stay_between_0_and_twice_the_nominal_one() -> None:
    """As IBM's arrays have them; as much is cut off on both sides."""
    law = devices_of(IDEAL, EcramSpread(bound_sigma=0.6))
    own = constants(law, key_of(1, DOMAIN_DEVICE, 0, 0), np.arange(4000), 0)
    for bounds in (own.high, -own.low):
        found = bounds / STATE_ONE
        assert found.min() == 0
        assert found.max() == pytest.approx(2.0, abs=0.01)
        assert found.mean() == pytest.approx(1.0, rel=0.03)
        assert 0.45 < found.std() < 0.6
