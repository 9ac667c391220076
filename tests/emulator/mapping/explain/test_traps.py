"""Traps with memory: the law of their levels, and that nothing depends on what
was computed before."""

import numpy as np
import pytest

from ndrite.emulator.device.rram.programming import telegraph_sigma
from ndrite.emulator.mapping import Mapped, map_network
from ndrite.emulator.mapping.explain.forward import Forward, stages
from ndrite.emulator.mapping.explain.traps import Traps, _mixed
from ndrite.emulator.network import Network
from ndrite.emulator.network.nodes import Dense
from tests.chips import changed, samples

CELL = {"telegraph_percent": 30.0, "telegraph_step_percent": 20.0}
NET = Network.chain([Dense(np.random.default_rng(2).normal(size=(150, 40)), np.zeros(40))])
SAMPLES = samples(NET, 200)


def mapped(dwell: float | None = 10.0, **sections: dict[str, float]) -> Mapped:
    chip = changed("ideal", cell=CELL | {"telegraph_dwell": dwell}, **sections)
    return map_network(NET, chip, SAMPLES, seed=3)


def changes(one: Mapped, first: int, count: int, seed: int = 4) -> np.ndarray:
    """What traps add to the weights, in codes: (count, K, M)."""
    array = one.die.arrays[0]
    return np.array(list(Traps(array.mapped, one.die.chip, one.die.seed, seed, 0).weights(first, count)))


def test_words_are_those_of_splitmix64() -> None:
    """The first two from seed 0, as published."""
    seeds = np.array([0, 0x9E3779B97F4A7C15], np.uint64)
    assert _mixed(seeds).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_an_inference_has_the_same_traps_whatever_came_before() -> None:
    one = mapped()
    whole = changes(one, 0, 60)
    np.testing.assert_array_equal(whole[37:45], changes(one, 37, 8))
    assert (whole[10] != whole[50]).any()
    assert (whole != changes(one, 0, 60, seed=5)).any()


@pytest.mark.parametrize("dwell", [2.0, 8.0])
def test_levels_last_as_long_as_stated(dwell: float) -> None:
    """Two levels a trap, full half of the time; correlation (1 - 2 / dwell) ** apart;
    the stated share."""
    one = mapped(dwell)
    array = one.die.arrays[0]
    traps = Traps(array.mapped, one.die.chip, one.die.seed, 4, 0)
    assert len(traps.cell) / array.mapped.cells.faulted.size == pytest.approx(0.30, abs=0.015)
    full = np.array([np.where(traps._states(i), -1.0, 1.0) for i in range(1000, 1200)])
    assert abs(full.mean()) < 0.03
    for apart in (1, 4):
        correlation = (full[apart:] * full[:-apart]).mean()
        assert correlation == pytest.approx((1 - 2 / dwell) ** apart, abs=0.03)
    # Each read alone has the variance of the law without memory.
    g = array.mapped.cells.faulted
    law = np.square(telegraph_sigma(g, 30.0, 20.0)).sum(axis=0)
    cell = one.die.chip.cell
    per_code = array.mapped.limits / (cell.g_max_uS - cell.g_min_uS) / array.mapped.unit
    expected = (law * np.square(per_code)).mean()
    assert np.square(changes(one, 1000, 30)).mean() == pytest.approx(expected, rel=0.1)


def test_a_full_trap_takes_from_its_cell_from_the_first_inference_on() -> None:
    one = mapped(1e5)  # no trap draws a state anew here
    array = one.die.arrays[0]
    traps = Traps(array.mapped, one.die.chip, one.die.seed, 4, 0)
    assert 0.45 < traps._states(0).mean() < 0.55
    pairs = array.mapped.codes.size
    positive = traps.cell < pairs
    assert (traps.change[positive] >= 0).all()
    assert (traps.change[~positive] <= 0).all()
    cell = one.die.chip.cell  # half of 20 % of the cell, in codes
    per_uS = array.mapped.limits / (cell.g_max_uS - cell.g_min_uS) / array.mapped.unit
    halves = 0.1 * array.mapped.cells.faulted * per_uS
    np.testing.assert_allclose(np.abs(traps.change), halves.reshape(-1)[traps.cell])
    single = {
        int(cell): i for i, cell in enumerate(traps.cell) if (traps.cell % pairs == cell % pairs).sum() == 1
    }
    (added,) = traps.weights(0, 1)
    full = traps._states(0)
    for cell, i in list(single.items())[:50]:
        assert added.reshape(-1)[cell % pairs] == (-traps.change[i] if full[i] else traps.change[i])


@pytest.mark.parametrize("bits", [8, 4])
def test_sums_are_those_of_the_changed_weights(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tiles, with and without slices, sample by sample."""
    one = mapped(input={"dac_bits": bits})
    x = samples(NET, 12, seed=9)
    model, plain = (
        Forward(NET, one.program, one.die, stages(NET, one.program, one.die), causes, seed=4)
        for causes in (["telegraph noise"], ["converter mismatch"])
    )
    step = one.die.arrays[0].mapped.unit / 255
    added = np.stack([x[i].astype(float) @ w * step for i, w in enumerate(changes(one, 0, 12))])
    np.testing.assert_allclose(model.logits(x) - plain.logits(x), added, atol=1e-5)
    assert np.abs(added).max() > 0.05
    monkeypatch.setattr("ndrite.emulator.mapping.explain.forward.VALUES_MAX", 150 * 5)
    np.testing.assert_allclose(model.logits(x) - plain.logits(x), added, atol=1e-5)  # five samples at a time
