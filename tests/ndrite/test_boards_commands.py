"""board list, build, bringup and flash as a user calls them; none of them needs a tool or a board here."""

from pathlib import Path
from typing import Any

import pytest

from boards.fpga import TARGETS
from boards.fpga.reports import KEYS, load
from ndrite.shell.main import BAD_INPUT, DEVICE


def test_boards_json_is_a_list_with_the_promised_keys(said: Any) -> None:
    rows = said("board list")["boards"]
    assert [row["board"] for row in rows] == list(TARGETS)
    assert all(set(KEYS) <= set(row) for row in rows)


def test_committed_page_is_current(tmp_path: Path, prints: Any) -> None:
    prints(f"board list -o {tmp_path / 'boards.md'}")
    page = Path(__file__).parents[2] / "docs" / "boards.md"
    assert page.read_text() == (tmp_path / "boards.md").read_text(), "run: make boards-page"


def test_the_table_fits_80_columns_and_quotes_no_speed_that_leaves_the_multipliers_out(prints: Any) -> None:
    table = prints("board list")
    assert max(map(len, table.splitlines())) <= 80
    reports = [report for name in TARGETS if (report := load(name))]
    gowin = [report for report in reports if report["family"] == "gowin"]
    assert gowin
    assert not [report["board"] for report in gowin if str(report["fmax_mhz"]) in table]
    missed = [report["board"] for report in reports if not report["timing_met"]]
    assert [line.split()[1] for line in table.splitlines() if "!" in line and "│" in line] == missed
    assert bool(missed) == ("timing is not met" in table)


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        ("build none", "accepted: ulx3s-25f", BAD_INPUT),
        ("build ulx3s-25f --part 45k", "accepted for ulx3s-25f: 12k", BAD_INPUT),
        ("build ulx3s-85f --address 10.0.0.2", "ulx3s-85f is not", BAD_INPUT),
        ("build colorlight-i9-udp --address 10.0.0", "'10.0.0'; accepted: IPv4", BAD_INPUT),
        ("build colorlight-i9-udp --address 239.0.0.1", "accepted: one host's", BAD_INPUT),
        ("build colorlight-i9-udp --mac 02:00:00", "accepted: six bytes", BAD_INPUT),
        ("build colorlight-i9-udp --mac 03:00:00:00:00:01", "its first byte even", BAD_INPUT),
        ("bringup", "board and port are needed", BAD_INPUT),
        ("bringup ulx3s-85f", "board and port are needed", BAD_INPUT),
        ("bringup no-board --simulated", "no-board", BAD_INPUT),
        ("bringup --simulated -o no/folder/r.md", "no/folder", BAD_INPUT),
        ("flash none", "accepted: ulx3s-25f", BAD_INPUT),
        ("flash ulx3s-85f --folder nowhere", "ndrite board build ulx3s-85f", DEVICE),
    ],
)
def test_errors_are_one_line(words: str, told: str, code: int, fails: Any) -> None:
    fails(f"board {words}", told, code=code)
