"""board list, build and flash as a user calls them; none of them needs a tool or a board here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boards.fpga import TARGETS
from boards.fpga.reports import KEYS, load
from ndrite.shell.main import BAD_INPUT, DEVICE, OK, run


def test_boards_json_is_a_list_with_the_promised_keys(said: Any) -> None:
    rows = said(["board", "list"])["boards"]
    assert [row["board"] for row in rows] == list(TARGETS)
    assert all(set(KEYS) <= set(row) for row in rows)


def test_committed_page_is_current(tmp_path: Path) -> None:
    assert run(["board", "list", "-o", str(tmp_path / "boards.md")]) == OK
    page = Path(__file__).parents[2] / "docs" / "boards.md"
    assert page.read_text() == (tmp_path / "boards.md").read_text(), "run: make boards-page"


def test_the_table_quotes_no_speed_that_leaves_the_multipliers_out(prints: Any) -> None:
    table = prints(["board", "list"])
    gowin = [report for name in TARGETS if (report := load(name)) and report["family"] == "gowin"]
    assert gowin
    assert not [report["board"] for report in gowin if str(report["fmax_mhz"]) in table]


def test_the_table_is_readable_at_80_columns(prints: Any) -> None:
    lines = prints(["board", "list"]).splitlines()
    assert max(map(len, lines)) <= 80
    missed = [name for name in TARGETS if (report := load(name)) and not report["timing_met"]]
    assert [line.split()[1] for line in lines if "!" in line and "│" in line] == missed
    assert bool(missed) == any("timing is not met" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["board", "build", "none"], BAD_INPUT, "accepted: ulx3s-25f"),
        (["board", "build", "ulx3s-25f", "--part", "45k"], BAD_INPUT, "accepted for ulx3s-25f: 12k"),
        (["board", "build", "ulx3s-85f", "--address", "10.0.0.2"], BAD_INPUT, "ulx3s-85f is not"),
        (
            ["board", "build", "colorlight-i9-udp", "--address", "10.0.0"],
            BAD_INPUT,
            "'10.0.0'; accepted: IPv4",
        ),
        (
            ["board", "build", "colorlight-i9-udp", "--address", "239.0.0.1"],
            BAD_INPUT,
            "accepted: one host's",
        ),
        (["board", "build", "colorlight-i9-udp", "--mac", "02:00:00"], BAD_INPUT, "accepted: six bytes"),
        (
            ["board", "build", "colorlight-i9-udp", "--mac", "03:00:00:00:00:01"],
            BAD_INPUT,
            "its first byte even",
        ),
        (["board", "flash", "none"], BAD_INPUT, "accepted: ulx3s-25f"),
        (["board", "flash", "ulx3s-85f", "--folder", "nowhere"], DEVICE, "ndrite board build ulx3s-85f"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
