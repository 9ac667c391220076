"""The compiled harness around a loopback component: no byte lost, changed or invented, either way in."""

from __future__ import annotations

import random
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards.sim.build import cached_library
from boards.sim.model import Model
from boards.sim.toolchain import find_compiler
from host.errors import LinkError
from tests.boards.loopback import loopback_verilog

DIVISOR = 4


@pytest.fixture(scope="session")
def library() -> Path:
    return cached_library("loopback", loopback_verilog, what="loopback test component")


@pytest.fixture(params=["stream", "pins"])
def model(request: pytest.FixtureRequest, library: Path) -> Iterator[Model]:
    model = Model(library, pins=request.param == "pins", divisor=DIVISOR)
    yield model
    model.close()


def frame(seed: int, size: int) -> bytes:
    return bytes(random.Random(seed).choices(range(1, 256), k=size)) + b"\x00"


def test_frames_come_back_whole(model: Model) -> None:
    for seed in range(20):
        data = frame(seed, 500)
        model.feed(data)
        assert model.run(1_000_000)
        assert model.take() == data
    assert model.unsent == 0
    assert model.framing_errors == 0


def test_run_stops_at_each_delimiter_and_at_the_budget(model: Model) -> None:
    model.feed(b"\x01\x00\x02\x00\x03")
    assert model.run(1000)
    assert model.take() == b"\x01\x00"
    assert model.run(1000)
    assert model.take() == b"\x02\x00"
    before = model.cycles
    assert not model.run(250_000)
    assert model.cycles == before + 250_000
    assert model.take() == b"\x03"
    assert model.take() == b""


def test_stalls_lose_nothing(library: Path) -> None:
    model = Model(library, pins=False, divisor=DIVISOR)
    model.stall(0.4, 0.6, seed=3)
    data = frame(1, 5000)
    model.feed(data)
    assert model.run(1_000_000)
    assert model.take() == data
    assert model.cycles > 10_000 * 1.5
    model.close()


def test_a_closed_model_says_so(library: Path) -> None:
    model = Model(library, pins=False, divisor=DIVISOR)
    model.close()
    model.close()
    with pytest.raises(LinkError, match="closed"):
        model.run(1)


def test_a_damaged_library_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.so"
    path.write_bytes(b"\x7fELF nothing")
    with pytest.raises(LinkError, match="delete the file"):
        Model(path, pins=False, divisor=DIVISOR)


def test_the_second_build_is_free(library: Path) -> None:
    begin = time.monotonic()

    def never() -> str:
        raise AssertionError("built again")

    assert cached_library("loopback", never, what="loopback test component") == library
    assert time.monotonic() - begin < 2


class Asked(Exception):
    """A library is about to be compiled."""


def test_other_options_of_the_compiler_are_another_build(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verilog() -> str:
        raise Asked

    monkeypatch.setenv("CXX", shlex.join([*find_compiler(), "-DOTHER"]))
    with pytest.raises(Asked):
        cached_library("loopback", verilog, what="loopback test component")


def test_verilators_own_objects_are_compiled_once_for_all_designs(
    library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "ndrite" / "sim"
    for runtime in library.parent.glob("runtime-*"):
        shutil.copytree(runtime, folder / runtime.name)
    there = {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    assert {path.name for path in there} >= {"verilated.o", "verilated_threads.o"}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    second = cached_library("loopback again", loopback_verilog, what="loopback test component")
    assert second.parent == folder
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == there
    model = Model(second, pins=False, divisor=DIVISOR)
    model.feed(b"\x01\x00")
    assert model.run(1000)
    assert model.take() == b"\x01\x00"
    model.close()
