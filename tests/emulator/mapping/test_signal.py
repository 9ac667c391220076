"""What a layer's errors leave of its signal, read noise among them, and who is told."""

from __future__ import annotations

import numpy as np
import pytest

from emulator.device.description import Chip
from emulator.errors import CompileWarning
from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import Dense, Named, Network
from tests.chips import changed

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (300, 150), dtype=np.uint8)
X[:, ::3] = 0


def network(hidden: int = 24) -> Network:
    first = Dense(RNG.normal(size=(150, hidden)) / 12, RNG.normal(size=hidden) / 9, Named("relu"))
    return Network.chain([first, Dense(RNG.normal(size=(hidden, 10)), np.zeros(10))])


SLICED = changed("wan2022", input={"dac_bits": 4})


@pytest.mark.parametrize("chip", ["wan2022", SLICED, "dendritic-analog"], ids=["whole", "sliced", "analog"])
def test_read_noise_is_what_the_golden_model_draws(chip: Chip | str) -> None:
    """The stated loss of signal against the variance of repeated reads of the same codes."""
    net = Network.chain([Dense(RNG.normal(size=(150, 12)) / 12, np.zeros(12))])
    mapped = map_network(net, chip, X)
    (layer,) = mapped.report.layers
    core = Core(mapped.program)
    step = np.asarray(mapped.die.arrays[0].step)
    reads = np.stack([core.infer(X, seed=seed) for seed in range(1, 60)]) * step
    noise = reads.var(axis=0).mean(axis=0).sum()
    wanted = (X / 255) @ net.layers[0].weights
    signal = wanted.var(axis=0).sum()
    still = 10 ** (-layer.snr_db / 10)
    stated = 10 ** (-layer.noisy_snr_db / 10) - still
    assert stated == pytest.approx(noise / signal, rel=0.1)


def test_a_layer_in_its_noise_is_said_with_what_helps() -> None:
    loud = changed("wan2022", readout={"output_noise_lsb": 16.0})
    with pytest.warns(CompileWarning, match=r"layer 0: its signal is .* dB above its errors, mostly of read"):
        mapped = map_network(network(), loud, X)
    assert mapped.report.layers[0].largest_cause == "read noise"
    assert any("cell.read_noise_percent, readout" in line for line in mapped.report.warnings)
    quiet = map_network(network(), "wan2022", X).report
    assert not any("dB above" in line for line in quiet.warnings)
