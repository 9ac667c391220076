"""The cache of compiled benches: what is compiled, what is not, and that workers do not do it twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.hdl import simulate as module
from tests.hdl.simulate import TOP, Opaque, Ports, compiled

Builds = list[str]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builds:
    """Texts that were compiled, in an own cache; the compiler is a stand-in that takes its time."""
    done: Builds = []

    def build(self: Ports, *, sources: list[Path], build_dir: Path, **_: Any) -> None:
        time.sleep(0.2)
        done.append(sources[0].read_text())
        (build_dir / TOP).write_text("a program")

    monkeypatch.setattr(Ports, "build", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return done


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "top.v"
    path.write_text("module top; endmodule")
    return path


def test_the_same_verilog_is_compiled_once_and_a_cut_program_again(builds: Builds, source: Path) -> None:
    program = compiled(Ports(), [source])
    assert program.read_text() == "a program"
    assert compiled(Ports(), [source]) == program
    assert len(builds) == 1
    program.write_text("")
    assert compiled(Ports(), [source]).read_text() == "a program"
    assert len(builds) == 2


def test_other_verilog_flags_or_compilers_are_another_program(
    builds: Builds, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(Ports(), [source])
    compiled(Opaque(), [source])
    source.write_text("module top; wire a; endmodule")
    compiled(Ports(), [source])
    monkeypatch.setattr(module, "BUILD_ARGS", [*module.BUILD_ARGS, "-O0"])
    compiled(Ports(), [source])
    monkeypatch.setattr(module, "compiler_version", lambda _: "another")
    compiled(Ports(), [source])
    monkeypatch.setattr(module, "tool_versions", lambda: "others")
    compiled(Ports(), [source])
    assert len(builds) == 6


def test_of_several_workers_one_compiles(builds: Builds, source: Path) -> None:
    with ThreadPoolExecutor(3) as workers:
        programs = workers.map(lambda _: compiled(Ports(), [source]), range(3))
    assert len(set(programs)) == len(builds) == 1
