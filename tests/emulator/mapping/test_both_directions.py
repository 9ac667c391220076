"""One array read from its rows and from its columns: the same cells both ways."""

from __future__ import annotations

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.errors import CompileError
from emulator.golden import Core
from emulator.mapping import MapOptions, Mapped, Mitigation, map_network, transposed
from emulator.network import Dense, Network
from tests.chips import changed

K, M = 60, 24
RNG = np.random.default_rng(3)
W = RNG.normal(size=(K, M)) * np.linspace(0.2, 1.0, M)
RAW = Mitigation(bias_correction=False, gain_calibration=False)
"""Nothing that would hide which cells were read."""


def net(weights: np.ndarray) -> Network:
    return Network.chain((Dense(weights, np.zeros(weights.shape[1])),), "one array")


def both() -> tuple[Mapped, Mapped, np.ndarray]:
    """Forward and backward, and the weights that the die's cells hold, (K, M)."""
    x = RNG.integers(0, 256, (200, K), dtype=np.uint8)
    h = RNG.integers(0, 256, (200, M), dtype=np.uint8)
    forward = map_network(net(W), "wan2022", x, seed=4, options=MapOptions(one_limit=True, mitigation=RAW))
    mapped = forward.die.arrays[0].mapped
    back = map_network(
        net(W.T),
        "wan2022",
        h,
        seed=4,
        options=MapOptions(one_limit=True, first_product=1, programmed=transposed(mapped), mitigation=RAW),
    )
    cell = load_chip("wan2022").cell
    held = (mapped.g_plus_uS - mapped.g_minus_uS) * (mapped.limits[0] / (cell.g_max_uS - cell.g_min_uS))
    return forward, back, held


def lost(mapped: Mapped, x: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square of a read's deviation from ``wanted``, relative to it."""
    y = Core(mapped.program).infer(x, noise=False) * mapped.die.arrays[0].step
    return float(np.sqrt(np.square(y - wanted).mean() / np.square(wanted).mean()))


def test_both_reads_are_of_the_same_cells() -> None:
    forward, back, held = both()
    x = RNG.integers(0, 256, (100, K), dtype=np.uint8)
    h = RNG.integers(0, 256, (100, M), dtype=np.uint8)
    assert lost(forward, x, x / 255 @ held) < 0.02
    assert lost(back, h, h / 255 @ held.T) < 0.02
    # What programming lost is seen from both sides, and is more than what converters lose.
    assert lost(forward, x, x / 255 @ W) > 0.03
    assert lost(back, h, h / 255 @ W.T) > 0.03


def test_both_reads_have_read_noise_of_their_own() -> None:
    forward, back, _ = both()
    x, h = np.full((1, K), 255, np.uint8), np.full((1, M), 255, np.uint8)
    for mapped, given in ((forward, x), (back, h)):
        core = Core(mapped.program)
        assert (core.infer(given, seed=1) != core.infer(given, noise=False)).any()
    assert back.program.first_product == 1


def test_what_cannot_be_read_from_both_sides() -> None:
    x = RNG.integers(0, 256, (50, K), dtype=np.uint8)
    apart = map_network(net(W), "wan2022", x, seed=4).die.arrays[0].mapped
    with pytest.raises(CompileError, match="mapped with one_limit"):
        transposed(apart)
    turned = transposed(
        map_network(net(W), "wan2022", x, options=MapOptions(one_limit=True)).die.arrays[0].mapped
    )
    with pytest.raises(CompileError, match=r"programmed is an array of \(24, 60\).*product, of \(60, 24\)"):
        map_network(net(W), "wan2022", x, options=MapOptions(programmed=turned))
    chip = load_chip("wan2022")
    wired = changed(chip, array={"wire_resistance_ohm": 1.0})
    h = RNG.integers(0, 256, (50, M), dtype=np.uint8)
    with pytest.raises(CompileError, match=r"wire_resistance_ohm is 1\.0; accepted with programmed cells: 0"):
        map_network(net(W.T), wired, h, options=MapOptions(programmed=turned))
