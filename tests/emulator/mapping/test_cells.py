"""From targets to effective conductances: the chain against a second computation,
measures against errors."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndrite.emulator.device.crossbar import Cubic, effective_matrix_at
from ndrite.emulator.device.description import Chip, list_chips, list_devices, load_chip
from ndrite.emulator.device.settling import settled
from ndrite.emulator.errors import CompileError, CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import Mitigation, map_network, map_weights
from ndrite.emulator.mapping.cells import (
    compensate,
    level_targets,
    make_cells,
    settled_parts,
    stuck_cells,
)
from ndrite.emulator.mapping.devices import make_neurons
from ndrite.emulator.mapping.weights import code_max
from ndrite.emulator.network import Ndr, Network
from tests.chips import changed, mitigated, random_network, samples
from tests.emulator.mapping import by_hand
from tests.kan import kan
from tests.marks import long_where
from tests.refusals import refused

WAN, IDEAL = load_chip("wan2022"), load_chip("ideal")


def snr(net: Network, chip: Chip, **options) -> float:
    """Output SNR in dB on unseen inputs, read noise off."""
    compiled = map_network(net, chip, samples(net), **options)
    x = samples(net, 500, seed=9)
    want = net.forward(x / np.float32(255)).astype(float)
    got = Core(compiled.program).infer(x, noise=False) * compiled.die.arrays[-1].step
    return float(10 * np.log10(want.var(axis=0).sum() / np.square(got - want).mean(axis=0).sum()))


CHIPS = {n: load_chip(n) for n in (*list_chips(), *(f"wan2022+{device}" for device in list_devices()))}
SEED = 5


@pytest.fixture(scope="module")
def compiled():
    """Every preset's compilation of one network of two row tiles, by name."""
    net = random_network((140, 24, 5))
    return net, functools.cache(lambda name: map_network(net, CHIPS[name], samples(net), seed=SEED))


@pytest.mark.parametrize("name", [name for name, c in CHIPS.items() if c.programming.model == "none"])
def test_codes_are_those_of_the_documented_laws(compiled, name):
    net, of = compiled
    common = CHIPS[name].readout.kind == "analog"
    for i, layer in enumerate(net.layers):
        neurons = of(name).die.arrays[i].neurons
        # Where a layer has one transimpedance, weights are in units of their own neurons.
        unit = neurons.peaks if common and neurons is not None else np.ones(1)
        real = by_hand.programmed_codes(layer.weights / unit, CHIPS[name], SEED, i, common=common)
        plus, minus = np.minimum(np.rint(real), 255)
        # Two ways of solving a circuit differ in their last digits, which may tip
        # what lies on a half.
        sure = (np.abs(real % 1 - 0.5) > 1e-6).all(axis=0)
        assert sure.mean() > 0.999
        np.testing.assert_array_equal(of(name).program.layers[i].weights[sure], (plus - minus)[sure])


@pytest.mark.parametrize("name", ["dendritic-ndr", "wan2022"])
def test_converters_are_off_by_their_own_draws(compiled, name):
    _, of = compiled
    readout = CHIPS[name].readout
    for i, detail in enumerate(of(name).die.arrays):
        gain, offset = by_hand.stream(SEED, by_hand.DEVICES + i).standard_normal((2, len(detail.step)))
        want = np.rint(detail.designed.gain * (1 + readout.gain_mismatch_percent / 100 * gain))
        np.testing.assert_array_equal(detail.built.gain, np.minimum(want, 65535))
        want = np.rint(detail.designed.offset + readout.offset_mismatch_lsb * offset)
        np.testing.assert_array_equal(detail.built.offset, want)


@pytest.mark.parametrize("name", [name for name in CHIPS if CHIPS[name].ecram.tunes != "none"])
def test_currents_are_set_to_the_nearest_state_but_for_the_last_pulse(compiled, name):
    net, of = compiled
    ecram, activation = CHIPS[name].ecram, net.layers[0].activation
    rng = by_hand.stream(SEED, by_hand.DEVICES)
    rng.standard_normal((2, 24))  # the converters'
    last = rng.standard_normal(24)
    if ecram.tunes == "each":  # the current's ECRAM is the second one, whose draws come last
        last = rng.standard_normal(24)
    # Of a step for the one law, of the range for the other.
    step = 1 if ecram.model == "exponential" else ecram.step_up / (ecram.w_max - ecram.w_min)
    pulse = ecram.cycle_percent / 100 * step
    states = by_hand.reachable_states(CHIPS[name])
    low = ecram.peak_current_low_factor
    current = by_hand.nearest(states, (activation.height - low) / (ecram.peak_current_high_factor - low))
    current = np.clip(current + pulse * last, 0, 1)
    if ecram.retention_s:  # a day's relaxation to the lowest state, at the reference temperature
        current = current * np.exp(-CHIPS[name].conditions.time_since_programming_s / ecram.retention_s)
    got = of(name).die.arrays[0].neurons
    np.testing.assert_allclose(got.states.current, current, atol=1e-9)
    np.testing.assert_allclose(got.heights, low + (1 - low) * current, atol=1e-9)


@pytest.mark.parametrize("high", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("tunes", ["peak_voltage", "peak_current", "both", "each"])
def test_neurons_out_of_reach_are_counted_and_take_the_nearest_state(tunes, high):
    """Peaks of 0.5 to 2 about their mean and heights of 0.2 to ``high`` can be set, and
    a thousandth more; no neuron gives more than 1."""
    factors = {"peak_voltage_low_factor": 0.5, "peak_voltage_high_factor": 2.0}
    factors |= {"peak_current_low_factor": 0.2, "peak_current_high_factor": high}
    ecram = factors | {"tunes": tunes, "step_up": 0.05, "cycle_percent": 1e3, "retention_s": None}
    chip = changed("dendritic-ndr", ecram=ecram, neuron={"peak_voltage_variation_percent": 0.0})
    peaks = 3.0 * np.array([0.45, 1 / 0.45, 0.4998, 1 / 0.4998, 0.5, 2.0, 1.0, 1.0])
    heights = np.array([1.0, 0.2, 0.1, 0.19, 0.1999, 1.0, 0.6, 0.2])
    got = make_neurons(Ndr(peaks, heights), chip, 8, by_hand.stream(1, 0))
    far = (np.abs(np.log(peaks / 3)) > np.log(2.002)) & (tunes != "peak_current")
    far = far | (((heights < 0.1998) | (heights > 1.001 * high)) & (tunes != "peak_voltage"))
    assert got.unreachable == far.sum()
    rng = by_hand.stream(1, 0)
    first = rng.standard_normal(8)
    chip.neuron.devices(8, rng)
    last = rng.standard_normal(8) if tunes == "each" else first
    pulse = 10.0 * chip.ecram.step_up / (chip.ecram.w_max - chip.ecram.w_min)
    states = by_hand.reachable_states(chip)
    by_peak = by_hand.nearest(states, (peaks / 3 - 0.5) / 1.5)
    by_height = by_peak if tunes == "both" else by_hand.nearest(states, (heights - 0.2) / (high - 0.2))
    voltage, current = np.clip(by_peak + pulse * first, 0, 1), np.clip(by_height + pulse * last, 0, 1)
    assert (voltage == 0).any()
    assert (voltage == 1).any()
    of_peaks = peaks if tunes == "peak_current" else 3.0 * (0.5 + 1.5 * voltage)
    of_heights = heights if tunes == "peak_voltage" else np.minimum(0.2 + (high - 0.2) * current, 1)
    np.testing.assert_allclose(got.peaks, of_peaks, rtol=1e-6)
    np.testing.assert_allclose(got.heights, of_heights, rtol=1e-6)


def test_devices_of_tables_have_streams_of_their_own():
    net, chip = kan(), load_chip("dendritic-ndr+ecram-pair")
    die = map_network(net, chip, samples(net), seed=SEED).die
    for table, number in zip(die.tables, (0, 2), strict=True):
        node = net.nodes[number]
        want = make_neurons(node.activation, chip, len(node.channel), by_hand.stream(SEED, 2**33 + number))
        np.testing.assert_array_equal(table.neurons.states.voltage, want.states.voltage)


def test_neurons_are_the_devices_of_their_draws(compiled):
    _, of = compiled
    got = of("dendritic-ndr").die.arrays[0].neurons
    rng = by_hand.stream(SEED, by_hand.DEVICES)
    rng.standard_normal(3 * 24)  # converters and ECRAMs
    # Six parameters a device, varied or not; the first two are, by 2 %.
    factors = 1 + 0.02 * rng.standard_normal((24, 6))[:, :2].T

    def amperes(v, vpk, jp):
        """fREEDA's diodetun with its defaults, and no current at 0 V."""
        tunnel = jp * v / vpk * np.exp(1 - v / vpk)
        excess = 1e-4 * (np.exp(30 * (v - 0.5)) - np.exp(-15))
        return tunnel + excess + 1e-16 * np.expm1(v * 1.602176634e-19 / (1.380649e-23 * 300))

    fine = np.linspace(0, 0.5, 20_001)
    nominal = amperes(fine, 0.1, 1e-3)
    peak = np.flatnonzero(np.diff(nominal) < 0)[0]
    u = np.linspace(0, 6, 61)[:, None]
    wanted = amperes(u * fine[peak], *(factors * [[0.1], [1e-3]])) / nominal[peak]
    np.testing.assert_allclose(got.curves(u), np.clip(got.heights * wanted, 0, 1), atol=1e-9)


def test_cubic_cells_are_linearised_at_their_own_rows_voltages():
    chip = changed(IDEAL, array={"rows": 16, "wire_resistance_ohm": 5.0}, cell={"iv_cubic_per_V2": 8.0})
    rng = np.random.default_rng(0)
    target, volts = rng.choice(level_targets(IDEAL.cell), (2, 32, 5)), rng.uniform(0.02, 0.2, 32)
    got = make_cells(target, chip, rng, Mitigation(), volts).effective
    law = Cubic(8.0, 0.2)
    for side in (0, 1):
        want = effective_matrix_at(target[side, 16:], volts[16:], law, 5.0)
        np.testing.assert_allclose(got[side, 16:], want, rtol=1e-9)
    full = make_cells(target, chip, rng, Mitigation()).effective  # no voltages: all rows at the read voltage
    want = effective_matrix_at(target[0, :16], np.full(16, 0.2), law, 5.0)
    np.testing.assert_allclose(full[0, :16], want, rtol=1e-9)


@pytest.mark.parametrize(
    ("cell", "target", "stuck", "wanted"),
    [
        # G- stuck at 40 under +30: G+ would need 70, gets 40. G+ stuck at 40 under -20:
        # G- needs 60, gets 40. G+ stuck at 0 under +10: G- would need -10, gets 0. Both
        # stuck: left alone.
        (
            {},
            [[30, 0, 10, 25], [0, 20, 0, 0]],
            [[0, 1, -1, 1], [1, 0, 0, -1]],
            [[40, 0, 10, 25], [0, 40, 0, 0]],
        ),
        # A small difference is met exactly: G- stuck high under +0 makes G+ go
        # up to 40 as well.
        ({}, [[0], [0]], [[0], [1]], [[40], [0]]),
        # Between two levels: G+ stuck at 33.6 under +10: G- would be 23.6, is 24, the
        # nearest level. G- stuck at 2.3 under +10: G+ 12.3, is 12.
        (
            {"stuck_high_uS": 33.6, "stuck_low_uS": 2.3},
            [[10, 10], [0, 0]],
            [[1, 0], [0, -1]],
            [[10, 12], [24, 0]],
        ),
    ],
    ids=["limits", "exact", "levels"],
)
def test_compensation_keeps_the_pairs_difference_where_it_can(cell, target, stuck, wanted):
    chip = changed(IDEAL, cell={"levels": 41} | cell)  # 0..40 uS in steps of 1
    got = compensate(np.array(target, float)[:, None], np.array(stuck, np.int8)[:, None], chip)
    np.testing.assert_allclose(got[:, 0], wanted)


SMALL_ERRORS = changed("dendritic-analog", cell={"error_scale": 0.1, "drift": "none"})
WORTH = [
    ("fault_aware", changed(WAN, cell={"stuck_high_percent": 3.0}), 3.0),
    ("row_placement", changed(WAN, cell={"stuck_low_percent": 8.0, "stuck_high_percent": 8.0}), 4.0),
    (
        "gain_calibration",
        changed(IDEAL, array={"wire_resistance_ohm": 4.0, "access_resistance_ohm": 4000.0}),
        6.0,
    ),
    ("gain_calibration", changed(IDEAL, readout={"gain_mismatch_percent": 5.0}), 6.0),
    ("range_calibration", changed(IDEAL, readout={"adc_bits": 8}), 5.0),
    ("bias_correction", changed(IDEAL, readout={"offset_mismatch_lsb": 40.0}), 6.0),
    ("wire_compensation", changed(SMALL_ERRORS, array={"wire_resistance_ohm": 10.0}), 2.0),
    ("wire_compensation", changed(SMALL_ERRORS, array={"wire_resistance_ohm": 30.0}), 5.0),
    ("write_verify_attempts", WAN, 2.0),
]
"""Chips, and what a measure takes from their errors, dB."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "chip", "least_gain_db"), long_where(lambda case: case[0] == "wire_compensation", WORTH)
)
def test_every_measure_is_worth_something(measure, chip, least_gain_db):
    net = random_network((128, 32, 5) if measure == "wire_compensation" else (40, 24, 5))
    rare = {"write_verify_attempts": 10, "row_placement": True}
    on, off = (mitigated(**{measure: v}) for v in ((rare[measure], 0) if measure in rare else (True, False)))
    gains = [snr(net, chip, seed=s, options=on) - snr(net, chip, seed=s, options=off) for s in range(3)]
    assert np.mean(gains) > least_gain_db


@pytest.mark.parametrize("pairs", ["separate", "interleaved"])
def test_unused_rows_and_columns_are_at_the_far_ends(pairs):
    # 19 rows in arrays of 16: the second array's three are its last, next to the
    # sense amplifiers.
    layout = {"rows": 16, "columns": 8, "pairs": pairs, "wire_resistance_ohm": 50.0}
    target = np.random.default_rng(0).uniform(1, 40, (2, 19, 3))
    cells = make_cells(target, changed(IDEAL, array=layout), np.random.default_rng(0), Mitigation())
    whole = np.zeros((2, 16, 4))
    whole[:, 13:, :3] = target[:, 16:]
    if pairs == "interleaved":
        both = by_hand.circuit(whole.transpose(1, 2, 0).reshape(16, 8), 50.0, 0.0)
        want = both.reshape(16, 4, 2).transpose(2, 0, 1)
    else:
        want = np.stack([by_hand.circuit(side, 50.0, 0.0) for side in whole])
    np.testing.assert_allclose(cells.effective[:, 16:], want[:, 13:, :3], rtol=1e-9)


def test_an_access_transistor_is_in_series_with_its_cell():
    target = np.random.default_rng(0).uniform(1, 40, (2, 19, 3))
    chip = changed(IDEAL, array={"wire_resistance_ohm": 0.0, "access_resistance_ohm": 4000.0})
    cells = make_cells(target, chip, np.random.default_rng(0), Mitigation())
    np.testing.assert_allclose(cells.effective, 1 / (1 / target + 4000.0e-6), rtol=1e-9)


@pytest.mark.parametrize("cubic", [0.0, 8.0])
def test_currents_are_read_before_they_have_settled(cubic):
    """19 rows in arrays of 16 and ten columns in arrays of eight: used are the rows
    next to the sense amplifiers and the columns next to the drivers."""
    layout = {"rows": 16, "columns": 8, "wire_resistance_ohm": 50.0}
    timed = {"wire_capacitance_fF": 10.0, "read_time_ns": 0.05}
    target = np.random.default_rng(0).uniform(1, 40, (2, 19, 10))
    still, early = (
        make_cells(
            target,
            changed(IDEAL, array=array, cell={"iv_cubic_per_V2": cubic}),
            np.random.default_rng(0),
            Mitigation(),
        ).effective
        for array in (layout, layout | timed)
    )
    part = settled(16, 8, 50.0 * 10e-15, 0.05e-9)
    assert part.min() < 0.7 < part.max() < 1
    for rows, used in ((slice(0, 16), slice(0, 16)), (slice(16, 19), slice(13, 16))):
        for columns, across in ((slice(0, 8), slice(0, 8)), (slice(8, 10), slice(0, 2))):
            wanted = still[:, rows, columns] * part[used, across]
            np.testing.assert_allclose(early[:, rows, columns], wanted, rtol=1e-9)
    whole = settled_parts(target, changed(IDEAL, array=layout | timed))
    np.testing.assert_allclose(whole, early / still, rtol=1e-9)
    place = np.random.default_rng(1).permutation(19)
    moved = settled_parts(target, changed(IDEAL, array=layout | timed), place)
    np.testing.assert_array_equal(moved, whole[:, place])


def test_a_test_read_finds_the_cells_that_will_be_stuck():
    """And draws nothing of what comes next."""
    chip, rng = (
        changed(WAN, cell={"stuck_low_percent": 10.0, "stuck_high_percent": 10.0}),
        by_hand.stream(1, 0),
    )
    first, again = (stuck_cells((2, 30, 4), chip, rng) for _ in range(2))
    made = make_cells(np.full((2, 30, 4), 20.0), chip, rng, Mitigation())
    np.testing.assert_array_equal(first, made.stuck)
    np.testing.assert_array_equal(again, made.stuck)


def test_write_verify_leaves_only_cells_within_the_tolerance():
    target = np.full((2, 2000, 3), 20.0)
    measures = Mitigation(write_verify_attempts=60, write_verify_tolerance_percent=2.5)
    got = make_cells(target, WAN, np.random.default_rng(0), measures).programmed
    assert 0.995 < np.abs(got - target).max() <= 1.0
    # What verifies is a read: a cell that landed below 0 reads as 0, which is
    # what is wanted here.
    once = make_cells(0 * target, WAN, np.random.default_rng(0), Mitigation()).programmed
    again = make_cells(0 * target, WAN, np.random.default_rng(0), measures).programmed
    np.testing.assert_array_equal(again[once < 0], once[once < 0])
    assert (once < -1.0).any()


def test_unreachable_neurons_and_saturated_codes_are_counted_in_a_warning(monkeypatch):
    net = random_network()
    chip = changed("wan2022+ecram-tang2018", ecram={"peak_current_low_factor": 0.7})
    with pytest.warns(CompileWarning, match="of 24 neurons want a curve the ECRAM does not reach"):
        map_network(net, chip, samples(net))
    table, *others = kan().nodes
    curves = dataclasses.replace(table.activation, peak=table.activation.peak * np.r_[100, np.ones(29)])
    far = dataclasses.replace(kan(), nodes=(dataclasses.replace(table, activation=curves), *others))
    with pytest.warns(CompileWarning, match=r"table 0: \d+ of 30 functions want a curve the ECRAM does not"):
        report = map_network(far, "dendritic-ndr+ecram-pair", samples(far)).report
    assert report.tables[0].unreachable >= 1
    monkeypatch.setattr("ndrite.emulator.mapping.weights.HEADROOM_SIGMAS", 0.0)
    with pytest.warns(CompileWarning, match=r"layer 0: \d+ of 1920 conductances are beyond the code range"):
        map_network(net, WAN, samples(net))


@given(
    seed=st.integers(0, 2**32 - 1),
    ohm=st.sampled_from([0.0, 3.0]),
    stuck=st.floats(0, 20),
    day=st.booleans(),
    fault_aware=st.booleans(),
    levels=st.integers(2, 256),
    bits=st.sampled_from([8, 9]),
)
@settings(max_examples=50, deadline=None)
def test_conductances_never_leave_their_range(seed, ohm, stuck, day, fault_aware, levels, bits):
    chip = changed(
        WAN,
        array={"wire_resistance_ohm": ohm},
        cell={
            "levels": levels,
            "weight_bits": bits,
            "stuck_low_percent": stuck,
            "stuck_high_percent": stuck,
            "drift": "wan2022",
        },
        conditions={"time_since_programming_s": 86400.0 if day else 1.0},
    )
    w = np.random.default_rng(seed).standard_t(2, (40, 3))
    mapped = map_weights(w, chip, np.random.default_rng(seed), mitigation=Mitigation(fault_aware=fault_aware))
    cells = mapped.cells
    assert cells.target.min() >= 0
    assert cells.target.max() <= 40
    for step in (cells.aged, cells.faulted, cells.effective):
        assert step.min() >= -1e-12
    top = code_max(chip.cell)
    beyond = np.rint(cells.effective / mapped.full_scale_uS * top) > top
    assert mapped.saturated == beyond.sum(), "no silent saturation"
    assert np.abs(mapped.codes).max() <= top
    assert np.abs(mapped.levels).max() <= levels - 1


@given(
    seed=st.integers(0, 2**32 - 1),
    dac_bits=st.sampled_from([1, 2, 4, 8]),
    kind=st.sampled_from(["adc", "analog"]),
    rows=st.sampled_from([16, 128]),
)
@settings(max_examples=15, deadline=None)
def test_ideal_chips_reproduce_the_float_network_to_the_quantisation_bound(seed, dac_bits, kind, rows):
    net = random_network(seed=seed)
    chip = changed(IDEAL, array={"rows": rows}, input={"dac_bits": dac_bits}, readout={"kind": kind})
    compiled = map_network(net, chip, samples(net), options=mitigated(bias_correction=False))
    x = samples(net, 200, seed=9)
    want = net.forward(x / np.float32(255)).astype(float)
    got = Core(compiled.program).infer(x) * compiled.die.arrays[-1].step
    first, second = net.layers
    report, steps = compiled.report.layers[0], compiled.die.arrays
    # The hidden pre-activation is off by half a code in every weight and half a step in
    # every conversion; an NDR neuron passes that on with at most its steepest slope, e
    # times height over peak, at 0.
    slices = 8 // dac_bits
    places = sum(1 << (j * dac_bits) for j in range(slices)) if kind == "adc" else 0
    adc = [places * layer.tiles * s.step for layer, s in zip(compiled.report.layers, steps, strict=True)]
    codes = [(x / 255).sum(axis=1).max() * 1.01 * steps[0].mapped.unit, 24 * 1.01 * steps[1].mapped.unit]
    slope = np.e * first.activation.height / first.activation.peak
    hidden = slope * (codes[0] + adc[0]) + (report.pwl_error_lsb + report.tail_error_lsb + 2) / 255
    bound = hidden @ np.abs(second.weights) + codes[1] + adc[1]
    assert (np.abs(got - want) <= bound).all()
    # The bound is a worst case; what comes out is far better, whatever the
    # network's outputs span.
    assert np.sqrt(np.square(got - want).mean()) < bound.mean() / 20


test_refusals = refused(
    CompileError,
    (lambda: Mitigation(write_verify_attempts=-1), r"write_verify_attempts is -1; accepted: 0\.\.100"),
    (lambda: Mitigation(write_verify_attempts=101), r"write_verify_attempts is 101; accepted: 0\.\.100"),
    (lambda: Mitigation(write_verify_tolerance_percent=0), "tolerance_percent is 0; accepted: above 0"),
)
