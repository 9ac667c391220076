"""Netlists and build ids: a comment changes none, whatever shapes the gateware changes them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ndrite.boards import netlist as module
from ndrite.boards.netlist import build_id, netlist
from ndrite.boards.sim.build import simulated_id
from ndrite.emulator.spec import PRESETS
from tests.boards.loopback import Loopback

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from ndrite.boards.sim.build import simulated_id
from ndrite.emulator.spec import PRESETS
print(simulated_id(PRESETS["tiny"]))
"""
Edit = Callable[[str, str], str]
OfCopies = Callable[[Edit], int]


@pytest.fixture(scope="module")
def of_copies(tmp_path_factory: pytest.TempPathFactory) -> OfCopies:
    """Build id of the simulated tiny board, of sources after an edit of (file,
    text); with one cache."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def identity(edit: Edit) -> int:
        root = tmp_path_factory.mktemp("sources")
        for package in ("emulator", "hdl", "host", "boards", "ndrite"):
            for path in (ROOT / package).rglob("*.py"):
                name = path.relative_to(ROOT)
                copy = root / ("" if package == "ndrite" else "ndrite") / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(edit(name.as_posix(), path.read_text()))
        env = os.environ | {"PYTHONPATH": str(root), "XDG_CACHE_HOME": cache}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=env, cwd=root, capture_output=True, text=True
        )
        assert not done.returncode, done.stderr
        return int(done.stdout)

    return identity


@pytest.fixture(scope="module")
def here() -> int:
    """Of the sources as they stand, in the process that has made other designs before."""
    return simulated_id(PRESETS["tiny"])


@pytest.mark.long
def test_a_comment_changes_no_build_id(of_copies: OfCopies, here: int) -> None:
    def edit(name: str, text: str) -> str:
        return "# A comment, and empty lines.\n\n\n" + text.replace(
            "\nfrom __future__", "\n\n# And one more.\nfrom __future__"
        )

    assert of_copies(edit) == here


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("emulator/spec/registers.py", "PROTOCOL_MINOR = 2\n", "PROTOCOL_MINOR = 3\n"),
        ("hdl/device/watchdog.py", "RESET_CYCLES = 64\n", "RESET_CYCLES = 32\n"),
    ],
)
@pytest.mark.long
def test_what_shapes_the_gateware_changes_it(
    file: str, old: str, new: str, of_copies: OfCopies, here: int
) -> None:
    def edit(name: str, text: str) -> str:
        if name != file:
            return text
        assert text.count(old) == 1
        return text.replace(old, new)

    assert of_copies(edit) != here


def test_a_netlist_is_elaborated_once_for_the_same_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked: list[int] = []

    def make(identity: int) -> Loopback:
        asked.append(identity)
        return Loopback()

    first = netlist(make, key="loopback")
    assert netlist(make, key="loopback") == first
    assert asked == [0]
    monkeypatch.setattr(module, "sources", lambda: "others")
    assert netlist(make, key="loopback") == first
    assert netlist(make, key="another") == first
    assert asked == [0, 0, 0]
    for note in (tmp_path / "ndrite" / "netlists").iterdir():
        note.write_text("")
    assert netlist(make, key="another") == first
    assert asked == [0, 0, 0, 0]


@pytest.mark.long
def test_a_build_id_fits_its_register_and_is_never_0(here: int) -> None:
    assert 0 < here < 1 << 64
    assert build_id("0" * 64) == 1
    assert build_id("00000000000000ff" + "0" * 48) == 255


def test_line_endings_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_folder", lambda package: tmp_path)
    found = []
    for name, content in (
        ("a.py", b"x = 1\n"),
        ("a.py", b"x = 1\r\n"),
        ("a.py", b"x = 2\n"),
        ("b.py", b"x = 2\n"),
    ):
        for old in tmp_path.iterdir():
            old.unlink()
        (tmp_path / name).write_bytes(content)
        module.sources.cache_clear()
        found.append(module.sources())
    module.sources.cache_clear()
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_numbers_of_names_do_not_count() -> None:
    assert module.renumbered(r"\port$17 \port$4$0 \port$17 \data$2") == r"\port$0 \port$1$0 \port$0 \data$2"
