"""``ndrite board serve --udp`` in one process, hosts on its socket in others; ``sim-udp:`` in this one."""

import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from boards.recognise import is_of_these_sources
from boards.sim.serve_udp import AT_ONCE, STRANGERS, WAITING, Inbox, receive
from emulator.golden import Core
from emulator.spec import PRESETS, Program
from emulator.spec.datagrams import HEADER, OPEN_BYTES, VERSION, Kind
from host import LinkError
from ndrite import connect
from ndrite.shell.main import BAD_INPUT, DEVICE, INTERRUPTED, OK, run
from tests.system.serving import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server("tiny")
    yield server
    assert server.stop() == INTERRUPTED


def test_infer_through_the_socket(
    server: Server, tmp_path: Path, program: Program, x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.fullmatch(r"serving tiny on udp:127\.0\.0\.1:\d+\n", server.said)
    program.save(tmp_path / "program.npz")
    np.save(tmp_path / "x.npy", x)
    files = [str(tmp_path / "program.npz"), "--inputs", str(tmp_path / "x.npy")]
    files += ["-o", str(tmp_path / "y.npy")]
    for seed in (1, 2):  # the first client has closed its session
        assert run(["infer", *files, "--board", server.url, "--seed", str(seed)]) == OK
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), Core(program).infer(x, seed=seed))
    with connect(server.url) as board:
        capsys.readouterr()
        assert run(["board", "info", server.url]) == DEVICE
        said = capsys.readouterr().err
        assert re.search(r"127\.0\.0\.1:\d+ has the board, and was heard of \d+ s ago", said), said
        board.program(program)
        assert board.identity()["program_tag"] == f"{program.tag:08x}"


def test_a_stranger_gets_no_more_than_he_sends(server: Server) -> None:
    host, port = server.url.removeprefix("udp:").split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger, connect(server.url):
        stranger.connect((host, int(port)))
        stranger.settimeout(0.4)
        for kind in Kind:
            stranger.send(HEADER.pack(kind, VERSION, 0, 1, 77).ljust(OPEN_BYTES, b"\1"))
        for _ in (Kind.OPEN, Kind.DATA):
            answer = stranger.recv(2000)
            assert len(answer) <= OPEN_BYTES
            assert HEADER.unpack_from(answer)[0] == Kind.REFUSED
        with pytest.raises(TimeoutError):
            stranger.recv(2000)


def test_a_server_ends_clean_and_has_then_vanished(program: Program, x: np.ndarray) -> None:
    server = Server("tiny")
    with connect(server.url) as board:
        board.program(program)
        assert server.stop(signal.SIGTERM) == INTERRUPTED
        with pytest.raises(LinkError, match="nothing listens"):
            board.infer(x)


def test_a_port_in_use_is_one_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    address = server.url.removeprefix("udp:")
    assert run(["board", "serve", "--preset", "tiny", "--udp", "--at", address]) == DEVICE
    assert f"udp:{address}: cannot listen there (Address already in use)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--udp", "--at", "nonsense:port"], ["--udp", "--link", "x"]])
def test_wrong_usage(words: list[str]) -> None:
    assert run(["board", "serve", "--preset", "tiny", *words]) == BAD_INPUT


def test_sim_udp_gives_golden_results(program: Program, x: np.ndarray) -> None:
    with connect("sim-udp:tiny") as board:
        board.program(program)
        np.testing.assert_array_equal(board.infer(x, seed=3), Core(program).infer(x, seed=3))
        assert is_of_these_sources(PRESETS["tiny"], int(board.identity()["build_id"], 16))


def test_a_stranger_who_floods_the_port_keeps_nobody_out(
    server: Server, program: Program, x: np.ndarray
) -> None:
    """A host opens, programs and infers while another one sends without end."""
    host, port = server.url.removeprefix("udp:").split(":")
    done = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.connect((host, int(port)))
            while not done.is_set():
                for kind in (Kind.DATA, Kind.OPEN, 0xFF):
                    link.send(bytes([kind]).ljust(OPEN_BYTES, b"\0"))

    stranger = threading.Thread(target=flood)
    stranger.start()
    try:
        with connect(server.url) as board:
            board.program(program)
            np.testing.assert_array_equal(board.infer(x[:4], seed=3), Core(program).infer(x[:4], seed=3))
    finally:
        done.set()
        stranger.join()


def test_datagrams_wait_by_their_sender() -> None:
    """The peer's go first, strangers take turns, and nobody's queue grows without end."""
    inbox, peer, others = Inbox(), ("10.0.0.1", 5), [("10.0.0.2", port) for port in range(40)]
    inbox.peer = peer
    for number in range(2 * WAITING):
        for sender in others:
            inbox.put(bytes([number % 251]), sender)
    assert len(inbox) <= (STRANGERS + 1) * WAITING
    inbox.put(b"mine", peer)
    assert inbox.take() == (b"mine", peer)
    turns = [inbox.take() for _ in range(3)]
    assert len({turn[1] for turn in turns if turn is not None}) == 3


def test_receiving_is_bounded() -> None:
    """However fast a host sends, the device gets to run."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(link.getsockname())
            for _ in range(AT_ONCE + 20):
                sender.send(b"x")
        assert receive(Inbox(), link) == AT_ONCE
