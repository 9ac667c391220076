"""Temperature acts in the direction the sources give, by as much as their formulas say by hand."""

import numpy as np
import pytest

from emulator.device.description import Ecram, Neuron
from emulator.device.ndr.curves import Esaki

KELVINS = [250.0, 275.0, 300.0, 325.0, 350.0, 375.0, 400.0]


def devices(**law):
    return [Neuron(model="esaki", temperature_K=kelvin, **law).device for kelvin in KELVINS]


def test_nothing_changes_at_the_reference():
    assert devices()[2] == Esaki()
    assert devices(reference_temperature_K=350.0)[4] == Esaki(temperature_K=350.0)


def test_the_thermal_branch_rises_strongly():
    thermal = [
        float(d.saturation_current_A * np.expm1(1.602176634e-19 * 0.75 / (1.380649e-23 * d.temperature_K)))
        for d in devices()
    ]
    assert np.all(np.diff(thermal) > 0)
    assert thermal[-1] / thermal[2] > 30
    # SPICE: 4/3 cubed times exp(1.11 eV / k (1/300 - 1/400)).
    by_hand = (4 / 3) ** 3 * np.exp(1.11 / 8.617333262e-5 * (1 / 300 - 1 / 400))
    assert devices()[-1].saturation_current_A == pytest.approx(1e-16 * by_hand, rel=1e-6)
    assert 1e4 < by_hand < 1e6


def test_the_valley_rises_and_the_peak_hardly_moves():
    v = np.linspace(0.1, 0.6, 5001)
    valleys = [float(d.current(v).min()) for d in devices()]
    assert np.all(np.diff(valleys) > 0)
    peaks = [d.peak[1] for d in devices()]
    assert np.ptp(peaks) < 1e-3 * peaks[2]
    # Silicon's gap is 27.6 meV narrower at 400 K than at 300 K, which is worth 27.6 mV at 30 per volt.
    narrower = 4.73e-4 * (400**2 / 1036 - 300**2 / 936)
    assert narrower == pytest.approx(0.0276, abs=1e-4)
    assert devices()[-1].excess_current_A == pytest.approx(1e-4 * np.exp(30 * narrower), rel=1e-9)


@pytest.mark.parametrize("percent", [0.1, -0.1])
def test_the_peak_goes_either_way(percent):
    peaks = [d.peak_current_A for d in devices(peak_current_percent_per_K=percent)]
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
