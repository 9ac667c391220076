"""``ndrite board serve`` in one process, a client through its pseudo-terminal in another."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from emulator.spec import Program
from host import LinkError
from ndrite import connect
from ndrite.shell.main import INTERRUPTED
from tests.chips import centred_network, changed, samples
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


@pytest.mark.long
def test_calibrate_through_the_terminal(server: Server, said: Any) -> None:
    network = centred_network(20)
    x = samples(network)
    np.save("x.npy", x)
    np.save("y.npy", network.forward(x / np.float32(255)).argmax(axis=1))
    chip = changed("dendritic-ndr+ecram-pair", array={"rows": 16})  # the tiny geometry's
    ndrite.compile(network, chip, samples=x, seed=1, output="mine")
    line = "calibrate mine --inputs x.npy --labels y.npy --steps 3 --batch 100 --measure 50 --read-cells -o t"
    there, golden = (said(f"{line} --board {url}") for url in (f"uart:{server.link}", "golden:"))
    assert there["pulses"] > 0
    for name in ("tag", "accuracy_before", "accuracy_after", "pulses", "cross_entropy_last"):
        assert there[name] == golden[name], name
    assert there["tag"] != f"{Program.load('mine').tag:08x}"
