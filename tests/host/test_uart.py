"""UART link: pseudo-terminals and sockets, and one clear line for every port that cannot be opened."""

import os
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from ndrite.host.errors import LinkError
from ndrite.host.links import Link, uart
from ndrite.host.links.uart import UartLink


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def read_all(link: UartLink, size: int) -> bytes:
    """So many bytes; fewer where no more come."""
    received = b""
    while len(received) < size and (data := link.read(5.0)):
        received += data
    return received


def test_bytes_both_ways(pty: tuple[int, str]) -> None:
    master, path = pty
    link = UartLink(path)
    assert isinstance(link, Link)
    link.write(b"\x00\x11\x13\xff\n\r")
    assert os.read(master, 100) == b"\x00\x11\x13\xff\n\r"
    os.write(master, b"\x00\x03\x04\r\n\xff")
    assert read_all(link, 6) == b"\x00\x03\x04\r\n\xff"
    assert link.read(0.01) == b""
    assert link._serial.timeout == 0.01, "no longer than asked"
    link.close()
    link.close()
    with pytest.raises(LinkError, match="closed"):
        link.write(b"x")


def test_a_port_nobody_reads_does_not_hold_the_host(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uart, "WRITE_TIMEOUT_S", 0.2)
    link = UartLink(pty[1])
    said: list[str] = []

    def write() -> None:
        try:
            link.write(bytes(1 << 20))
        except LinkError as error:
            said.append(str(error))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(timeout=5)
    assert said == [f"{pty[1]}: write failed, device gone? (Write timeout)"]
    link.close()


def test_a_busy_port_is_named(pty: tuple[int, str]) -> None:
    first = UartLink(pty[1])
    with pytest.raises(LinkError, match=f"{pty[1]}: port is busy"):
        UartLink(pty[1])
    first.close()
    UartLink(pty[1]).close()


def test_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = UartLink(f"socket://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        link.write(b"abc\x00")
        assert peer.recv(10) == b"abc\x00"
        peer.sendall(b"de")
        assert read_all(link, 2) == b"de"
        peer.close()
        with pytest.raises(LinkError, match="read failed"):
            link.read(0.5)
        link.close()


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("{folder}/ttyNONE", "ttyNONE: no such port"),
        ("{folder}/file", "file: cannot open"),
        ("nonsense://port", "nonsense://port: cannot open"),
        ("socket://127.0.0.1:{free}", "socket://127.0.0.1:{free}: cannot open"),
    ],
)
def test_what_is_no_port_is_named(port: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(LinkError, match=said.format(free=free)):
        UartLink(port.format(folder=tmp_path, free=free))
