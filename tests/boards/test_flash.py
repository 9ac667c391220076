"""Loading a bitstream: what a fresh machine or board lacks is said where it fails."""

import json
from pathlib import Path

import pytest

from ndrite.boards.fpga import find_target, flash
from ndrite.boards.fpga.synthesis import board_top
from ndrite.boards.fpga.tools import BuildError

BOARD = find_target("ulx3s-25f")


def loader(folder: Path, script: str) -> None:
    """A loader that does as ``script`` says."""
    program = folder / "openFPGALoader"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / f"{BOARD.name}.bit").write_bytes(b"")
    (tmp_path / "report.json").write_text(json.dumps({"timing_met": True}))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def test_a_library_that_the_loader_lacks_is_named(built: Path) -> None:
    loader(
        built, "echo 'loading shared libraries: libftdi1.so.2: cannot open shared object file' >&2; exit 127"
    )
    with pytest.raises(BuildError, match=r"needs libftdi1 .* of this machine: .*libftdi1\.so\.2"):
        flash.flash(BOARD, built)


def test_where_the_loader_runs_the_board_is_asked_for(built: Path) -> None:
    loader(built, '[ "$1" = --Version ] || exit 1')
    with pytest.raises(BuildError, match="is the board plugged in"):
        flash.flash(BOARD, built)


def test_names_are_the_loaders(built: Path) -> None:
    loader(built, f'echo "$@" > {built}/said')
    flash.flash(BOARD, built)
    assert (built / "said").read_text().split()[:2] == ["--board", "ulx3s"]
    assert find_target("orangecrab-25f-maps").loader == "orangeCrab"


def test_pins_that_must_not_float_are_driven() -> None:
    """The ESP32 of a ULX3S would else configure the part anew."""
    assert BOARD.pins["high_wifi_gpio0"].site == "L2"
    top = board_top(BOARD, 0)
    assert "high_wifi_gpio0" in top.signature.members  # type: ignore[attr-defined]
