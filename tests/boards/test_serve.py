"""The pseudo-terminal bridge, around the loopback component: no byte is lost,
whatever the client does."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ndrite.boards.sim.serve import serve
from ndrite.emulator.spec import PRESETS
from ndrite.host.errors import LinkError
from ndrite.host.links.uart import UartLink
from tests.host.test_uart import read_all
from tests.system.serving import Served

PROGRAM = """
import sys
from pathlib import Path
from ndrite.boards.sim import serve as module
from ndrite.emulator.spec import PRESETS
module.build = lambda geometry: Path(sys.argv[1])
link = Path(sys.argv[2])
module.serve(PRESETS["tiny"], link=link, announce=lambda path: print(path, flush=True))
"""


@pytest.fixture
def served(tmp_path: Path, library: Path) -> Iterator[tuple[Served, Path]]:
    link = tmp_path / "port"
    with Served(PROGRAM, str(library), str(link)) as server:
        assert server.said.strip() == str(link)
        yield server, link


def test_bytes_come_back(served: tuple[Served, Path]) -> None:
    for seed in range(2):  # a second client finds the terminal alive
        link = UartLink(str(served[1]))
        data = random.Random(seed).randbytes(20_000)
        for start in range(0, len(data), 2000):
            link.write(data[start : start + 2000])
            assert read_all(link, 2000) == data[start : start + 2000]
        link.close()


def test_a_client_that_does_not_read_loses_nothing(served: tuple[Served, Path]) -> None:
    link = UartLink(str(served[1]))
    data = random.Random(1).randbytes(30_000)  # several times what the terminal itself holds
    link.write(data)
    assert read_all(link, len(data)) == data
    link.close()


def test_an_interrupt_removes_the_link(served: tuple[Served, Path]) -> None:
    server, link = served
    assert os.path.realpath(link).startswith("/dev/")
    server.stop()
    assert not link.is_symlink()


def test_a_file_in_the_way_is_not_replaced(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndrite.boards.sim.serve.build", lambda geometry: library)
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(LinkError, match="precious: cannot create"):
        serve(PRESETS["tiny"], link=path, announce=print)
    assert path.read_text() == "data"
