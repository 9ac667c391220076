"""Rows placed where stuck cells hurt least: against every permutation, through wires, and in a file."""

import itertools

import numpy as np
import pytest

from emulator.device.array.crossbar import effective_matrix
from emulator.device.description import load_chip
from emulator.device.rram.programming import STUCK_HIGH, STUCK_LOW
from emulator.mapping import map_network
from emulator.mapping.cells import compensate, pair_targets, places
from emulator.mapping.order import in_order
from tests.chips import centred_network, changed, mitigated

PLACED = mitigated(row_placement=True)


def chip(name="dendritic-analog", *, percent=8.0, **array):
    return changed(name, cell={"stuck_low_percent": percent, "stuck_high_percent": percent}, array=array)


def samples(rows=40):
    """Half of the inputs are dark."""
    x = np.random.default_rng(0).integers(0, 256, (300, rows))
    return np.where(np.arange(rows) % 2, x, x // 20).astype(np.uint8)


def test_no_permutation_is_better():
    rng = np.random.default_rng(2)
    described = chip()
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
    described = chip("wan2022", rows=8)
    mapped = map_network(centred_network(), described, samples(), options=PLACED)
    for array in mapped.die.arrays:
        place = array.mapped.cells.place
        np.testing.assert_array_equal(place // 8, np.arange(len(place)) // 8)


def test_cells_lie_where_their_rows_are_placed():
    """The wires' part, by the crossbar of the physical rows; rows that are wired keep their places."""
    mapped = map_network(centred_network(), chip(wire_resistance_ohm=20.0), samples(), options=PLACED)
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
    net, x, described = centred_network(), samples(), chip()
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
