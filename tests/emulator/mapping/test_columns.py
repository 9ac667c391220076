"""Analog columns: noise, offset, gain and bias cells as in a circuit; what temperature does."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network, program_of
from ndrite.emulator.mapping.weights import map_weights, program_bias
from ndrite.emulator.network import Dense, Network
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from tests.chips import centred_network, changed, mitigated
from tests.extras import needs
from tests.stimulus import quiet

RNG = np.random.default_rng(3)
X = RNG.integers(0, 256, (200, 40), dtype=np.uint8)
MEASURES = ("wire_compensation", "gain_calibration")
WAN = {"programming_error": "wan2022", "g_max_uS": 40.0, "levels": 16, "g_min_uS": 0.0}


def chip(name="ideal", cell=None, **readout):
    return changed(name, readout={"kind": "analog", "range_policy": "layer"} | readout, cell=cell or {})


def full_scales(program) -> list[float]:
    """Largest column current of each layer on the samples, worked out from
    the program alone."""
    maps = Core(quiet(program)).maps(X)
    return [
        float(np.abs(m.reshape(len(X), -1).astype(np.int64) @ layer.weights.astype(np.int64)).max())
        for m, layer in zip(maps, program.layers, strict=False)
    ]


def test_one_transimpedance_for_a_layer():
    """And one gain, which makes up for what all cells have lost."""
    own, common = (
        map_network(centred_network(), chip(range_policy=p), X).program for p in ("column", "layer")
    )
    assert len(set(own.layers[0].scale.tolist())) == 12
    assert len(set(common.layers[0].scale.tolist())) == 1
    y, exact = Core(common).infer(X) * common.meaning.output_step, centred_network().forward(X / 255)
    assert np.corrcoef(y.ravel(), exact.ravel())[0, 1] > 0.98
    lossy = changed(chip(), array={"wire_resistance_ohm": 20.0})
    gained, plain = (
        map_network(centred_network(), lossy, X, options=options).program.layers[0]
        for options in (mitigated(wire_compensation=False), mitigated(**dict.fromkeys(MEASURES, False)))
    )
    assert len(set(gained.scale.tolist())) == 1
    assert gained.scale[0] / 2.0**gained.vshift > 1.03 * plain.scale[0] / 2.0**plain.vshift


def test_a_common_gain_is_fitted_in_units_of_the_neurons() -> None:
    """Least squares of the first layer's sums on the samples, each in units of
    its neuron's peak."""
    lossy = changed(chip(), array={"wire_resistance_ohm": 20.0})
    gained, plain = (
        map_network(centred_network(), lossy, X, options=mitigated(**dict.fromkeys(MEASURES, False) | on))
        for on in ({"gain_calibration": True}, {})
    )
    array = plain.die.arrays[0]
    linear = X @ plain.program.layers[0].weights.astype(np.int64) * array.step
    wanted = X / 255 @ centred_network().products[0].dense.weights.astype(np.float64)
    a, b = (sums / array.neurons.peaks for sums in (wanted, linear))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    factor = (a * b).sum() / np.square(b).sum()
    np.testing.assert_allclose(gained.die.arrays[0].step, factor * array.step, rtol=1e-6)


def test_noise_is_in_percent_of_the_largest_current():
    program = map_network(centred_network(), chip(column_noise_percent=2.0), X).program
    plain = map_network(centred_network(), chip(), X).program
    for layer, full in zip(program.layers, full_scales(plain), strict=True):
        assert layer.sigma_out == pytest.approx(0.02 * full, abs=1)
    assert all(layer.sigma_out == 0 for layer in plain.layers)
    drawn = Core(program).infer(np.repeat(X[:1], 400, axis=0))
    assert drawn.std(axis=0).min() > 0.5 * program.layers[1].sigma_out


@pytest.mark.parametrize("corrected", [True, False])
def test_offsets_and_gains_are_the_columns(corrected):
    errors = {"column_offset_percent": 3.0, "column_gain_mismatch_percent": 5.0}
    options = mitigated(bias_correction=corrected)
    program, die, _ = map_network(centred_network(), chip(**errors), X, seed=7, options=options)
    plain = map_network(centred_network(), chip(), X, seed=7, options=options).program
    first, columns = program.layers[0], die.arrays[0].columns
    assert np.array_equal(first.weights, plain.layers[0].weights)
    assert columns.gain.std() == pytest.approx(0.05, rel=0.7)
    assert columns.offset.std() == pytest.approx(0.03 * full_scales(plain)[0], rel=0.7)
    scale = first.scale / 2.0**first.vshift
    wanted = plain.layers[0].scale / 2.0 ** plain.layers[0].vshift
    np.testing.assert_allclose(scale, wanted * columns.gain, rtol=1e-3)
    # A neuron at 0 current sees its column's offset, unless the digital bias makes up
    # for it on average.
    at_rest = (first.bias * scale - plain.layers[0].bias * wanted) / wanted
    if not corrected:
        np.testing.assert_allclose(at_rest, columns.offset, atol=0.02 * np.abs(columns.offset).max())
    else:
        assert np.abs(at_rest - columns.offset).max() > 0.1 * np.abs(columns.offset).max()
    assert np.array_equal(die.arrays[1].columns.gain, np.ones(4))
    # Gains and offsets have draws of their own.
    assert abs(np.corrcoef(columns.gain, columns.offset)[0, 1]) < 0.9


def test_biases_are_rows_of_cells():
    net, built = centred_network(size=3.0), chip(cell=WAN, bias="cells")
    program, die, _ = map_network(net, built, X, seed=3, options=mitigated(bias_correction=False))
    for dense, layer, array in zip(net.layers, program.layers, die.arrays, strict=True):
        codes = array.bias.mapped.codes
        current = INPUT_MAX * codes.sum(axis=0, dtype=np.int64)
        assert np.abs(layer.bias - current - array.bias.fixed).max() <= 1
        np.testing.assert_allclose(array.bias.asked, dense.bias / array.step)
    other = map_network(net, built, X, seed=4, options=mitigated(bias_correction=False)).die
    assert (other.arrays[0].bias.mapped.codes != die.arrays[0].bias.mapped.codes).any()
    ideal = map_network(centred_network(), chip(bias="cells", cell={"levels": 256}), X).program
    y, exact = Core(ideal).infer(X) * ideal.meaning.output_step, centred_network().forward(X / 255)
    assert np.corrcoef(y.ravel(), exact.ravel())[0, 1] > 0.98


def test_bias_cells_hold_what_their_columns_lack():
    errors = {"column_offset_percent": 3.0, "column_gain_mismatch_percent": 5.0}
    exact = centred_network().layers[0]
    wanted = (X / 255 @ exact.weights).mean(axis=0) + exact.bias
    off = []
    for corrected in (False, True):
        held, options = chip(cell=WAN, bias="cells", **errors), mitigated(bias_correction=corrected)
        built = map_network(centred_network(), held, X, seed=3, options=options)
        array, layer = built.die.arrays[0], built.program.layers[0]
        p = X.astype(np.int64) @ layer.weights.astype(np.int64)
        zero = array.bias.fixed - array.columns.offset / array.columns.gain  # the window's
        sums = (p + layer.bias - zero) * array.columns.gain * array.step
        off.append(np.abs(sums.mean(axis=0) - wanted))
    assert off[1].mean() < 0.4 * off[0].mean()
    # Their own levels and errors are left: half a level, and cells of up to 7 % of
    # the largest weight.
    assert off[1].max() < (0.5 / 15 + 4 * 0.07) * array.mapped.limits.max()


def test_bias_rows_add_their_read_noise():
    noisy = chip(cell={"read_noise_percent": 1.0}, bias="cells")
    program, die, _ = map_network(centred_network(size=6.0), noisy, X)
    layer, rows = program.layers[0], len(die.arrays[0].bias.mapped.codes)
    assert rows > 1
    assert layer.sigma_out == pytest.approx(255 * np.sqrt(layer.var_cell / 256 * rows), abs=1)


def test_bias_cells_age():
    program, die, _ = map_network(centred_network(), load_chip("dendritic-analog"), X, seed=2)
    old = die.at(172_800.0)
    assert (old.arrays[0].bias.mapped.codes != die.arrays[0].bias.mapped.codes).any()
    assert (program_of(old, program).layers[0].bias != program.layers[0].bias).any()


def test_a_bias_far_beyond_its_weights():
    huge = Network.chain((Dense(np.full((40, 4), 0.01), np.full(4, 5.0)),), "huge")
    with pytest.raises(CompileError, match="a bias is 500 times the largest weight of its column; accepted"):
        map_network(huge, chip(bias="cells"), X)


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_cells_hold_any_bias(seed):
    """Columns of either sign, from none to many rows: together the rows have the
    bias's own levels."""
    rng = np.random.default_rng(seed)
    levels = int(rng.integers(2, 64))
    built = chip(cell={"levels": levels}, bias="cells")
    mapped = map_weights(rng.normal(size=(9, 30)), built, rng)
    bias = rng.normal(size=30) * mapped.limits * rng.choice([0.02, 0.6, 5.0])
    rows = program_bias(bias, mapped, built, rng).levels
    wanted = [round(b / limit * (levels - 1)) for b, limit in zip(bias, mapped.limits, strict=True)]
    assert {-1, 1} <= set(np.sign(bias))
    assert rows.sum(axis=0).tolist() == wanted
    assert np.abs(rows).max() <= levels - 1
    # As many rows as the largest bias asks, which share it evenly.
    assert len(rows) == max(1, -(-np.abs(wanted).max() // (levels - 1)))
    assert np.ptp(np.abs(rows), axis=0).max() <= 1


NOISY = (
    {"column_noise_percent": 4.0, "column_gain_mismatch_percent": 1.0},
    {"kind": "adc", "adc_bits": 8, "output_noise_lsb": 3.0},
)
"""Columns and converters with noise."""


def test_noise_goes_with_the_root_of_temperature():
    """Columns' and converters' noise on the die, each from 300 K to 400 K."""
    seen = []
    for kelvin in (300.0, 400.0):
        chips = (at(chip(noise_temperature_K=300.0, **readout), kelvin) for readout in NOISY)
        programs = [map_network(centred_network(), c, X).program for c in chips]
        seen.append([layer.sigma_out for program in programs for layer in program.layers])
    assert min(min(values) for values in seen) > 0
    np.testing.assert_allclose(np.divide(*reversed(seen)), (4 / 3) ** 0.5, rtol=0.01)
    assert at("wan2022", 400.0).noise_factor == 1.0, "no law, no effect"


def test_noise_in_training_goes_with_the_root_of_temperature():
    needs("torch")
    from ndrite.emulator.learning.training.view import view_of

    seen = []
    for kelvin in (300.0, 400.0):
        column, converter = (at(chip(noise_temperature_K=300.0, **readout), kelvin) for readout in NOISY)
        seen.append([view_of(column).columns.noise, view_of(converter).adc_noise])
    assert min(min(values) for values in seen) > 0
    np.testing.assert_allclose(np.divide(*reversed(seen)), (4 / 3) ** 0.5, rtol=0.01)


def alike() -> Network:
    """Neurons of one peak and height, so that every ECRAM is set between its ends."""
    net = centred_network(heights=0.6)
    hidden = dataclasses.replace(net.layers[0].activation, peak=np.ones(12, np.float32))
    return Network.chain((dataclasses.replace(net.layers[0], activation=hidden), net.layers[1]), "alike")


def at(name, kelvin, **sections):
    return changed(name, conditions={"temperature_K": kelvin}, **sections)


@pytest.mark.parametrize("kelvin", [300.0, 350.0])
def test_states_are_lost_in_time_and_a_die_knows(kelvin):
    ecram = {"retention_s": 2 * 86_400.0, "retention_rest": 0.2}
    die, fresh = (
        map_network(alike(), at("dendritic-ndr", kelvin, ecram=e), X, seed=2).die
        for e in (ecram, {"retention_s": None})
    )
    now, set_to = (d.arrays[0].neurons.states.current for d in (die, fresh))
    days = 86_400.0 / die.chip.ecram.time_constant_s(kelvin)
    np.testing.assert_allclose(now, 0.2 + (set_to - 0.2) * np.exp(-days))
    later = die.at(2 * 86_400.0).arrays[0].neurons.states.current
    np.testing.assert_allclose(later, 0.2 + (set_to - 0.2) * np.exp(-2 * days))
    # A neuron whose peak voltage is set has its peak where the state now says.
    volts = ecram | {"tunes": "peak_voltage", "peak_voltage_high_factor": 2.0}
    chip = at("dendritic-ndr", kelvin, ecram=volts)
    moved = map_network(alike(), chip, X, seed=2).die.arrays[0].neurons
    assert (moved.states.voltage < moved.states.reference).all()
    u = np.repeat(np.linspace(0, 3, 601)[:, None], 12, axis=1)
    assert (u[moved.curves(u).argmax(axis=0), 0] < 0.98).all()
