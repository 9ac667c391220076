"""The floorplan: one site a lane, along a path without jumps, on sites the dies have."""

import dataclasses
import itertools
import re

import pytest

from ndrite.boards.fpga import find_target, synthesis
from ndrite.boards.fpga.floorplan import places
from ndrite.boards.fpga.target import Target
from ndrite.hdl.learn.lanes import group_count
from tests.refusals import refused

WIDE = find_target("ulx3s-85f-128")
# Columns as nextpnr names the 85F's multipliers and block RAMs of a row.
MULTIPLIERS = (
    "4 5 8 9 13 14 17 18 22 23 26 27 31 32 35 36 40 41 44 45 49 50 53 54 58 59 62 63 69 70 73 74 78 79 82 83 "
    "87 88 91 92 96 97 100 101 105 106 109 110 114 115 118 119"
)
MEMORIES = (
    "4 6 8 10 13 15 17 19 22 24 26 28 31 33 35 37 40 42 44 46 49 51 53 55 58 60 62 64 69 71 73 75 78 80 82 "
    "84 87 89 91 93 96 98 100 102 105 107 109 111 114 116 118 120"
)


def position(site: str) -> tuple[int, int]:
    """(column, row) of a site as nextpnr names it."""
    named = re.fullmatch(r"X(\d+)/Y(\d+)/(?:MULT18_|EBR)\d", site)
    assert named, site
    return int(named[1]), int(named[2])


def positions(board: Target, what: str) -> list[tuple[int, int]]:
    """(column, row) of every lane's multiplier or memory."""
    found = {}
    for cell, site in places(board).items():
        lane = re.fullmatch(rf"top\.device\.machine\.core\.array\.lane_(\d+)\.{what}\..*", cell)
        if lane:
            found[int(lane[1])] = position(site)
    return [found[lane] for lane in sorted(found)]


def test_no_two_cells_share_a_site() -> None:
    sites = places(WIDE)
    assert len(set(sites.values())) == len(sites)
    assert len([cell for cell in sites if ".lane_" in cell]) == 2 * WIDE.geometry.lanes


def test_what_feeds_the_array_stands_before_its_first_lane() -> None:
    rest = {cell: site for cell, site in places(WIDE).items() if ".lane_" not in cell}
    multipliers = [site for site in rest.values() if "MULT18" in site]
    # Two of the squares are made of LUTs, and the roots and neurons beyond those
    # of one row a cycle.
    assert len(multipliers) == 6 + 3 * WIDE.geometry.readouts + 2 * (WIDE.geometry.noise_units - 2) + 3
    first = positions(WIDE, "multiplier")[0][0]
    assert max(position(site)[0] for site in rest.values()) < first
    # The last two squares are made of LUTs.
    squares = {cell for cell in rest if ".scanner.square_" in cell}
    assert squares == {f"top.device.machine.core.scanner.square_{i}.multiplier" for i in range(6)}
    assert places(WIDE)["top.device.machine.core.scanner.square_0.multiplier"] == "X63/Y58/MULT18_5"


@pytest.mark.parametrize(
    ("what", "columns", "rows"),
    [("multiplier", MULTIPLIERS, (58, 34, 10)), ("memory", MEMORIES, (70, 46, 22))],
)
def test_sites_are_the_dies(what: str, columns: str, rows: tuple[int, ...]) -> None:
    found = positions(WIDE, what)
    for row in rows[1:]:
        assert sorted(x for x, y in found if y == row) == [int(c) for c in columns.split()]
    assert [x for x, y in found if y == rows[0]] == [int(c) for c in columns.split()][28:]


@pytest.mark.parametrize("what", ["multiplier", "memory"])
def test_neighbours_stand_side_by_side(what: str) -> None:
    for (x, y), (after_x, after_y) in itertools.pairwise(positions(WIDE, what)):
        if y == after_y:
            assert abs(x - after_x) <= 6
        else:
            assert (abs(y - after_y), x) == (24, after_x)


def test_the_script_places_and_counts_them() -> None:
    text = synthesis.script(WIDE)
    assert 'setattr -set BEL "X69/Y58/MULT18_0" top/c:top.device.machine.core.array.lane_0.multiplier' in text
    assert "select -assert-count 300 top/a:BEL" in text
    assert "BEL" not in synthesis.script(find_target("ulx3s-25f"))


def placed_from(first: int, board: Target = WIDE) -> None:
    places(dataclasses.replace(board, lane_sites_from=first))


test_too_few_sites_and_unknown_dies_are_refused = refused(
    ValueError,
    *((placed_from, first, f"lane_sites_from is {first}; accepted: 25..28") for first in (-1, 24, 29)),
    (placed_from, 0, find_target("ulx3s-25f"), "no floorplan for 25k; known: 85k, um5g-85k, 45k"),
)


def test_lanes_that_share_an_updater_stand_side_by_side() -> None:
    board = find_target("ecpix5-85f-udp")
    lanes, groups = board.geometry.lanes, group_count(board.geometry)
    found = {cell.rpartition(".core.lanes.")[2]: position(site) for cell, site in places(board).items()}
    assert len(set(places(board).values())) == len(found) == 2 * lanes
    for first in range(groups):
        share = [
            (found[f"multiplier_{i}.multiplier"], found[f"states_{i}.block_0_0_0"])
            for i in range(first, lanes, groups)
        ]
        assert len({(a[1], b[1]) for a, b in share}) == 1
        assert max(a[0] for a, _ in share) - min(a[0] for a, _ in share) < 40
        assert all(b[1] - a[1] == 12 and abs(a[0] - b[0]) <= 1 for a, b in share)
