"""The cache of simulated boards: what is compiled anew, what never, and what becomes of
damage and debris."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ndrite.boards import netlist
from ndrite.boards.cache import locked
from ndrite.boards.sim import build
from ndrite.boards.sim.compile import HARNESS
from ndrite.boards.sim.model import Model
from ndrite.boards.sim.toolchain import SimulationBuildError, find_compiler
from ndrite.host.errors import LinkError
from tests.boards.loopback import Loopback, loopback_library

pytestmark = pytest.mark.filterwarnings("ignore:.*created but never used")  # where Verilog is a stand-in
DIVISOR = 4
Compiled = list[str]


@pytest.fixture
def own(library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of an own cache that holds the loopback's library and Verilator's objects."""
    folder = tmp_path / "ndrite" / "sim"
    folder.mkdir(parents=True)
    for path in library.parent.glob("runtime-*"):
        shutil.copytree(path, folder / path.name)
    for path in library.parent.glob(f"{library.name}*"):
        shutil.copy(path, folder)
    shutil.copytree(library.parents[1] / "netlists", folder.parent / "netlists")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return folder


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """What was compiled, a stand-in for the compiler's work: library after library."""
    done: Compiled = []

    def stand_in(verilog: str, library: Path, **_: object) -> None:
        done.append(verilog)
        library.write_bytes(b"library")

    monkeypatch.setattr(build, "compile_verilog", stand_in)
    monkeypatch.setattr(build, "verilog", lambda *_, **__: "module sim_top; endmodule")
    return done


def works(library: Path) -> bool:
    model = Model(library, pins=False, divisor=DIVISOR)
    model.feed(b"\x01\x00")
    model.run(1000)
    said = model.take()
    model.close()
    return said == b"\x01\x00"


CHANGES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], int]] = {
    "nothing": (lambda patch: None, 0),
    "sources of the same netlist": (lambda patch: patch.setattr(netlist, "sources", lambda: "a comment"), 0),
    "the compiler": (lambda patch: patch.setenv("CXX", shlex.join([*find_compiler(), "-DOTHER"])), 1),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_what_is_compiled_anew(
    own: Path, compiled: Compiled, library: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    change, count = CHANGES[changed]
    change(monkeypatch)
    assert (loopback_library() == own / library.name) == (count == 0)
    assert len(compiled) == count


def test_another_harness_is_another_build(own: Path, compiled: Compiled, tmp_path: Path) -> None:
    harness = tmp_path / "harness.cpp"
    libraries = []
    for text in (HARNESS.read_text(), HARNESS.read_text() + "// more\n"):
        harness.write_text(text)
        libraries.append(
            build.cached_library(lambda _: Loopback(), key="harness", what="loopback", harness=harness)
        )
    assert libraries[0] != libraries[1]
    assert len(compiled) == 1, "the first is the loopback's own"


def test_bad_verilog_leaves_nothing_in_the_cache(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "verilog", lambda *_, **__: "module sim_top(; endmodule")
    for path in own.glob("*.so*"):
        path.unlink()
    with pytest.raises(SimulationBuildError, match="verilator_bin failed"):
        loopback_library()
    assert {path.suffix for path in own.iterdir() if path.is_file()} == {".lock"}
    assert not list(own.glob("build-*"))


@pytest.mark.long
def test_verilators_own_objects_are_compiled_once_for_all_designs(own: Path, library: Path) -> None:
    there = {path: path.stat().st_mtime_ns for path in own.glob("runtime-*/*")}
    assert {path.name for path in there} >= {"verilated.o", "verilated_threads.o"}
    for path in own.glob("*.so*"):
        path.unlink()
    assert works(loopback_library())
    assert {path: path.stat().st_mtime_ns for path in own.glob("runtime-*/*")} == there


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:4096],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
)
def test_a_damaged_library_is_compiled_again(
    damage: Callable[[bytes], bytes], own: Path, compiled: Compiled, library: Path
) -> None:
    path = own / library.name
    path.write_bytes(damage(path.read_bytes()))
    assert loopback_library() == path
    assert path.read_bytes() == b"library"
    loopback_library()
    assert len(compiled) == 1


@pytest.mark.long
def test_a_damaged_object_is_compiled_again(own: Path, library: Path) -> None:
    for path in own.glob("*.so*"):
        path.unlink()
    for path in own.glob("runtime-*/verilated_threads.o"):
        path.write_bytes(b"")
    assert works(loopback_library())


def test_the_newest_library_stays_whatever_the_others_times(
    own: Path, compiled: Compiled, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "KEEP", 3)
    for i in range(5):
        path = own / f"{i:032x}.so"
        path.write_bytes(b"")
        # Of a machine whose clock was a day ahead, the first least.
        os.utime(path, (time.time() + 86400 + i,) * 2)
    (own / library.name).unlink()
    newest = loopback_library()
    assert newest.exists()
    assert len(list(own.glob("*.so"))) == 3
    assert all(path.stat().st_mtime <= time.time() for path in own.glob("*.so"))


def test_what_killed_builds_left_is_removed_and_nothing_else(
    own: Path, compiled: Compiled, library: Path
) -> None:
    (own / library.name).unlink()
    left = [own / f"build-{library.stem}", own / f"build-{'0' * 32}", own / f"build-{'1' * 32}"]
    for folder in left:
        folder.mkdir()
        (folder / "sim_top.v").write_text("half")
    with locked(own / f"{'1' * 32}.lock"):  # the last is still at work
        loopback_library()
    assert [folder.exists() for folder in left] == [False, False, True]


def test_a_lock_file_that_was_dropped_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    program = (
        "import sys; from pathlib import Path; from ndrite.boards.cache import locked\n"
        "with locked(Path(sys.argv[1])): print(Path(sys.argv[1]).exists())"
    )
    with locked(path):
        waiting = subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        )
        time.sleep(1)
        path.unlink()
    assert waiting.communicate(timeout=30)[0] == "True\n"


def test_a_cache_that_cannot_be_written_is_the_devices_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ndrite.shell.main import DEVICE, run

    (tmp_path / "ndrite").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run(["board", "info", "sim:tiny"]) == DEVICE
    assert "cannot build the simulated board" in capsys.readouterr().err


def test_a_library_of_something_else_is_named(tmp_path: Path) -> None:
    source, library = tmp_path / "none.cpp", tmp_path / "none.so"
    source.write_text("int nothing;\n")
    subprocess.run([*find_compiler(), "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    with pytest.raises(LinkError, match="is not a simulated board"):
        Model(library, pins=False, divisor=DIVISOR)
