"""NDR curves and retention against what is known of them, at 300 K and at other temperatures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.device.description import Ecram, Neuron
from emulator.device.ndr.curves import Bell, Esaki, Table, Tunnel, tunnel
from emulator.errors import PhysicsError


def test_tunnel_form():
    assert tunnel(1.0) == 1.0
    assert tunnel(-3.0) == 0.0
    x = np.linspace(0, 10, 100_001)
    assert x[tunnel(x).argmax()] == pytest.approx(1.0)
    # inflection at 2: the slope there is the steepest fall
    assert x[np.gradient(tunnel(x), x).argmin()] == pytest.approx(2.0, abs=1e-3)


def test_esaki_defaults_have_the_known_peak_and_valley():
    # Peak 1.000 mA at 0.100 V, valley 0.156 mA at 0.462 V: computed independently from the fREEDA constants.
    v = np.linspace(0, 0.5, 50_001)
    i = Esaki().current(v)
    assert i.max() == pytest.approx(1e-3, rel=1e-3)
    assert v[i.argmax()] == pytest.approx(0.1, abs=1e-3)
    tail = v > 0.2
    assert i[tail].min() == pytest.approx(0.156e-3, rel=0.01)
    assert v[tail][i[tail].argmin()] == pytest.approx(0.462, abs=2e-3)
    assert Esaki().current(0.0) == 0.0


@given(st.floats(0.01, 2), st.floats(1e-9, 1e-2))
def test_shape_is_the_current_in_units_of_the_peak(peak_v, peak_i):
    for device in (Tunnel(peak_v, peak_i), Bell(peak_v, peak_i, peak_v / 3)):
        u = np.linspace(-1, 5, 61)
        np.testing.assert_allclose(device.shape(u) * peak_i, device.current(u * peak_v), rtol=1e-9, atol=0)
        assert device.shape(1.0) == pytest.approx(1.0)


def test_table_is_its_points_and_has_a_peak():
    table = Table([0, 0.1, 0.3, 0.5], [0, 2e-6, 1e-6, 0.5e-6])
    assert (table.peak_voltage_V, table.peak_current_A) == (0.1, 2e-6)
    np.testing.assert_allclose(table.current([0.1, 0.2, 9]), [2e-6, 1.5e-6, 0.5e-6])
    assert table.shape(1.0) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tunnel(0.0, 1e-3), "peak_voltage_V is 0.0"),
        (lambda: Esaki(valley_voltage_V=0.05), "valley_voltage_V is 0.05; accepted: above peak_voltage_V"),
        (lambda: Bell(0.1, 1e-3, -1), "width_V is -1"),
        (lambda: Table([0, 1], [0, 1]), "n >= 3"),
        (lambda: Table([0, 0, 1], [0, 1, 0]), "strictly rising"),
        (lambda: Table([0, 1, 2], [-1, -1, -2]), "peak_voltage_V"),
        (lambda: Table([0, 1, 2], [0, 1]), "n >= 3"),
    ],
)
def test_impossible_devices(make, message):
    with pytest.raises(PhysicsError, match=message):
        make()


KELVINS = [250.0, 275.0, 300.0, 325.0, 350.0, 375.0, 400.0]


def at_kelvins(**law):
    return [Neuron(model="esaki", temperature_K=kelvin, **law).device for kelvin in KELVINS]


def test_nothing_changes_at_the_reference():
    assert at_kelvins()[2] == Esaki()
    assert at_kelvins(reference_temperature_K=350.0)[4] == Esaki(temperature_K=350.0)


def test_the_thermal_branch_rises_strongly():
    thermal = [
        float(d.saturation_current_A * np.expm1(1.602176634e-19 * 0.75 / (1.380649e-23 * d.temperature_K)))
        for d in at_kelvins()
    ]
    assert np.all(np.diff(thermal) > 0)
    assert thermal[-1] / thermal[2] > 30
    # SPICE: 4/3 cubed times exp(1.11 eV / k (1/300 - 1/400)).
    by_hand = (4 / 3) ** 3 * np.exp(1.11 / 8.617333262e-5 * (1 / 300 - 1 / 400))
    assert at_kelvins()[-1].saturation_current_A == pytest.approx(1e-16 * by_hand, rel=1e-6)
    assert 1e4 < by_hand < 1e6


def test_the_valley_rises_and_the_peak_hardly_moves():
    v = np.linspace(0.1, 0.6, 5001)
    valleys = [float(d.current(v).min()) for d in at_kelvins()]
    assert np.all(np.diff(valleys) > 0)
    peaks = [d.peak[1] for d in at_kelvins()]
    assert np.ptp(peaks) < 1e-3 * peaks[2]
    # Silicon's gap is 27.6 meV narrower at 400 K than at 300 K, which is worth 27.6 mV at 30 per volt.
    narrower = 4.73e-4 * (400**2 / 1036 - 300**2 / 936)
    assert narrower == pytest.approx(0.0276, abs=1e-4)
    assert at_kelvins()[-1].excess_current_A == pytest.approx(1e-4 * np.exp(30 * narrower), rel=1e-9)


@pytest.mark.parametrize("percent", [0.1, -0.1])
def test_the_peak_goes_either_way(percent):
    peaks = [d.peak_current_A for d in at_kelvins(peak_current_percent_per_K=percent)]
    assert np.all(np.sign(np.diff(peaks)) == np.sign(percent))
    assert peaks[-1] == pytest.approx(1e-3 * (1 + percent))


def test_retention_shortens_by_arrhenius():
    held = Ecram(retention_s=1e6, retention_energy_eV=1.0, retention_rest=0.25)
    times = [held.time_constant_s(kelvin) for kelvin in KELVINS]
    assert np.all(np.diff(times) < 0)
    slope = np.polyfit(1 / np.array(KELVINS), np.log(times), 1)[0]
    assert slope * 8.617333262e-5 == pytest.approx(1.0, rel=1e-6)
    assert held.time_constant_s(300.0) == 1e6
    kept = held.kept([0.0, 0.25, 1.0], 1e6, 300.0)
    np.testing.assert_allclose(kept, 0.25 + np.array([-0.25, 0, 0.75]) / np.e)
    after = [float(held.kept(1.0, 1e3, kelvin)) for kelvin in KELVINS]
    assert np.all(np.diff(after) < 0)
    again = held.kept(held.kept(0.9, 3e5, 320.0), -3e5, 320.0)
    assert float(again) == pytest.approx(0.9)
    assert Ecram().kept(0.9, 1e9, 400.0) == 0.9, "without a time constant it stays"
    two = held.kept(held.kept(0.9, 1e5, 320.0), 2e5, 320.0)
    assert float(two) == pytest.approx(float(held.kept(0.9, 3e5, 320.0)))
