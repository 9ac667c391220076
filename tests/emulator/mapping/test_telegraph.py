"""Telegraph noise: traps that fill and empty one by one against the deviation that a read draws."""

import numpy as np
import pytest

from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import Dense, Network
from tests.chips import changed

SHARE, STEP = 20.0, 40.0
ROWS, COLUMNS, MOMENTS = 128, 40, 4000
RNG = np.random.default_rng(2)
NET = Network.chain((Dense(RNG.normal(size=(ROWS, COLUMNS)), np.zeros(COLUMNS)),), "one product")
SAMPLES = RNG.integers(0, 256, (200, ROWS), dtype=np.uint8)


def mapped(dac_bits: int):
    cell = {"telegraph_percent": SHARE, "telegraph_step_percent": STEP}
    chip = changed("ideal", cell=cell, readout={"adc_bits": 12}, input={"dac_bits": dac_bits})
    return map_network(NET, chip, SAMPLES, seed=1)


@pytest.mark.parametrize(("dac_bits", "least", "most"), [(8, 0.95, 1.05), (4, 0.86, 0.97)])
def test_columns_deviate_as_with_traps_one_by_one(dac_bits: int, least: float, most: float) -> None:
    """Of several slices each is drawn anew, where a trap stays: a little less variance, as the docs say."""
    one, x = mapped(dac_bits), SAMPLES[:1]
    array = one.die.arrays[0]
    cells = array.mapped.cells.faulted  # (2, K, M)
    per_uS = array.mapped.limits / (one.die.chip.cell.g_max_uS - one.die.chip.cell.g_min_uS)
    rng = np.random.default_rng(3)
    sums = np.empty((MOMENTS, COLUMNS))
    for moment in range(MOMENTS):
        # Which cells have a trap is drawn anew too: the law is of cells at large.
        full = (rng.random(cells.shape) < SHARE / 100) & (rng.random(cells.shape) < 0.5)
        g = cells * (1 - STEP / 100 * full)
        sums[moment] = (x[0] / 255) @ ((g[0] - g[1]) * per_uS)
    step = one.program.meaning.output_step
    golden = Core(one.program).infer(np.repeat(x, MOMENTS, axis=0), seed=5) * step
    # A trap that is there half of the time has a spread of its own in which cells have one.
    variance = sums.var(axis=0).mean() * (0.25 * SHARE / 100) / (SHARE / 200 - (SHARE / 200) ** 2)
    assert least < golden.var(axis=0).mean() / variance < most
    centred = (sums - sums.mean(axis=0)) / sums.std(axis=0)
    assert abs((centred**4).mean() - 3) < 0.3, "so many cells add up to a normal law"
