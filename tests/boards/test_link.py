"""The simulated link under the driver: a device that never answers ends in an error, not in a hang."""

from pathlib import Path

import pytest

from boards.board import Board
from boards.sim import SimLink
from boards.sim.link import CYCLES_PER_SECOND
from emulator.spec import PRESETS
from host import LinkError, LinkTimeout


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch, library: Path) -> SimLink:
    monkeypatch.setattr("boards.sim.link.build", lambda geometry, **options: library)
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
