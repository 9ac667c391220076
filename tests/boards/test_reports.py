"""Taking reports: what is refused, what a reason lets through, and which board need
not be placed again."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ndrite.boards.fpga import commit, find_target, reports, synthesis
from ndrite.boards.fpga.registry import find_buildable
from ndrite.boards.fpga.reports import board_netlist, is_current, load, made_from
from ndrite.boards.fpga.target import Target
from tests.marks import long_where

BOARD = find_target("ulx3s-25f")


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the committed reports; no board is elaborated, all
    have one netlist."""
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setattr(reports, "FOLDER", folder)
    monkeypatch.setattr(reports, "board_netlist", lambda board: "1f" * 32)
    return folder / f"{BOARD.name}.json"


def a_report(**changes: Any) -> dict[str, Any]:
    of_now = {"board": BOARD.name} | made_from(BOARD)
    figures = {"fmax_mhz": 120.0, "timing_met": True, "luts": 1000, "ffs": 2000, "dsps": 10, "brams": 20}
    return of_now | figures | changes


def built(tmp_path: Path, **changes: Any) -> str:
    (tmp_path / "report.json").write_text(json.dumps(a_report(**changes)))
    return str(tmp_path)


def test_a_report_no_worse_replaces_the_old_one(committed: Path, tmp_path: Path) -> None:
    assert commit.main([built(tmp_path)]) == 0
    assert commit.main(["--check", built(tmp_path, fmax_mhz=114.1, luts=1030, ffs=900)]) == 0
    assert json.loads(committed.read_text())["fmax_mhz"] == 120.0
    assert commit.main([str(tmp_path)]) == 0
    taken = json.loads(committed.read_text())
    assert taken["fmax_mhz"] == 114.1
    assert "accepted" not in taken


def test_a_named_build_without_a_report_is_no_pass(
    committed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commit.main(["--check", str(tmp_path / "failed")]) == 1
    assert "failed: no report.json there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fmax_mhz": 113.9}, "Fmax 120.0 -> 113.9 MHz"),
        ({"luts": 1031}, "luts 1000 -> 1031"),
        ({"dsps": 11}, "dsps 10 -> 11"),
        ({"timing_met": False}, "timing was met and is not"),
    ],
)
def test_a_worse_one_needs_a_reason(
    change: dict[str, Any], said: str, committed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit.main([built(tmp_path)])
    assert commit.main([built(tmp_path, **change)]) == 1
    assert said in capsys.readouterr().err
    assert json.loads(committed.read_text())["fmax_mhz"] == 120.0
    assert json.loads(committed.read_text())["luts"] == 1000
    assert commit.main(["--accept", "twice the lanes", built(tmp_path, **change)]) == 0
    accepted = json.loads(committed.read_text())["accepted"]
    assert accepted["why"] == "twice the lanes"
    assert any(said in line for line in accepted["worse"])


@pytest.mark.parametrize(
    "change",
    [
        {"build_id": "0" * 16, "netlist": "0" * 16},
        {"clock_mhz": BOARD.clock_mhz + 1},
        {"speed": "8"},
        {"device": "45k"},
        {"aim": 1.1},
        {"script": "0" * 16},
    ],
)
def test_a_report_of_something_else_is_refused(
    change: dict[str, Any], committed: Path, tmp_path: Path
) -> None:
    assert is_current(a_report(build_id="0" * 16), BOARD), "it is of the same netlist"
    assert not is_current(a_report(**change), BOARD)
    assert commit.main([built(tmp_path, **change)]) == 1
    assert not committed.exists()


@pytest.mark.long
def test_the_netlist_tells_boards_apart_by_what_shapes_their_rtl() -> None:
    def resized(**fields: Any) -> Target:
        return dataclasses.replace(BOARD, geometry=dataclasses.replace(BOARD.geometry, **fields))

    other = resized(curves=32)
    assert board_netlist(BOARD) == board_netlist(resized(name="another"))
    assert board_netlist(other) != board_netlist(BOARD)


@pytest.mark.usefixtures("committed")
def test_what_yosys_does_counts_as_much_as_the_netlist(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    soft = dataclasses.replace(BOARD, soft_multipliers=("core.scanner.square_0",))
    report = {"board": BOARD.name} | made_from(soft)
    assert is_current(report, soft)
    assert not is_current(report, BOARD), "another script, of the same netlist"
    other = tmp_path / "soft_multiplier.v"
    other.write_text(synthesis.SOFT.read_text() + "// another\n")
    monkeypatch.setattr(synthesis, "SOFT", other)
    assert not is_current(report, soft)
    assert is_current({"board": BOARD.name} | made_from(BOARD), BOARD)


def test_a_build_begins_at_the_seed_that_is_known_to_do(committed: Path) -> None:
    assert reports.known_seed(BOARD.name) == 1
    committed.write_text(json.dumps(a_report(seed=7)))
    assert reports.known_seed(BOARD.name) == 7


@pytest.mark.parametrize(
    "name",
    long_where(
        lambda name: name.startswith(("colorlight", "ecp", "orangecrab", "pcie", "ulx3s")),
        sorted(path.stem for path in reports.FOLDER.glob("*.json")),
    ),
)
def test_a_report_says_whether_it_is_of_this_gateware(name: str) -> None:
    report = load(name)
    assert report is not None
    earlier = report.get("of_earlier_netlist", False)
    assert is_current(report, find_buildable(name)) is not earlier, f"{name}: commit its report again"
