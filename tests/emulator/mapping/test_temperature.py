"""A chip's temperature acts on everything of which its description has a law, through to the program."""

import numpy as np
import pytest

from emulator.mapping import map_network
from emulator.network import Dense, Ndr, Network
from tests.chips import changed

RNG = np.random.default_rng(3)
X = RNG.integers(0, 256, (60, 40), dtype=np.uint8)
KELVINS = (250.0, 300.0, 350.0, 400.0)


def network() -> Network:
    rng = np.random.default_rng(4)
    hidden = Ndr(np.ones(8), np.full(8, 0.6))
    first = Dense(rng.normal(size=(40, 8)) * 0.2, rng.normal(size=8) * 0.3 + 0.5, hidden)
    return Network.chain((first, Dense(rng.normal(size=(8, 4)), np.zeros(4))), "random")


def at(name, kelvin, **sections):
    return changed(name, conditions={"temperature_K": kelvin}, **sections)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dendritic-analog", "dendritic-ndr"])
def test_hotter_chips_have_higher_valleys_and_lower_peaks(name):
    """What temperature does to noise: test_columns.py."""
    valley, height = [], []
    for kelvin in KELVINS:
        neurons = map_network(network(), at(name, kelvin), X, seed=2).die.arrays[0].neurons
        y = neurons.curves(np.repeat(np.linspace(1, 8, 701)[:, None], 8, axis=1))
        valley.append((y.min(axis=0) / y[0]).mean())
        height.append(neurons.states.current.mean())
    assert np.all(np.diff(valley) > 0)
    assert valley[3] > 1.15 * valley[1]
    assert np.all(np.diff(height) <= 0)
    assert height[3] < 0.99 * height[1], "hot ECRAMs lose their states"


def test_the_reference_temperature_is_the_descriptions():
    device = at("ideal", 350.0, neuron={"model": "esaki", "reference_temperature_K": 350.0}).neuron.device
    assert (device.excess_current_A, device.saturation_current_A) == (1e-4, 1e-16)
    assert at("dendritic-analog", 300.0).noise_factor == 1.0
    assert at("wan2022", 400.0).noise_factor == 1.0, "no law, no effect"


def test_states_are_lost_in_time_and_a_die_knows():
    ecram = {"retention_s": 2 * 86_400.0, "retention_rest": 0.2}
    die, fresh = (
        map_network(network(), at("dendritic-ndr", 300.0, ecram=e), X, seed=2).die
        for e in (ecram, {"retention_s": None})
    )
    now, set_to = (d.arrays[0].neurons.states.current for d in (die, fresh))
    np.testing.assert_allclose(now, 0.2 + (set_to - 0.2) * np.exp(-0.5))
    later = die.at(2 * 86_400.0).arrays[0].neurons.states.current
    np.testing.assert_allclose(later, 0.2 + (set_to - 0.2) * np.exp(-1.0))
    # A neuron whose peak voltage is set has its peak where the state now says.
    volts = ecram | {"tunes": "peak_voltage", "peak_voltage_high_factor": 2.0}
    chip = at("dendritic-ndr", 300.0, ecram=volts)
    moved = map_network(network(), chip, X, seed=2).die.arrays[0].neurons
    assert (moved.states.voltage < moved.states.reference).all()
    u = np.repeat(np.linspace(0, 3, 601)[:, None], 8, axis=1)
    assert (u[moved.curves(u).argmax(axis=0), 0] < 0.98).all()
