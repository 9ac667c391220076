"""Cells of one product: where pulses land them and what is counted, and traps that fill
and empty in them."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.errors import CompileError, CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Dense, Network
from tests.chips import changed, mitigated

RNG = np.random.default_rng(2)
NET = Network.chain((Dense(RNG.normal(size=(64, 16)), np.zeros(16)),), "one product")
SAMPLES = RNG.integers(0, 256, (200, 64), dtype=np.uint8)
LAW = load_chip("ibm-cmo-hfox-0.2")

WIDE = changed("ibm-cmo-hfox-2+programming-gong2018", programming={"low_uS": 4.0, "high_uS": 100.0})
PULSED = changed(
    dataclasses.replace(LAW, programming=WIDE.programming),
    programming={"window_percent": 0.001, "window_relative_percent": 0.2, "most_pulses": 20_000},
)


WAN_1_S = (0.348, 16.030, -43.853, 45.393, -16.815)
"""aihwkit's ReRamWan2022NoiseModel, 1 s after programming, uS over G / 40 uS."""


def test_cells_land_within_the_window_and_near_the_published_law():
    """IBM's law of cells accepted within 0.2 % against a loop that accepts within
    0.2 % (and 0.9 nS)."""
    mapped = map_network(NET, PULSED, SAMPLES, seed=1)
    cells, count = mapped.die.arrays[0].mapped.cells, mapped.report.layers[0].pulses
    off = cells.programmed - cells.target
    assert (np.abs(off) <= 0.002 * cells.target + 0.0009 + 1e-9).all()
    assert count is not None
    assert (count.cells, count.given_up, count.wear) == (off.size, 0, None)
    assert count.error_uS == pytest.approx(np.sqrt((off**2).mean()))
    assert count.error_uS == pytest.approx(count.law_uS, rel=0.1)
    assert count.reads == count.pulses + count.cells, "each pulse is verified, and so is the forming"
    assert count.time_s == pytest.approx(count.cells * 5e-3 + count.reads * 1e-6 + count.pulses * 2.1e-6)


def test_cells_relax_after_the_last_verifying_read():
    """wan2022's law of 1 s (1.33 uS over these targets) after a loop that leaves 0.2
    uS; by hand, as variances."""
    network = Network.chain((Dense(RNG.normal(size=(128, 32)), np.zeros(32)),), "wan")
    chip, x = load_chip("wan2022+programming-gong2018"), RNG.integers(0, 256, (64, 128), dtype=np.uint8)
    mapped = map_network(network, chip, x, seed=2)
    count, cells = mapped.report.layers[0].pulses, mapped.die.arrays[0].mapped.cells
    law = np.sqrt(np.square(np.polynomial.polynomial.polyval(cells.target / 40, WAN_1_S)).mean())
    assert count.verified_uS < 0.25
    assert count.error_uS == pytest.approx(np.hypot(law, count.verified_uS), rel=0.03)
    assert not [line for line in mapped.report.warnings if "pulses leave" in line]
    still = changed(chip, cell={"relaxation": "none"})
    with pytest.warns(CompileWarning, match=r"pulses leave cells 0\.\d+ uS .* says 1\.\d uS"):
        map_network(network, still, x, seed=2)
    half = changed(chip, cell={"relaxation_s": 1 / np.log(2)})
    count = map_network(network, half, x).report.layers[0].pulses
    assert count.error_uS == pytest.approx(np.hypot(law / 2**0.5, count.verified_uS), rel=0.03)


def test_stuck_cells_are_not_pulsed_and_short_loops_give_up():
    stuck = changed(WIDE, cell={"stuck_low_percent": 10.0}, programming={"most_pulses": 30})
    mapped = map_network(NET, stuck, SAMPLES, seed=1)
    count, cells = mapped.report.layers[0].pulses, mapped.die.arrays[0].mapped.cells
    assert count.cells == int((cells.stuck == 0).sum()) < cells.stuck.size
    assert 0 < count.given_up < count.cells
    assert any(
        f"{count.given_up} of {count.cells} cells were never read" in w for w in mapped.report.warnings
    )
    worn = changed(stuck, programming={"endurance_pulses": 1000.0})
    assert map_network(NET, worn, SAMPLES, seed=1).report.layers[0].pulses.wear == pytest.approx(0.03)


def test_other_draws_stay_and_nominal_cells_are_not_pulsed():
    """Chips that differ in how they are programmed alone have the same stuck cells,
    ageing and converters."""
    law, pulsed = (
        map_network(NET, changed(c, cell={"stuck_low_percent": 5.0}), SAMPLES, seed=1) for c in (LAW, PULSED)
    )
    for field in ("stuck", "ageing"):
        np.testing.assert_array_equal(*(getattr(m.die.arrays[0].mapped.cells, field) for m in (law, pulsed)))
    nominal = map_network(NET, PULSED, SAMPLES, options=MapOptions(nominal=True))
    assert nominal.report.layers[0].pulses is None
    with pytest.raises(CompileError, match=r"write_verify_attempts is 3; accepted: 0, as programming.model"):
        map_network(NET, PULSED, SAMPLES, options=mitigated(write_verify_attempts=3))


SHARE, STEP, MOMENTS = 20.0, 40.0, 4000
TALL = Network.chain((Dense(RNG.normal(size=(128, 40)), np.zeros(40)),), "tall")
TALL_SAMPLES = RNG.integers(0, 256, (200, 128), dtype=np.uint8)


def mapped(dac_bits: int):
    cell = {"telegraph_percent": SHARE, "telegraph_step_percent": STEP}
    chip = changed("ideal", cell=cell, readout={"adc_bits": 12}, input={"dac_bits": dac_bits})
    return map_network(TALL, chip, TALL_SAMPLES, seed=1)


@pytest.mark.parametrize(("dac_bits", "least", "most"), [(8, 0.95, 1.05), (4, 0.86, 0.97)])
def test_columns_deviate_as_with_traps_one_by_one(dac_bits: int, least: float, most: float) -> None:
    """Of several slices each is drawn anew, where a trap stays: a little less
    variance, as the docs say."""
    one, x = mapped(dac_bits), TALL_SAMPLES[:1]
    array = one.die.arrays[0]
    cells = array.mapped.cells.faulted  # (2, K, M)
    per_uS = array.mapped.limits / (one.die.chip.cell.g_max_uS - one.die.chip.cell.g_min_uS)
    rng = np.random.default_rng(3)
    sums = np.empty((MOMENTS, 40))
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
