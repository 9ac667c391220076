"""Long runs and boards that come and go."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from boards.board import Board
from boards.sim import SimLink
from emulator.golden import Core
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS
from host import HostError, LinkError
from ndrite import connect
from tests.stimulus import ran, random_inputs
from tests.system.serving import Server

TINY = PRESETS["tiny"]
SOAK, BATCH = 3_500, 250
"""Inferences of the soak, times ``scale``: 105,000 at 30."""
GROWTH_BYTES = 4 << 20
"""Allowed between a tenth of the soak and its end."""


def resident_bytes() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_soak_in_constant_memory(scale: int, counted: list[str]) -> None:
    rng = np.random.default_rng(8)
    program = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    core = Core(program)
    total = SOAK * scale
    early = 0
    with Board(SimLink(TINY)) as board:
        board.program(program)
        for start in range(0, total, BATCH):
            x = random_inputs(program, rng, BATCH)
            y = board.infer(x, seed=start)
            np.testing.assert_array_equal(y, core.infer(x, seed=start))
            if not early and start >= total // 10:
                early = resident_bytes()
        growth = resident_bytes() - early
        resyncs = board.session.statistics.resyncs
    counted.append(f"soak: {total:,} inferences equal golden, memory grew by {growth / 1024:,.0f} KiB")
    assert resyncs == 1, "only the one that opens the session"
    assert growth < GROWTH_BYTES


def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    program = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    x = random_inputs(program, rng, 5)
    port = tmp_path / "port"
    url = f"uart:{port}"
    with Server("tiny", port) as first, connect(url) as board:
        ran(board, program, x, seed=2)
        first.stop(signal.SIGKILL)
        with pytest.raises(LinkError):
            board.infer(x, seed=2)
    port.unlink(missing_ok=True)
    with Server("tiny", port), connect(url) as again:
        with pytest.raises(HostError, match="program"):
            again.infer(x, seed=2)
        ran(again, program, x, seed=2)
