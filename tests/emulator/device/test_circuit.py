"""NDR curves, and a device behind a resistance: load line, jumps, settling; against
ngspice and by hand."""

import functools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndrite.emulator.device.description import Ecram, Neuron
from ndrite.emulator.device.ndr.circuit import Circuit
from ndrite.emulator.device.ndr.curves import Bell, Esaki, Table, Tunnel
from ndrite.emulator.errors import PhysicsError
from tests.emulator.device.ngspice import needs_ngspice, sweep, transient
from tests.marks import long_where
from tests.refusals import refused

STABLE, BISTABLE = (20, 50, 100, 150, 200, 250, 268), (280, 300, 400, 600, 1000, 2000)
NEAR_JUMP_V = 2e-3
"""A sweep takes time to jump: ngspice's points so near to one are on neither branch."""


def away_from(jumps, source):
    """Where ``source`` (n,) is not at a jump."""
    return np.all([np.abs(source - jump) > NEAR_JUMP_V for jump in jumps] or [source > -1], axis=0)


@needs_ngspice
@pytest.mark.parametrize("ohm", STABLE + BISTABLE)
def test_the_way_up_is_ngspices(tmp_path, ohm):
    """Within 1 % of the peak current on thirteen load lines, six of them bistable."""
    circuit = Circuit(Esaki(), ohm)
    source, current = sweep(tmp_path, ohm, 0.7 + 1.4e-3 * ohm)
    assert circuit.bistable == (ohm in BISTABLE)
    on = away_from(circuit.jumps_up_V, source)
    assert on.mean() > 0.95  # ngspice takes small steps while it jumps
    error = np.abs(circuit.current(source[on]) - current[on]).max()
    assert error < 0.01 * circuit.peak_current_A, f"{error / circuit.peak_current_A:.2%} of the peak"
    for jump in circuit.jumps_up_V:
        steepest = source[1:][np.argmin(np.diff(current))]
        assert steepest == pytest.approx(jump, abs=NEAR_JUMP_V)


@needs_ngspice
@pytest.mark.parametrize(("ohm", "volts"), [(100, 0.1), (100, 0.3), (200, 0.6), (400, 0.4), (400, 0.53)])
def test_reads_that_end_early_are_ngspices(tmp_path, ohm, volts):
    farad = 1e-12
    t, _, device = transient(tmp_path, ohm, farad, f"DC {volts}", 40 * ohm * farad)
    settled = t[np.argmax(np.abs(device - device[-1]) <= 0.01 * device[-1])]
    for part in (0.2, 0.5, 1.0):
        early = Circuit(Esaki(), ohm, farad, part * settled)
        current = Esaki().current(np.interp(part * settled, t, device))
        assert abs(early.current(volts) - current) < 0.01 * early.peak_current_A


@functools.cache
def steepest_fall():
    """Where the preset's current falls most steeply with its voltage, and the negative
    resistance there."""
    v = np.linspace(0, 0.45, 450_001)
    slope = np.gradient(Esaki().current(v), v)
    return v[slope.argmin()], -1 / slope.min()


@pytest.mark.slow
@needs_ngspice
@pytest.mark.parametrize("seed", long_where(lambda seed: seed % 2, range(30)))
def test_the_rule_of_stability_is_ngspices(tmp_path, seed):
    """Random R, C and L, R above Rn and L within a factor of 20 of R C Rn included: a
    device that is put 1 mV beside the point where its current falls most steeply comes
    back to it or leaves it."""
    rng = np.random.default_rng(seed)
    ohm, farad = np.exp(rng.uniform(np.log([5, 1e-14]), np.log([600, 1e-11])))
    part = np.exp(rng.choice([-1, 1]) * rng.uniform(0.1, 3.0))
    at, rn = steepest_fall()
    henry = part * ohm * farad * rn
    circuit = Circuit(Esaki(), ohm, farad, inductance_H=henry)
    assert circuit.negative_resistance_ohm == pytest.approx(rn, rel=1e-4)
    drawn = float(Esaki().current(at))
    # Rates are 1 / C Rn - R / L and, above Rn, about (1 / R - 1 / Rn) / C.
    slowest = min(abs(1 - 1 / part), abs(1 - ohm / rn) / max(1.0, ohm / rn, part))
    seconds = 20 * farad * rn / slowest
    points = int(min(max(4000, 40 * seconds / np.sqrt(henry * farad)), 400_000))
    source = f"DC {at + ohm * drawn:.12g}"
    _, _, device = transient(tmp_path, ohm, farad, source, seconds, points, henry, (at + 1e-3, drawn))
    left = np.abs(device[-len(device) // 10 :] - at).max()
    stable = not (circuit.bistable or circuit.oscillates)
    assert stable == (ohm < rn and part < 1)
    assert left < 2e-4 if stable else left > 5e-3, (ohm, rn, part, left)


@pytest.mark.parametrize("device", [Esaki(), Tunnel(0.1, 1e-3), Bell(0.5, 1e-6, 0.1)])
def test_without_a_resistance_it_is_the_device(device):
    circuit = Circuit(device, 0.0)
    v = np.linspace(-0.2, 0.9, 501)
    peak = device.current(device.peak_voltage_V)
    np.testing.assert_allclose(circuit.current(v), device.current(v), rtol=1e-4, atol=1e-6 * peak)
    assert not circuit.bistable


@settings(deadline=None, max_examples=30)
@given(ohm=st.floats(1, 3000), source=st.floats(0.001, 3.0))
def test_the_lowest_voltage_the_load_line_allows(ohm, source):
    """Written out a second time: of all device voltages where source and device
    agree, the least."""
    device = Esaki()
    v = np.linspace(0, source, 200_001)
    least = v[np.argmax(v + ohm * device.current(v) >= source - 1e-9)]
    got = source - ohm * float(Circuit(device, ohm).current(source))
    jumps = Circuit(device, ohm).jumps_up_V
    if all(abs(source - jump) > 1e-6 for jump in jumps):
        # Where the load line is nearly flat a small error in current is a large one in voltage.
        assert abs(got + ohm * device.current(max(got, 0.0)) - source) < 1e-5
        assert got == pytest.approx(least, abs=2e-4 * max(1.0, 1e-3 * ohm))


def test_a_load_line_of_straight_pieces_by_hand():
    """Up to 2 mA at 1 V, down to 0 at 2 V, up to 1.5 mA: the negative piece has -500
    ohm. Behind 1000 ohm the source reaches 3 V at the peak and falls to 2 V at the
    valley: it jumps at 3 V to where V + 1000 (V - 2) mA = 3 V, V = 2.5 V."""
    device = Table([0, 1, 2, 3.5], [0, 2e-3, 0, 1.5e-3])
    circuit = Circuit(device, 1000.0)
    assert circuit.jumps_up_V == pytest.approx((3.0,), abs=1e-6)
    np.testing.assert_allclose(
        circuit.current([1.5, 2.999, 3.01, 4.0]), [1e-3, 2e-3, 0.505e-3, 1e-3], rtol=2e-3
    )
    peak = circuit.peak_voltage_V / circuit.unit_V
    assert circuit.shape(peak) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("current", "voltage"), [(0.3, 1.0), (1.0, 1.7), (0.5, 0.6)])
def test_a_tuned_device_loads_its_source_less(current, voltage):
    """The same as a device that was made with those parameters."""
    tuned = Circuit(Tunnel(0.1, 1e-3), 400.0, 1e-12, 1e-10).tuned(current, voltage)
    made = Circuit(Tunnel(0.1 * voltage, 1e-3 * current), 400.0, 1e-12, 1e-10)
    v = np.linspace(0, 1, 301)
    v = v[away_from(made.jumps_up_V, v)]
    drawn = current * tuned.current(v / voltage)
    np.testing.assert_allclose(drawn, made.current(v), atol=2e-3 * made.peak_current_A)


def test_the_input_gain_makes_the_circuit_most_like_its_device():
    assert Circuit(Esaki(), 0.0).unit_V == Esaki().peak[0]
    for ohm in (50.0, 200.0):
        circuit = Circuit(Esaki(), ohm)
        assert 0.1 < circuit.unit_V < circuit.peak_voltage_V
        u = np.linspace(0, 4, 1000)
        less, own, more = (
            np.square(np.minimum(circuit.current(u * unit), 1e-3) - Esaki().current(0.1 * u)).sum()
            for unit in circuit.unit_V * np.array([0.9, 1.0, 1.1])
        )
        assert own < min(less, more)


test_impossible_circuits_and_curves = refused(
    PhysicsError,
    (Circuit, Esaki(), -1.0, "source_resistance_ohm is -1.0; accepted: 0 or more"),
    (Circuit, Esaki(), 1.0, np.inf, "capacitance_F is inf"),
    (Circuit, Esaki(), 1, 0, 1e-9, "time_s is 1e-09; accepted: 0, as there is no capacitance"),
    (Tunnel, 0.0, 1e-3, "peak_voltage_V is 0.0"),
    (lambda: Esaki(valley_voltage_V=0.05), "valley_voltage_V is 0.05; accepted: above peak_voltage_V"),
    (Bell, 0.1, 1e-3, -1, "width_V is -1"),
    (Table, [0, 1], [0, 1], "n >= 3"),
    (Table, [0, 0, 1], [0, 1, 0], "strictly rising"),
    (Table, [0, 1, 2], [-1, -1, -2], "peak_voltage_V"),
    (Table, [0, 1, 2], [0, 1], "n >= 3"),
)


KELVINS = [250.0, 275.0, 300.0, 325.0, 350.0, 375.0, 400.0]


@pytest.mark.parametrize("kelvin", KELVINS)
@pytest.mark.parametrize("percent", [0.1, 0.0, -0.1])
def test_parameters_at_another_temperature_than_the_reference(kelvin, percent):
    """SPICE's saturation current of a gap of 1.11 eV; excess current by
    silicon's narrower gap, 27.6 meV at 400 K, at 30 per volt; the peak current
    by its own factor."""
    device = Neuron(model="esaki", temperature_K=kelvin, peak_current_percent_per_K=percent).device
    thermal = (kelvin / 300) ** 3 * np.exp(1.11 / 8.617333262e-5 * (1 / 300 - 1 / kelvin))
    narrower = 4.73e-4 * (kelvin**2 / (kelvin + 636) - 300**2 / 936)
    assert device.temperature_K == kelvin
    assert device.saturation_current_A == pytest.approx(1e-16 * thermal, rel=1e-6)
    assert device.excess_current_A == pytest.approx(1e-4 * np.exp(30 * narrower), rel=1e-9)
    assert device.peak_current_A == pytest.approx(1e-3 * (1 + percent / 100 * (kelvin - 300)))
    assert kelvin != 300 or device == Esaki()
    own = Neuron(model="esaki", temperature_K=kelvin, reference_temperature_K=kelvin).device
    assert own == Esaki(temperature_K=kelvin)


def test_retention_shortens_by_arrhenius():
    held = Ecram(retention_s=1e6, retention_energy_eV=1.0, retention_rest=0.25)
    times = [held.time_constant_s(kelvin) for kelvin in KELVINS]
    slope = np.polyfit(1 / np.array(KELVINS), np.log(times), 1)[0]
    assert slope * 8.617333262e-5 == pytest.approx(1.0, rel=1e-6)
    assert held.time_constant_s(300.0) == 1e6
    kept = held.kept([0.0, 0.25, 1.0], 1e6, 300.0)
    np.testing.assert_allclose(kept, 0.25 + np.array([-0.25, 0, 0.75]) / np.e)
    again = held.kept(held.kept(0.9, 3e5, 320.0), -3e5, 320.0)
    assert float(again) == pytest.approx(0.9)
    assert Ecram().kept(0.9, 1e9, 400.0) == 0.9, "without a time constant it stays"
    with warnings.catch_warnings(action="error"):
        assert (held.kept(0.9, 1e9, 1.0), held.kept(0.9, 1e18, 1000.0)) == (0.9, held.retention_rest)
    two = held.kept(held.kept(0.9, 1e5, 320.0), 2e5, 320.0)
    assert float(two) == pytest.approx(float(held.kept(0.9, 3e5, 320.0)))
