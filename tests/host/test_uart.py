"""UART link: pseudo-terminals and sockets, and one clear line for every port that
cannot be opened."""

import errno
import os
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

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
    port = link._serial
    link.close()
    link.close()
    assert not port.is_open
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


def test_a_port_is_a_narrow_live_link_of_a_million_bits_a_second(pty: tuple[int, str]) -> None:
    link = UartLink(pty[1])
    assert (link.narrow, link.live) == (True, True)
    assert (link._serial.baudrate, link._serial.write_timeout) == (1_000_000, 10.0)
    link.close()


class Port:
    """A serial port in which ``waiting`` bytes have arrived; a read of more
    of them would wait."""

    timeout = None

    def __init__(self, waiting: bytes) -> None:
        self.waiting, self.reads = waiting, list[int]()

    @property
    def in_waiting(self) -> int:
        return len(self.waiting)

    def read(self, size: int) -> bytes:
        self.reads.append(size)
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        return data


@pytest.mark.parametrize(("waiting", "reads"), [(b"", [1]), (b"a", [1]), (b"abc", [1, 2])])
def test_a_read_waits_for_the_first_byte_alone(
    waiting: bytes, reads: list[int], pty: tuple[int, str]
) -> None:
    link = UartLink(pty[1])
    link.close()
    link._serial = port = Port(waiting)
    assert link.read(0.5) == waiting
    assert (port.reads, port.timeout) == (reads, 0.5)


def test_bytes_from_before_the_opening_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        plain = serial.serial_for_url

        def open_with_old_bytes(*words: Any, **options: Any) -> Any:
            port = plain(*words, **options)
            peers.append(server.accept()[0])
            peers[0].sendall(b"old")
            while not port.in_waiting:
                pass
            return port

        peers: list[socket.socket] = []
        monkeypatch.setattr(serial, "serial_for_url", open_with_old_bytes)
        link = UartLink(f"socket://127.0.0.1:{server.getsockname()[1]}")
        peers[0].sendall(b"new")
        assert read_all(link, 3) == b"new"
        link.close()
        peers[0].close()


def test_waiting_is_sleeping(pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(uart.time, "sleep", waits.append)
    link = UartLink(pty[1])
    link.wait(0.25)
    link.close()
    assert waits == [0.25]


# The error of the operating system, the library's text, and what is said of the port.
@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (errno.EBUSY, "no", "port is busy"),
        (None, "Could not exclusively lock port", "port is busy"),
        (errno.EACCES, "no", "permission denied"),
        (errno.ENXIO, "no", "no such port"),
        (errno.EIO, "no", r"cannot open \(\[Errno 5\] no\)"),
    ],
)
def test_why_a_port_cannot_be_opened(
    code: int | None, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise serial.SerialException(code, text) if code else serial.SerialException(text)

    monkeypatch.setattr(serial, "serial_for_url", fail)
    with pytest.raises(LinkError, match=f"port: {said}"):
        UartLink("port")
