"""``ndrite board serve`` in one process, a client through its pseudo-terminal in another."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite import connect
from ndrite.emulator.spec import Program
from ndrite.host import LinkError
from ndrite.shell.main import INTERRUPTED
from tests.system.serving import Server


@pytest.fixture
def server(here: Path) -> Iterator[Server]:
    with Server("tiny", here / "port") as server:
        yield server


def test_infer_through_the_terminal(server: Server, clients: Any) -> None:
    assert server.said == f"serving tiny on {server.link}\n"
    clients(f"uart:{server.link}", "port is busy")


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_clean(server: Server, with_signal: int, program: Program, x: np.ndarray) -> None:
    with connect(f"uart:{server.link}") as board:
        board.program(program)
        assert server.link.is_symlink()
        assert server.stop(with_signal) == INTERRUPTED
        assert not server.link.is_symlink()
        with pytest.raises(LinkError):
            board.infer(x)
