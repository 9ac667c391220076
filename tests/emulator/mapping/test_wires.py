"""Cells programmed for what wires take, and rows placed where stuck cells hurt least."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from emulator.device.array.crossbar import effective_matrix
from emulator.device.description import Chip, load_chip
from emulator.device.rram.programming import STUCK_HIGH, STUCK_LOW
from emulator.mapping import Mitigation, map_network
from emulator.mapping.cells import compensate, pair_targets, places
from emulator.mapping.mitigation import NOTHING
from emulator.mapping.order import in_order
from emulator.mapping.weights import column_limits
from emulator.mapping.wires import LIMIT_RISES, compensated, part_left
from emulator.network import load_network
from emulator.network.zoo import FOLDER
from tests.chips import centred_network, changed, mitigated

IDEAL = load_chip("ideal")
ANALOG = load_chip("dendritic-analog")
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(200, 40))


def wired(chip: Chip, ohm: float) -> Chip:
    return changed(chip, array={"wire_resistance_ohm": ohm})


@pytest.mark.slow
def test_the_search_sees_what_its_own_levels_lose() -> None:
    """Two arrays of the shipped dendritic network at 10 ohm a segment, cells of a tenth of the error: 19 dB
    and more; 15 after one round."""
    weights = load_network(FOLDER / "float-fashion-mnist-784-128-10-dendritic.npz").layers[0].weights[128:384]
    chip = wired(changed(ANALOG, cell={"error_scale": 0.1}), 10.0)
    limits = column_limits(weights, chip.cell.levels, uniform=True)
    levels, raised = compensated(weights, limits, chip, None, may_rise=True)
    held = levels * part_left(levels, chip, None) * (raised / (chip.cell.levels - 1))
    assert 10 * np.log10(np.square(weights).mean() / np.square(held - weights).mean()) > 19.0


@pytest.mark.parametrize(
    ("measures", "chip", "wires", "gains"),
    [
        ({}, "dendritic-ndr", False, ("column", "column")),  # gains behind its columns do it
        ({}, "dendritic-analog", True, ("common", "none")),
        ({}, "wan2022", False, ("none", "none")),  # no error that is known to be systematic
        ({"gain_calibration": False}, "dendritic-analog", True, ("none", "none")),
        ({"gain_calibration": False}, "dendritic-ndr", False, ("none", "none")),
        ({"wire_compensation": True}, "dendritic-ndr", True, ("column", "column")),
        ({"wire_compensation": True}, "ideal", False, ("none", "none")),  # no wires
        (dataclasses.asdict(NOTHING), "dendritic-analog", False, ("none", "none")),
    ],
)
def test_who_is_compensated_and_how_many_gains_there_are(
    measures: dict[str, Any], chip: str, wires: bool, gains: tuple[str, str]
) -> None:
    """``gains``: of hidden layers, and of the last one."""
    made = Mitigation(**measures)
    assert made.compensates_wires(load_chip(chip)) == wires
    assert tuple(made.gains(load_chip(chip), final=final) for final in (False, True)) == gains


def test_limits_rise_where_wires_take_much() -> None:
    """A larger limit makes the cells' errors weigh more: worse cells leave less room for wires."""
    limits = column_limits(WEIGHTS, ANALOG.cell.levels, uniform=True)
    wide = wired(ANALOG, 30.0)
    rises, kept = [], []
    for chip in (wired(ANALOG, 0.1), changed(wide, cell={"error_scale": 4.0}), wide, wired(ANALOG, 60.0)):
        levels, raised = compensated(WEIGHTS, limits, chip, None, may_rise=True)
        assert np.abs(levels).max() <= ANALOG.cell.levels - 1
        (rise,) = np.unique(np.round(raised / limits, 9))
        rises.append(float(rise))
        held = levels * part_left(levels, chip, None) * (raised / (ANALOG.cell.levels - 1))
        kept.append(10 * np.log10(np.square(WEIGHTS).mean() / np.square(held - WEIGHTS).mean()))
    assert rises[0] == 1.0 <= rises[1] < rises[2] < rises[3]
    assert set(rises) <= set(LIMIT_RISES)
    assert kept[2] > 10, "raised limits load the wires less: 9 dB where nothing reckons with it"
    np.testing.assert_array_equal(compensated(WEIGHTS, limits, wide, None, may_rise=False)[1], limits)


PLACED = mitigated(row_placement=True)


def faulty(name="dendritic-analog", *, percent=8.0, **array):
    return changed(name, cell={"stuck_low_percent": percent, "stuck_high_percent": percent}, array=array)


def half_dark(rows=40):
    """Half of the inputs are dark."""
    x = np.random.default_rng(0).integers(0, 256, (300, rows))
    return np.where(np.arange(rows) % 2, x, x // 20).astype(np.uint8)


def test_no_permutation_is_better():
    rng = np.random.default_rng(2)
    described = faulty()
    target = rng.uniform(0, 40, (2, 6, 3))
    stuck = rng.choice([0, 0, STUCK_LOW, STUCK_HIGH], (2, 6, 3)).astype(np.int8)
    volts = rng.uniform(0, 0.2, 6)

    def lost(place):
        here = stuck[:, list(place)]
        got = described.cell.with_stuck(compensate(target, here, described), here)
        return (np.square((got[0] - got[1]) - (target[0] - target[1])) * volts[:, None] ** 2).sum()

    found = places(target, stuck, described, volts)
    assert sorted(found) == list(range(6))
    assert lost(found) == pytest.approx(min(map(lost, itertools.permutations(range(6)))))


def test_rows_stay_in_their_converters_tile():
    described = faulty("wan2022", rows=8)
    mapped = map_network(centred_network(), described, half_dark(), options=PLACED)
    for array in mapped.die.arrays:
        place = array.mapped.cells.place
        np.testing.assert_array_equal(place // 8, np.arange(len(place)) // 8)


def test_cells_lie_where_their_rows_are_placed():
    """The wires' part, by the crossbar of the physical rows; rows that are wired keep their places."""
    mapped = map_network(centred_network(), faulty(wire_resistance_ohm=20.0), half_dark(), options=PLACED)
    first, second = (array.mapped.cells for array in mapped.die.arrays)
    assert second.place is None
    assert (first.place != np.arange(40)).any()
    for side, g in enumerate(first.faulted):
        physical = np.empty_like(g)
        physical[first.place] = g
        np.testing.assert_allclose(first.effective[side], effective_matrix(physical, 20.0)[first.place])


@pytest.mark.slow
def test_units_in_another_order_compute_the_same_and_lose_less():
    """The second layer's rows are wired: the order of the first layer's units decides what is on them."""
    net, x, described = centred_network(), half_dark(), faulty()
    ordered = in_order(net, described, x, 3)
    np.testing.assert_allclose(ordered.forward(x / 255), net.forward(x / 255), atol=1e-4)
    assert not np.array_equal(ordered.products[0].dense.bias, net.products[0].dense.bias)

    def lost(of):
        mapped = map_network(of, described, x, seed=3, options=PLACED)
        cells, hidden = mapped.die.arrays[1].mapped.cells, of.activations(x / np.float32(255))[0]
        plus, minus = pair_targets(mapped.die.arrays[1].mapped.levels.astype(int), described.cell)
        off = (cells.faulted[0] - cells.faulted[1]) - (plus - minus)
        return float((np.square(off).sum(axis=1) * np.square(hidden).mean(axis=0)).sum())

    assert lost(ordered) < 0.5 * lost(net)
    other = in_order(net, load_chip("wan2022"), x, 3)
    np.testing.assert_array_equal(other.products[0].dense.bias, net.products[0].dense.bias)
