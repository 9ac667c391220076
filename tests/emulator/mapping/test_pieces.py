"""A piece of something larger: its own cells, noise and steps; one array read from both sides."""

from typing import Any

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.errors import CompileError
from emulator.golden import Core
from emulator.mapping import MapOptions, Mapped, Mitigation, map_network, transposed
from emulator.network import Dense, Named, Network
from tests.chips import changed

RNG = np.random.default_rng(3)
SAMPLES = RNG.integers(0, 256, (200, 30)).astype(np.uint8)


def piece(scale: np.ndarray) -> Network:
    """Columns whose weights are ``scale`` (M,) times others'."""
    weights = np.random.default_rng(4).normal(size=(30, len(scale))) * scale
    return Network.chain([Dense(weights.astype(np.float32), np.zeros(len(scale), np.float32))], "piece")


def error(network: Network, *, column_steps: bool) -> np.ndarray:
    """Root mean square error of every column's sums, read noise off, relative to its deviation."""
    program, die, _ = map_network(network, "ideal", SAMPLES, options=MapOptions(column_steps=column_steps))
    sums = Core(program).infer(SAMPLES, noise=False) * die.arrays[0].step
    wanted = network.forward(SAMPLES / 255)
    return np.asarray(np.sqrt(np.square(sums - wanted).mean(axis=0)) / wanted.std(axis=0))


def test_each_column_has_its_own_step() -> None:
    network = piece(np.array([1.0, 1.0, 0.05, 0.05]))
    common, own = (error(network, column_steps=steps) for steps in (False, True))
    assert own[2:].max() < 0.02
    assert common[2:].min() > 2 * own[2:].max()  # small columns drown in the large ones' step
    program, die, _ = map_network(network, "ideal", SAMPLES, options=MapOptions(column_steps=True))
    assert program.meaning.output_step is None
    assert die.arrays[0].step[0] > 5 * die.arrays[0].step[2]
    program, die, _ = map_network(network, "ideal", SAMPLES)
    assert program.meaning.output_step == die.arrays[0].step[3]


def test_its_number_selects_its_cells_and_its_noise() -> None:
    network = piece(np.ones(5))
    first, again, second = (
        map_network(network, "wan2022", SAMPLES, seed=7, options=MapOptions(first_product=number))
        for number in (3, 3, 4)
    )
    assert first.program.first_product == 3
    assert first.program.checksum() == again.program.checksum()
    programmed = [m.die.arrays[0].mapped.cells.programmed for m in (first, second)]
    assert not np.allclose(*programmed)
    targets = [m.die.arrays[0].mapped.cells.target for m in (first, second)]
    np.testing.assert_array_equal(*targets)
    # The second of two layers is cells number 1 of the die.
    hidden = Dense(np.eye(30, dtype=np.float32), np.zeros(30, np.float32), Named("relu"))
    two = Network.chain([hidden, *network.layers], "two")
    whole = map_network(two, "wan2022", SAMPLES, seed=7)
    alone = map_network(network, "wan2022", SAMPLES, seed=7, options=MapOptions(first_product=1))
    programmed = [m.die.arrays[i].mapped.cells.programmed for m, i in ((whole, 1), (alone, 0))]
    np.testing.assert_array_equal(*programmed)


def test_biases_absorb_what_comes_before() -> None:
    """Samples as a die makes them, a tenth too large: the mean of that is taken back."""
    network = piece(np.ones(6))
    exact = np.random.default_rng(5).uniform(0, 0.8, (300, 30))
    given = np.rint(255 * 1.1 * exact).astype(np.uint8)
    wanted = network.forward(exact).mean(axis=0)
    off = []
    for known in (None, exact):
        program, die, _ = map_network(
            network, "wan2022", given, exact=known, options=MapOptions(column_steps=True)
        )
        sums = Core(program).infer(given, noise=False) * die.arrays[0].step
        off.append(np.abs(sums.mean(axis=0) - wanted).max())
    assert off[1] < 0.02
    assert off[0] > 0.1


K, M = 60, 24
DRAWN = np.random.default_rng(3)
W = DRAWN.normal(size=(K, M)) * np.linspace(0.2, 1.0, M)
RAW = Mitigation(bias_correction=False, gain_calibration=False)
"""Nothing that would hide which cells were read."""


def net(weights: np.ndarray) -> Network:
    return Network.chain((Dense(weights, np.zeros(weights.shape[1])),), "one array")


def both() -> tuple[Mapped, Mapped, np.ndarray]:
    """Forward and backward, and the weights that the die's cells hold, (K, M)."""
    x, h = (DRAWN.integers(0, 256, (200, count), dtype=np.uint8) for count in (K, M))
    raw = {"one_limit": True, "mitigation": RAW}
    forward = map_network(net(W), "wan2022", x, seed=4, options=MapOptions(**raw))
    mapped = forward.die.arrays[0].mapped
    turned = MapOptions(first_product=1, programmed=transposed(mapped), **raw)
    back = map_network(net(W.T), "wan2022", h, seed=4, options=turned)
    cell = load_chip("wan2022").cell
    held = (mapped.g_plus_uS - mapped.g_minus_uS) * (mapped.limits[0] / (cell.g_max_uS - cell.g_min_uS))
    return forward, back, held


def lost(mapped: Mapped, x: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square of a read's deviation from ``wanted``, relative to it."""
    y = Core(mapped.program).infer(x, noise=False) * mapped.die.arrays[0].step
    return float(np.sqrt(np.square(y - wanted).mean() / np.square(wanted).mean()))


def test_both_reads_are_of_the_same_cells() -> None:
    forward, back, held = both()
    x = DRAWN.integers(0, 256, (100, K), dtype=np.uint8)
    h = DRAWN.integers(0, 256, (100, M), dtype=np.uint8)
    assert lost(forward, x, x / 255 @ held) < 0.02
    assert lost(back, h, h / 255 @ held.T) < 0.02
    # What programming lost is seen from both sides, and is more than what converters lose.
    assert lost(forward, x, x / 255 @ W) > 0.03
    assert lost(back, h, h / 255 @ W.T) > 0.03


def test_what_cannot_be_read_from_both_sides() -> None:
    x, h = (DRAWN.integers(0, 256, (50, count), dtype=np.uint8) for count in (K, M))

    def made(one_limit: bool) -> Any:
        return map_network(net(W), "wan2022", x, options=MapOptions(one_limit=one_limit)).die.arrays[0].mapped

    with pytest.raises(CompileError, match="mapped with one_limit"):
        transposed(made(False))
    options = MapOptions(programmed=transposed(made(True)))
    wired = changed("wan2022", array={"wire_resistance_ohm": 1.0})
    for weights, chip, given, message in (
        (W, "wan2022", x, r"programmed is an array of \(24, 60\).*product, of \(60, 24\)"),
        (W.T, wired, h, r"wire_resistance_ohm is 1\.0; accepted with programmed cells: 0"),
    ):
        with pytest.raises(CompileError, match=message):
            map_network(net(weights), chip, given, options=options)
