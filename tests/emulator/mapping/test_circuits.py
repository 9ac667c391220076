"""Neurons: curves behind a source resistance, and ECRAMs that set a curve's shape."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.device.description import Ecram
from ndrite.emulator.device.ndr.circuit import Circuit
from ndrite.emulator.device.ndr.curves import Bell, Double, Esaki
from ndrite.emulator.device.ndr.pwl import PwlTable
from ndrite.emulator.device.ndr.window import choose_window
from ndrite.emulator.errors import CompileError, CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.neuron import neuron
from ndrite.emulator.mapping import map_network
from ndrite.emulator.mapping.curves import family, source_units_V, widest_window
from ndrite.emulator.mapping.devices import make_neurons, without_load
from ndrite.emulator.network import Dense, Named, Ndr, Network, load_network
from tests.chips import centred_network, changed
from tests.emulator.mapping import by_hand

RNG = np.random.default_rng(3)
X = RNG.integers(0, 256, (200, 40), dtype=np.uint8)


def chip(name="ideal+ndr-esaki", **neuron):
    return changed(name, neuron=neuron)


def off(program, die, m, device, ohm, height=1.0):
    """How far neuron m's outputs 0..1 are from ``height`` times the circuit's, at
    every voltage code."""
    layer = program.layers[0]
    table = PwlTable(program.curve_base, program.curve_slope, np.zeros(1))
    u, y = die.arrays[0].window.values(), table.evaluate()[layer.curve[m]] / 255
    # The ECRAM scales the whole current: a device that draws less is one behind a
    # smaller resistance.
    volts = u * Circuit(Esaki(), ohm * height).unit_V
    return np.abs(y - np.clip(height * Circuit(device, ohm * height).current(volts) / 1e-3, 0, 1)), y


@pytest.mark.parametrize("ohm", [100, 400, 1000])
def test_no_neuron_is_cut_where_it_still_rises(ohm):
    """Heights from 0.25 to 1, and voltages far beyond the window: what is off is
    what the report says."""
    net = centred_network()
    hidden = dataclasses.replace(net.layers[0].activation, height=np.linspace(0.25, 1, 12))
    net = Network.chain((dataclasses.replace(net.layers[0], activation=hidden), net.layers[1]), "low")
    built = chip("dendritic-analog", source_resistance_ohm=float(ohm))
    program, die, report = map_network(net, built, X)
    window, layer, said = die.arrays[0].window, program.layers[0], report.layers[0]
    u = np.linspace(-5, 40, 3001)
    v = np.clip(np.rint(u * window.per_unit + window.zero), -2048, 2047).astype(np.int64)
    got = neuron(np.repeat(v[:, None], 12, axis=1), layer, program.curve_base, program.curve_slope)
    off = np.abs(got - 255 * die.arrays[0].neurons.curves(np.repeat(u[:, None], 12, axis=1))).max()
    assert off < max(said.pwl_error_lsb, said.tail_error_lsb) + 3


def test_a_curve_that_is_cut_is_warned_of(monkeypatch):
    from ndrite.emulator.device.ndr import window

    monkeypatch.setattr(window, "HIGHS", np.array([1.0]))
    built = chip("dendritic-analog", source_resistance_ohm=400.0)
    with pytest.warns(CompileWarning, match="steps off where its table's window ends"):
        report = map_network(centred_network(), built, X).report
    assert report.layers[0].tail_error_lsb > 5


@pytest.mark.parametrize(
    ("name", "heights", "percent", "ohm"),
    [
        *(("ideal+ndr-esaki", 1.0, 0.0, ohm) for ohm in (50.0, 200.0, 400.0, 1000.0)),
        ("ideal+ndr-esaki", 1.0, 5.0, 400.0),
        ("dendritic-ndr", None, 0.0, 400.0),
    ],
)
def test_every_device_has_the_curve_of_its_own_circuit(name, heights, percent, ohm):
    """Its own device; and less of the peak current, less of a load line: its own height
    has its own gain."""
    spread = {"peak_voltage_variation_percent": percent, "peak_current_variation_percent": 0.0}
    built = chip(name, source_resistance_ohm=ohm, **spread)
    program, die, report = map_network(centred_network(heights=heights), built, X, seed=2)
    neurons = die.arrays[0].neurons
    for m in (0, 3, 5):
        device = neurons.devices[m] if percent else Esaki()
        missed, y = off(program, die, m, device, ohm, 1.0 if heights else neurons.heights[m])
        if heights and not percent:  # a jump lies between two segments, not inside one
            assert missed.max() < 0.03
            assert report.layers[0].pwl_error_lsb < 8
            assert Circuit(Esaki(), ohm).bistable == (np.abs(np.diff(y)).max() > 0.4)
        assert (missed > 0.03).mean() < 2 / 32  # the segments that its own jumps are in


def test_one_transimpedance_has_the_geometric_mean_of_the_neurons_units():
    """0.1 V and 0.4 V: both are off by the same factor."""
    own = np.array([0.1, 0.4])
    np.testing.assert_allclose(source_units_V(changed("dendritic-analog"), own), [0.2, 0.2])
    np.testing.assert_array_equal(source_units_V(changed("dendritic-ndr"), own), own)


@pytest.mark.parametrize("name", ["dendritic-analog", "dendritic-ndr"])
def test_neurons_without_load_are_those_of_a_chip_whose_sources_have_no_resistance(name):
    loaded = {
        "source_resistance_ohm": 200.0,
        "capacitance_pF": 1.0,
        "inductance_nH": 1e-3,
        "read_time_ns": 9.0,
    }
    built, ideal = (changed(name, neuron=dict.fromkeys(loaded, 0.0) | load) for load in (loaded, {}))
    activation = centred_network().layers[0].activation.of(np.arange(3))
    has, wanted = (make_neurons(activation, c, 3, np.random.default_rng(1)) for c in (built, ideal))
    assert not np.allclose(has.curves(np.ones(3)), wanted.curves(np.ones(3)), atol=0.01)
    without = without_load(has, built)
    np.testing.assert_allclose(without.peaks, wanted.peaks)
    for u in (0.3, 1.0, 2.5):
        np.testing.assert_allclose(without.curves(np.full(3, u)), wanted.curves(np.full(3, u)))


@pytest.mark.parametrize("activation", [Named("relu"), centred_network().layers[0].activation])
def test_neurons_with_nominal_curves_are_neither_bistable_nor_out_of_reach(activation):
    neurons = make_neurons(activation, changed("ideal"), 12, np.random.default_rng(1))
    assert (neurons.individual, neurons.unreachable, neurons.bistable) == (False, 0, 0)


@pytest.mark.parametrize("name", ["dendritic-analog", "dendritic-ndr"])
@pytest.mark.parametrize("tunes", ["none", "peak_voltage", "peak_current", "both"])
@pytest.mark.parametrize("percent", [0.0, 5.0])
def test_a_resistance_of_nothing_changes_nothing(name, tunes, percent):
    """Of devices that differ or not, whose ECRAMs have lost a part of their states
    since they were set."""
    spread = {"peak_voltage_variation_percent": percent, "peak_current_variation_percent": percent}
    ecram = {"tunes": tunes, "retention_s": 1.0, "peak_voltage_low_factor": 0.5}
    ecram |= {"peak_voltage_high_factor": 2.0}
    activation = centred_network().layers[0].activation
    ideal, loaded = (
        make_neurons(
            activation,
            changed(name, neuron=spread | {"source_resistance_ohm": ohm}, ecram=ecram),
            12,
            np.random.default_rng(1),
        )
        for ohm in (0.0, 1e-6)
    )
    np.testing.assert_allclose(loaded.peaks, ideal.peaks, rtol=1e-6)
    u = np.repeat(np.linspace(-1, 2, 151)[:, None], 12, axis=1)
    np.testing.assert_allclose(loaded.curves(u), ideal.curves(u), atol=1e-5)


def test_a_height_that_no_ecram_sets_is_a_factor_on_the_output():
    """The device draws its whole current, behind a resistance as well."""
    chip = changed("dendritic-ndr", neuron={"source_resistance_ohm": 200.0}, ecram={"tunes": "peak_voltage"})
    low, high = (
        make_neurons(centred_network(heights=height).layers[0].activation, chip, 12, np.random.default_rng(1))
        for height in (0.3, 0.6)
    )
    u = np.repeat(np.linspace(0, 2, 101)[:, None], 12, axis=1)
    np.testing.assert_allclose(high.curves(u), 2 * low.curves(u), rtol=1e-9)


@pytest.mark.parametrize("tunes", ["peak_voltage", "peak_current", "both"])
def test_a_source_is_loaded_by_the_current_that_an_ecram_sets(tunes):
    chip = changed(
        "dendritic-ndr", neuron={"source_resistance_ohm": 200.0}, ecram={"tunes": tunes, "retention_s": None}
    )
    activation = centred_network().layers[0].activation
    states = make_neurons(activation, chip, 12, np.random.default_rng(1)).states
    if tunes == "peak_voltage":
        assert states.loaded is None
    else:
        np.testing.assert_array_equal(states.loaded, states.current)


STILL = {"peak_voltage_variation_percent": 0, "peak_current_variation_percent": 0}


def test_bistable_neurons_are_counted():
    """By hand: a device at part h of its current has 1 / h times the 271.86 ohm of
    its steepest fall."""
    with pytest.warns(CompileWarning, match=r"layer 0: \d+ of 12 neurons are bistable"):
        _, die, report = map_network(
            centred_network(), chip("dendritic-analog", source_resistance_ohm=500, **STILL), X
        )
    count = int((die.arrays[0].neurons.heights > 271.86 / 500).sum())
    assert 0 < count < 12
    assert [layer.bistable_neurons for layer in report.layers] == [count, 0]


def test_neurons_that_oscillate_are_not_compiled():
    """R C Rn by hand: 20 ohm, 50 fF, 271.86 ohm at full height; ngspice has them 70
    codes off at 1 nH."""
    network_of_full_height = centred_network(heights=1.0)
    still = {"source_resistance_ohm": 20, "capacitance_pF": 0.05, **STILL}
    with pytest.raises(CompileError, match=r"inductance_nH is 1; .* below 0\.27\d?, .*12 of 12 neurons"):
        map_network(network_of_full_height, chip("dendritic-analog", inductance_nH=1, **still), X)
    stable = map_network(network_of_full_height, chip("dendritic-analog", inductance_nH=0.05, **still), X)
    without = map_network(network_of_full_height, chip("dendritic-analog", **still), X)
    np.testing.assert_array_equal(stable.program.curve_base, without.program.curve_base)


SHAPED_RNG = np.random.default_rng(3)
SHAPED_X = SHAPED_RNG.integers(0, 256, (400, 20), dtype=np.uint8)
U = np.linspace(-4.0, 8.0, 1201)
KINDS = {
    "valley": ({"model": "esaki"}, (0.5, 1.2)),
    "width": ({"model": "bell", "width_V": 0.05}, (0.5, 2.0)),
    "second_peak": ({"model": "double", "second_peak_voltage_V": 0.5}, (0.0, 0.9)),
}


def shaped_chip(kind, resistance=0.0, **ecram):
    neuron, (low, high) = KINDS[kind]
    shape = {"tunes": kind, "shape_low_factor": low, "shape_high_factor": high}
    neuron = neuron | {"source_resistance_ohm": resistance}
    return changed("ideal+ecram-linear-ysz", neuron=neuron, ecram=shape | ecram)


def shaped_network(described, states) -> Network:
    """Neuron m has the curve of ``states[m]``."""
    rng = np.random.default_rng(5)
    curve = np.concatenate([U[None], family(described, states, U)])
    m = len(states)
    hidden = Ndr(np.ones(m), np.full(m, 0.9), curve)
    first = Dense(rng.normal(size=(20, m)), rng.normal(size=m) + 1.0, hidden)
    return Network.chain((first, Dense(rng.normal(size=(m, 3)), np.zeros(3))), "shaped")


def test_what_a_state_does_to_a_device():
    def ecram(tunes, low, high):
        return Ecram(model="linear-step", tunes=tunes, shape_low_factor=low, shape_high_factor=high)

    assert ecram("valley", 0.6, 1.4).shaped(Esaki(), 0.0) == Esaki(valley_voltage_V=0.3)
    assert ecram("width", 0.5, 1.5).shaped(Bell(0.1, 1e-3, 0.04), 1.0).width_V == pytest.approx(0.06)
    both = ecram("second_peak", 0.0, 0.8).shaped(Double(0.1, 1e-3, 0.6), 0.5)
    v = np.linspace(0, 1, 10_001)
    current = both.current(v) / 1e-3
    peaks = v[1:-1][(current[1:-1] > current[:-2]) & (current[1:-1] > current[2:])]
    np.testing.assert_allclose(peaks, [0.1, 0.6], atol=0.02)
    assert current[v > 0.5].max() == pytest.approx(0.4 + 6 * np.exp(-5), abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resistance", [0.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_the_nearest_state_is_set_and_computed(kind, resistance, tmp_path):
    described = shaped_chip(kind, resistance)
    states = np.linspace(0.1, 0.9, 6)
    shaped_network(described, states).save(tmp_path / "n.npz")
    net = load_network(tmp_path / "n.npz")
    program, die, _ = map_network(net, described, SHAPED_X, seed=1)
    np.testing.assert_allclose(die.arrays[0].neurons.states.shape, states, atol=0.02)
    exact, got = net.forward(SHAPED_X / 255), Core(program).infer(SHAPED_X) * program.meaning.output_step
    assert np.corrcoef(exact.ravel(), got.ravel())[0, 1] > 0.995
    other = map_network(shaped_network(described, states[::-1]), described, SHAPED_X, seed=1).program
    assert not np.array_equal(Core(other).infer(SHAPED_X), Core(program).infer(SHAPED_X))


@pytest.mark.parametrize("kind", KINDS)
def test_no_state_gives_more_than_the_peak_or_less_than_nothing(kind):
    """Far beyond the peak a device draws more, and before 0 V a current of the other sign."""
    curves = family(shaped_chip(kind), [0.0, 0.5, 1.0], np.linspace(-8.0, 12.0, 401))
    assert (curves.min(), curves.max()) == pytest.approx((0.0, 1.0), abs=0.01)
    assert (curves >= 0).all()
    assert (curves <= 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_one_window_is_wide_enough_for_every_state(kind):
    described = shaped_chip(kind)
    ends = [
        choose_window(lambda u, state=state: family(described, [state], u)[0]).high
        for state in (0.0, 0.5, 1.0)
    ]
    assert widest_window(described).high == max(ends)


def test_the_last_pulse_misses_a_shape_by_its_draw():
    activation = shaped_network(shaped_chip("width"), np.linspace(1.0, 0.0, 6)).nodes[0].activation
    still, noisy = (
        make_neurons(activation, shaped_chip("width", cycle_percent=percent), 6, by_hand.stream(1, 0))
        for percent in (0.0, 1e3)
    )
    ecram = shaped_chip("width").ecram
    missed = 10 * ecram.step_up / (ecram.w_max - ecram.w_min) * by_hand.stream(1, 0).standard_normal(6)
    wanted = np.clip(still.states.shape + missed, 0, 1)
    assert len(np.unique(wanted)) > 4, "few are at an end of the range"
    assert (wanted.min(), wanted.max()) == (0, 1)
    np.testing.assert_allclose(noisy.states.shape, wanted, atol=1e-12)


def test_shapes_are_kept_as_long_as_states():
    described = shaped_chip("valley", retention_s=1.0)
    _, die, _ = map_network(shaped_network(shaped_chip("valley"), [0.5, 0.9]), described, SHAPED_X)
    np.testing.assert_allclose(die.states[0].shape, np.exp(-1.0) * np.array([0.5, 0.9]), atol=0.01)
