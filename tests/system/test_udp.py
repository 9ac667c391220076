"""``ndrite board serve --udp`` in one process, hosts on its socket in others;
``sim-udp:`` in this one."""

import re
import signal
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndrite import connect
from ndrite.boards.sim.udp import udp_id
from ndrite.emulator.spec import PRESETS, Program
from ndrite.host import LinkError
from ndrite.shell.main import DEVICE, INTERRUPTED
from tests.stimulus import ran
from tests.system.serving import Server

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server("tiny")
    yield server
    assert server.stop() == INTERRUPTED


def to(host: str, port: int) -> socket.socket:
    """A socket that sends there."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.connect((host, port))
    return found


def test_infer_through_the_socket(server: Server, clients: Any) -> None:
    assert re.fullmatch(r"serving tiny on udp:127\.0\.0\.1:\d+\n", server.said)
    clients(server.url, "127.0.0.1:", "the board is in use by 127.0.0.1:", ", last heard ", " s ago")


def test_a_server_ends_clean_and_has_then_vanished(program: Program, x: np.ndarray) -> None:
    server = Server("tiny")
    with connect(server.url) as board:
        board.program(program)
        assert server.stop(signal.SIGTERM) == INTERRUPTED
        with pytest.raises(LinkError, match="nothing listens"):
            board.infer(x)


def test_a_port_in_use_and_wrong_usage_are_one_line(server: Server, fails: Any) -> None:
    line = "board serve --preset tiny --udp"
    told = f"{server.url}: cannot listen there (Address already in use)"
    fails(f"{line} --at {server.url.removeprefix('udp:')}", told, code=DEVICE)
    fails(f"{line} --at nonsense:port")
    fails(f"{line} --link x")


def test_sim_udp_gives_golden_results(program: Program, x: np.ndarray) -> None:
    with connect("sim-udp:tiny") as board:
        ran(board, program, x, seed=3)
        assert udp_id(PRESETS["tiny"]) == int(board.identity()["build_id"], 16)
