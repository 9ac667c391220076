"""A piece of something larger: its own cells, noise and steps."""

import numpy as np

from emulator.golden import Core
from emulator.mapping import MapOptions, map_network
from emulator.network import Dense, Named, Network

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
