"""The campaigns page: its estimates follow from its cycles and clocks; its cycles are possible ones."""

import re
from pathlib import Path

import pytest

from boards.fpga import find_target
from ndrite.samples import judging_set as labelled_test_set

PAGE = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text()
ROW = re.compile(
    r"^\| .+ \| `(?P<board>[\w-]+)` \| (?P<cycles>[\d,]+) \| (?P<rate>[\d,]+) at (?P<mhz>[\d.]+) MHz \| "
    r"(?P<golden>[\d,]+) \| (?P<ratio>[\d.]+) \|$",
    re.MULTILINE,
)


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def test_rates_of_single_networks_are_at_the_clock_a_board_runs_at() -> None:
    rows = list(ROW.finditer(PAGE))
    assert len(rows) == 3
    for row in rows:
        clock = find_target(row["board"]).clock_mhz
        assert float(row["mhz"]) == clock
        assert whole(row["rate"]) == pytest.approx(1e6 * clock / whole(row["cycles"]), rel=0.003)
        assert float(row["ratio"]) == pytest.approx(whole(row["rate"]) / whole(row["golden"]), abs=0.006)


def test_a_campaigns_cycles_a_program_are_no_fewer_than_its_first_layer_takes() -> None:
    found = re.search(r"An image takes ([\d,]+), the mean over all\s+1,000", PAGE)
    assert found
    x, _ = labelled_test_set("fashion-mnist")
    groups = -(-128 // find_target("ulx3s-85f").geometry.lanes)
    rows = (x[:1000] > 0).sum() / 1000
    assert groups * rows < whole(found[1]) < 1.05 * (groups * rows + 128)
