"""boards, build and flash as a user calls them; none of them needs a tool or a board here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boards.fpga import TARGETS
from boards.fpga.reports import KEYS, load
from ndrite.cli.main import BAD_INPUT, DEVICE, OK, run


def test_boards_json_is_a_list_with_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["boards", "--json"]) == OK
    rows = json.loads(capsys.readouterr().out)
    assert [row["board"] for row in rows] == list(TARGETS)
    assert all(set(KEYS) <= set(row) for row in rows)


def test_committed_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["boards", "--markdown"]) == OK
    page = Path(__file__).parents[2] / "docs" / "boards.md"
    assert page.read_text() == capsys.readouterr().out, "run: make boards-page"


def test_the_table_quotes_no_speed_that_leaves_the_multipliers_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["boards"]) == OK
    table = capsys.readouterr().out
    gowin = [report for name in TARGETS if (report := load(name)) and report["family"] == "gowin"]
    assert len(gowin) == 2
    assert not [report["board"] for report in gowin if str(report["fmax_mhz"]) in table]


def test_the_table_is_readable_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["boards"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    missed = [name for name in TARGETS if (report := load(name)) and not report["timing_met"]]
    assert [line.split()[1] for line in lines if "!" in line and "│" in line] == missed
    assert bool(missed) == any("timing is not met" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["boards", "--json", "--markdown"], BAD_INPUT, "exclude"),
        (["build", "none"], BAD_INPUT, "accepted: ulx3s-12f"),
        (["build", "ulx3s-85f", "--address", "10.0.0.2"], BAD_INPUT, "ulx3s-85f is not"),
        (
            ["build", "colorlight-i9-udp", "--address", "10.0.0"],
            BAD_INPUT,
            "'10.0.0'; accepted: IPv4",
        ),
        (["build", "colorlight-i9-udp", "--address", "239.0.0.1"], BAD_INPUT, "accepted: one host's"),
        (["build", "colorlight-i9-udp", "--mac", "02:00:00"], BAD_INPUT, "accepted: six bytes"),
        (["build", "colorlight-i9-udp", "--mac", "03:00:00:00:00:01"], BAD_INPUT, "its first byte even"),
        (["flash", "none"], BAD_INPUT, "accepted: ulx3s-12f"),
        (["flash", "ulx3s-85f", "--from", "nowhere"], DEVICE, "ndrite build ulx3s-85f"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
