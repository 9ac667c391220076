"""Finding tools, and saying clearly what is missing."""

import importlib.util
import sys
from pathlib import Path

import pytest

from ndrite.boards.sim.toolchain import SimulationBuildError, find_compiler, run


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
