"""ECRAMs that set a curve's shape: from the device to the program, and from training to the states."""

import numpy as np
import pytest

from emulator.device.description import Ecram
from emulator.device.ndr.curves import Bell, Double, Esaki
from emulator.errors import CompileError, NetworkError
from emulator.golden import Core
from emulator.learning.tuning import Tunable
from emulator.mapping import map_network
from emulator.mapping.states import family
from emulator.network import Dense, Ndr, Network, load_network
from tests.chips import changed

RNG = np.random.default_rng(3)
X = RNG.integers(0, 256, (400, 20), dtype=np.uint8)
U = np.linspace(-4.0, 8.0, 1201)
KINDS = {
    "valley": ({"model": "esaki"}, (0.5, 1.2)),
    "width": ({"model": "bell", "width_V": 0.05}, (0.5, 2.0)),
    "second_peak": ({"model": "double", "second_peak_voltage_V": 0.5}, (0.0, 0.9)),
}


def chip(kind, resistance=0.0, **ecram):
    neuron, (low, high) = KINDS[kind]
    shape = {"tunes": kind, "shape_low_factor": low, "shape_high_factor": high}
    neuron = neuron | {"source_resistance_ohm": resistance}
    return changed("ideal+ecram-linear-ysz", neuron=neuron, ecram=shape | ecram)


def network(described, states) -> Network:
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
    described = chip(kind, resistance)
    states = np.linspace(0.1, 0.9, 6)
    network(described, states).save(tmp_path / "n.npz")
    net = load_network(tmp_path / "n.npz")
    program, die, _ = map_network(net, described, X, seed=1)
    np.testing.assert_allclose(die.arrays[0].neurons.states.shape, states, atol=0.02)
    exact, got = net.forward(X / 255), Core(program).infer(X) * program.meaning.output_step
    assert np.corrcoef(exact.ravel(), got.ravel())[0, 1] > 0.995
    other = map_network(network(described, states[::-1]), described, X, seed=1).program
    assert not np.array_equal(Core(other).infer(X), Core(program).infer(X))


def test_shapes_are_kept_as_long_as_states():
    described = chip("valley", retention_s=1.0)
    held = map_network(network(chip("valley"), [0.5, 0.9]), described, X).die.arrays[0].neurons.states
    np.testing.assert_allclose(held.shape, np.exp(-1.0) * np.array([0.5, 0.9]), atol=0.01)


def test_refusals():
    with pytest.raises(NetworkError, match=r"activation curve has shape \(3, 1201\); accepted: \(2, P\) or"):
        Ndr(np.ones(5), np.ones(5), np.stack([U, 0 * U, 0 * U]))
    described = chip("valley")
    mapped = map_network(network(described, [0.5, 0.9]), described, X)
    with pytest.raises(CompileError, match="accepted for pulses in the loop: peak voltages and currents"):
        Tunable(mapped.program, mapped.die)
