"""The compiled harness around a loopback component: where a run ends, and what is
closed or damaged.

The link to it, under the driver: a device that never answers ends in an error, not in a hang.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.boards.sim.link import CYCLES_PER_SECOND
from ndrite.boards.sim.model import Model
from ndrite.emulator.spec import PRESETS
from ndrite.host import LinkError, LinkTimeout

DIVISOR = 4


@pytest.fixture(params=["stream", "pins"])
def model(request: pytest.FixtureRequest, library: Path) -> Iterator[Model]:
    model = Model(library, pins=request.param == "pins", divisor=DIVISOR)
    yield model
    model.close()


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


def test_a_closed_model_says_so(model: Model) -> None:
    model.close()
    model.close()
    with pytest.raises(LinkError, match="closed"):
        model.run(1)


def test_a_damaged_library_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.so"
    path.write_bytes(b"\x7fELF nothing")
    with pytest.raises(LinkError, match="delete the file"):
        Model(path, pins=False, divisor=DIVISOR)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch, library: Path) -> SimLink:
    monkeypatch.setattr("ndrite.boards.sim.link.build", lambda geometry, **options: library)
    return SimLink(PRESETS["tiny"])


def test_timeouts_are_counted_in_cycles(link: SimLink) -> None:
    assert link.read(0.25) == b""
    assert link.model.cycles == CYCLES_PER_SECOND // 4
    link.close()


def test_what_only_echoes_is_no_device(link: SimLink) -> None:
    with pytest.raises(LinkTimeout, match="does not answer"):
        Board(link, timeout_s=0.1)
    with pytest.raises(LinkError, match="closed"):
        link.read(0.1)
