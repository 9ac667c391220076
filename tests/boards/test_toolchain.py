"""Finding tools, and saying clearly what is missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from boards.sim.build import cached_library
from boards.sim.model import Model
from boards.sim.toolchain import SimulationBuildError, find_compiler, run
from tests.boards.loopback import loopback_verilog


def test_cxx_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", f"{sys.executable} -x")
    assert find_compiler() == [sys.executable, "-x"]
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SimulationBuildError, match=r"\$CXX names no-such-compiler"):
        find_compiler()


def test_zig_is_the_last_resort(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "ziglang")
    assert find_compiler() == [sys.executable, "-m", "ziglang", "c++"]


def test_a_failing_tool_is_quoted() -> None:
    with pytest.raises(SimulationBuildError, match="status 3: because"):
        run([sys.executable, "-c", "import sys; print('because', file=sys.stderr); sys.exit(3)"])
    with pytest.raises(SimulationBuildError, match="cannot run no-such-tool"):
        run(["no-such-tool"])


def test_bad_verilog_leaves_nothing_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(SimulationBuildError, match="verilator_bin failed"):
        cached_library("bad", lambda: "module sim_top(; endmodule", what="nonsense")
    assert [p.suffix for p in (tmp_path / "ndrite" / "sim").iterdir()] == [".lock"]


def test_verilators_own_objects_are_compiled_once_for_all_designs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "ndrite" / "sim"
    cached_library("one", loopback_verilog, what="loopback test component")
    made = {path.name: path.stat().st_mtime_ns for path in folder.glob("runtime-*/*")}
    assert {"verilated.o", "verilated_threads.o"} == made.keys()
    second = cached_library("two", loopback_verilog, what="loopback test component")
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("runtime-*/*")} == made
    assert len(list(folder.glob("*.so"))) == 2
    assert not list(folder.glob("build-*"))
    model = Model(second, pins=False, divisor=4)
    model.feed(b"whole\x00")
    assert model.run(1_000_000)
    model.close()
