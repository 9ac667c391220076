"""The UDP link: what it takes for the stream, and what it says where there is none."""

import errno
import select
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from ndrite.emulator.spec.datagrams import (
    HEADER,
    HEADER_BYTES,
    HOLDER,
    NUMBERS,
    OFFER_BYTES,
    OPEN_BYTES,
    PIECE_MAX,
    REFUSED_BYTES,
    VERSION,
    Kind,
)
from ndrite.host import InputError, LinkError, LinkTimeout
from ndrite.host.links import Link
from ndrite.host.links.udp import UdpLink, UdpSocket, udp_address
from tests.refusals import refused

TOKEN = 0x1122334455667788


class Script:
    """Datagrams that a test puts in and takes out; every ``open`` is offered another token."""

    live = True

    def __init__(self) -> None:
        self.token = TOKEN
        self.sent: list[bytes] = []
        self.waiting: deque[bytes] = deque()
        self.opened = 0
        self.mute = False
        self.closed = False

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self._take(datagram)

    def _take(self, datagram: bytes) -> None:
        kind, *fields, own = HEADER.unpack_from(datagram)
        if kind == Kind.OPEN:
            assert len(datagram) == OPEN_BYTES >= OFFER_BYTES
            assert fields == [VERSION, 0, 0]
            self.opened += 1
            if self.mute:
                return
            self.token += self.opened > 1
            offer = HEADER.pack(Kind.OFFER, VERSION, 0, 0, self.token)
            self.waiting.append(offer + own.to_bytes(8, "little"))
            return
        self.sent.append(datagram)

    def receive(self, timeout_s: float) -> bytes:
        return self.waiting.popleft() if self.waiting else b""

    def wait(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def data(self, number: int, piece: bytes, token: int | None = None) -> None:
        token = self.token if token is None else token
        self.waiting.append(HEADER.pack(Kind.DATA, VERSION, 0, number % NUMBERS, token) + piece)

    def refuse(self, token: int, *holder: int) -> None:
        """A refusal; ``holder``: address, port and silence of who has the board."""
        self.waiting.append(HEADER.pack(Kind.REFUSED, VERSION, 0, 0, token) + HOLDER.pack(*holder))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def link(script: Script) -> UdpLink:
    return UdpLink(script)


def test_stream_is_cut_into_full_numbered_datagrams(script: Script, link: UdpLink) -> None:
    assert isinstance(link, Link)
    stream = bytes(i % 251 for i in range(3 * PIECE_MAX + 5))
    for start in range(0, len(stream), 700):
        link.write(stream[start : start + 700])
    assert [len(d) - HEADER_BYTES for d in script.sent] == [PIECE_MAX] * 3
    link.read(0.0)  # what was kept goes out before anything is waited for
    assert b"".join(d[HEADER_BYTES:] for d in script.sent) == stream
    headers = [HEADER.unpack_from(d) for d in script.sent]
    assert headers == [(Kind.DATA, VERSION, 0, i, TOKEN) for i in (1, 2, 3, 4)]


def test_only_what_is_next_is_taken_and_gaps_end_a_frame(script: Script, link: UdpLink) -> None:
    script.data(1, b"a")
    script.data(1, b"a")  # doubled
    script.data(2, b"b")
    script.data(4, b"d")  # 3 is lost, or late
    script.data(3, b"c")
    script.data(5, b"of another session", token=TOKEN + 7)
    script.data(5, b"e")
    script.waiting.extend([b"", HEADER.pack(Kind.DATA, VERSION + 1, 0, 6, TOKEN) + b"x"])
    assert [link.read(0.1) for _ in range(4)] == [b"a", b"b", b"\0d", b"e"]
    assert link.lost == 3


def test_numbers_go_round(script: Script, link: UdpLink) -> None:
    link._taken = link._sent = NUMBERS - 1
    script.data(NUMBERS - 1, b"old")
    script.data(0, b"next")
    script.data(1, b"and next")
    assert [link.read(0.1), link.read(0.1)] == [b"next", b"and next"]
    link.write(b"x")
    link.read(0.0)
    assert HEADER.unpack_from(script.sent[-1])[3] == 0


def test_only_the_answer_to_its_own_opening_opens_a_session() -> None:
    """Not what is short, of another version, kind or length, or answers another host."""

    class Strangers(Script):
        def _take(self, datagram: bytes) -> None:
            kind, _, _, _, own = HEADER.unpack_from(datagram)
            holder = HOLDER.pack(0x0A000007, 4711, 3)
            others: list[tuple[Kind, int, int, bytes]] = [
                (Kind.OFFER, VERSION + 1, TOKEN + 1, own.to_bytes(8, "little")),
                (Kind.DATA, VERSION, TOKEN + 2, own.to_bytes(8, "little")),
                (Kind.OFFER, VERSION, TOKEN + 3, (own ^ 1).to_bytes(8, "little")),
                (Kind.OFFER, VERSION, TOKEN + 4, own.to_bytes(8, "little") + b"\0"),
                (Kind.REFUSED, VERSION, own ^ 1, holder),
                (Kind.REFUSED, VERSION, own, holder + b"\0"),
            ]
            if kind == Kind.OPEN:
                self.waiting.append(b"short")
                self.waiting.extend(HEADER.pack(k, v, 0, 0, token) + rest for k, v, token, rest in others)
            super()._take(datagram)

    script = Strangers()
    link = UdpLink(script)
    link.write(b"x")
    link.read(0.0)
    assert HEADER.unpack_from(script.sent[-1]) == (Kind.DATA, VERSION, 0, 1, TOKEN)
    assert script.opened == 1
    assert (link.live, link.narrow) == (True, False)


def test_datagrams_of_no_use_hold_no_reader(
    script: Script, link: UdpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many arrive, each within the time, a read ends when its own time is up."""
    clock, waits = [0.0], list[float]()

    def receive(timeout_s: float) -> bytes:
        waits.append(timeout_s)
        assert len(waits) < 20, "for ever"
        clock[0] += 0.25
        return b"debris" if timeout_s else b""

    monkeypatch.setattr("ndrite.host.links.udp.time.monotonic", lambda: clock[0])
    script.receive = receive  # type: ignore[method-assign]
    assert link.read(1.0) == b""
    assert waits == [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]


def test_silence_opens_anew_and_nothing_old_is_taken(script: Script, link: UdpLink) -> None:
    script.data(1, b"a")
    assert link.read(0.1) == b"a"
    assert link.read(0.1) == b""
    link.write(b"again")
    script.data(2, b"of the old session", token=TOKEN)
    assert link.read(0.1) == b""
    assert script.opened == 2
    assert HEADER.unpack_from(script.sent[-1]) == (Kind.DATA, VERSION, 0, 1, TOKEN + 1)


def test_who_has_the_board_is_said() -> None:
    script = Script()
    script.send = lambda datagram: script.refuse(  # type: ignore[method-assign]
        HEADER.unpack_from(datagram)[4], 0x0A000007, 4711, 3
    )
    with pytest.raises(LinkError, match=r"in use by 10\.0\.0\.7:4711, last heard 3 s ago"):
        UdpLink(script)
    assert script.closed
    assert REFUSED_BYTES <= OPEN_BYTES


def test_a_board_taken_over_is_an_error_and_a_stale_refusal_is_none(script: Script, link: UdpLink) -> None:
    script.refuse(TOKEN + 9, 0x0A000007, 4711, 0)
    script.data(1, b"a")
    assert link.read(0.1) == b"a"
    script.refuse(TOKEN, 0x0A000007, 4711, 0)
    with pytest.raises(LinkError, match=r"in use by 10\.0\.0\.7:4711"):
        link.read(0.1)


def test_a_board_that_forgot_the_session_is_asked_for_another(script: Script, link: UdpLink) -> None:
    script.data(1, b"")
    script.refuse(TOKEN, 0, 0, 0)
    script.data(2, b"of a session that is over")
    assert link.read(0.1) == b""
    script.waiting.clear()
    link.write(b"x")
    link.read(0.0)
    assert script.opened == 2
    assert script.sent[-1].endswith(b"x")


def test_closing_says_so_and_ends_the_link(script: Script, link: UdpLink) -> None:
    link.close()
    link.close()
    assert script.closed
    assert {HEADER.unpack_from(d) for d in script.sent} == {(Kind.CLOSE, VERSION, 0, 0, TOKEN)}
    assert len(script.sent) == 2, "the device answers neither"
    for use in (lambda: link.write(b"x"), lambda: link.read(0.0), lambda: link.wait(0.0)):
        with pytest.raises(LinkError, match="closed"):
            use()


def test_who_waits_has_sent_all_before(
    script: Script, link: UdpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(script, "wait", lambda seconds: waits.append(len(script.sent) + seconds))
    link.write(b"x")
    assert not script.sent
    link.wait(0.5)
    assert waits == [1.5]


def test_what_has_arrived_is_read_before_more_is_sent(
    script: Script, link: UdpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader may write more meanwhile; only a read that finds nothing sends what
    is kept, and waits."""
    waits, plain = list[tuple[float, int]](), script.receive

    def receive(timeout_s: float) -> bytes:
        waits.append((timeout_s, len(script.sent)))
        return plain(timeout_s)

    monkeypatch.setattr(script, "receive", receive)
    link.write(b"x")
    script.data(1, b"a")
    assert link.read(0.5) == b"a"
    assert link.read(0.5) == b""
    assert waits == [(0.0, 0), (0.0, 0), (0.5, 1)]


def test_a_closed_link_gives_nothing_that_arrived_before(script: Script, link: UdpLink) -> None:
    link.write(b"x")
    script.data(1, b"a")
    link.close()
    with pytest.raises(LinkError, match="closed"):
        link.read(0.1)


def test_data_of_any_length_is_of_the_stream(script: Script, link: UdpLink) -> None:
    """None at all, and as much as a refusal has; a refusal of another length is none."""
    script.data(1, b"")
    script.data(2, bytes(HOLDER.size))
    script.waiting.append(HEADER.pack(Kind.REFUSED, VERSION, 0, 0, TOKEN) + bytes(HOLDER.size + 1))
    script.data(3, b"c")
    assert [link.read(0.1), link.read(0.1)] == [bytes(HOLDER.size), b"c"]
    assert link.lost == 0


def test_what_is_written_while_nothing_answers_is_lost(script: Script, link: UdpLink) -> None:
    assert link.read(0.1) == b""
    script.mute = True
    link.write(b"old")
    assert link.read(0.1) == b""
    script.mute = False
    link.write(b"new")
    link.read(0.1)
    assert [d[HEADER_BYTES:] for d in script.sent] == [b"new"]


def test_a_link_whose_board_was_taken_over_opens_a_session_of_its_own(script: Script, link: UdpLink) -> None:
    script.refuse(TOKEN, 0x0A000007, 4711, 0)
    with pytest.raises(LinkError, match="in use by"):
        link.read(0.1)
    link.write(b"x")
    link.read(0.0)
    assert script.opened == 2


@pytest.mark.parametrize("lowest", [True, False])
def test_any_token_opens_a_session(lowest: bool, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ndrite.host.links.udp.secrets.randbits", lambda bits: 0 if lowest else (1 << bits) - 1
    )
    UdpLink(script)
    assert script.opened == 1


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        yield s


def test_a_silent_port_is_a_timeout(listener: socket.socket) -> None:
    name = "udp:127.0.0.1"
    with pytest.raises(LinkTimeout, match=r"udp:127\.0\.0\.1: no answer within 0\.1 s"):
        UdpLink(UdpSocket(*listener.getsockname()), name=name, opening_s=0.1)
    assert len(listener.recv(100)) == OPEN_BYTES


def test_datagrams_of_one_size_arrive_apart(listener: socket.socket) -> None:
    """Whether the kernel cuts them apart or not."""
    sizes = [1472] * 90 + [30, 1472, 7]
    sent = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    for segments in (None, 1):
        link = UdpSocket(*listener.getsockname())
        link._segments = segments or link._segments
        link.send(*sent)
        listener.settimeout(5.0)
        assert [listener.recv(2000) for _ in sent] == sent
        link.close()


def test_a_socket_has_room_for_bursts_and_cuts_where_the_kernel_does(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndrite.host.links.udp.sys.platform", "darwin")
    link = UdpSocket(*listener.getsockname())
    assert (link._segments, link.live) == (1, True)
    assert link._socket is not None
    bytes_usual, bytes_here = (
        s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for s in (listener, link._socket)
    )
    assert bytes_here > bytes_usual
    link.close()


def test_a_socket_that_cannot_connect_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[socket.socket] = []

    class Unreachable(socket.socket):
        def connect(self, address: object) -> None:
            sockets.append(self)
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("ndrite.host.links.udp.socket.socket", Unreachable)
    with pytest.raises(LinkError, match=r"cannot be reached \(Network is unreachable\)"):
        UdpSocket("10.0.0.2")
    assert [link.fileno() for link in sockets] == [-1]


class NoSegments:
    """A kernel that refuses to cut datagrams apart, with ``error``; keeps what
    is sent one by one."""

    def __init__(self, error: int) -> None:
        self.error, self.refused = error, 0
        self.sent: list[bytes] = []

    def sendmsg(self, *given: object) -> None:
        self.refused += 1
        raise OSError(self.error, "no")

    def send(self, datagram: bytes) -> None:
        self.sent.append(datagram)

    def close(self) -> None: ...


def test_a_kernel_that_cannot_cut_datagrams_apart_gets_one_at_a_time(listener: socket.socket) -> None:
    link, sent = UdpSocket(*listener.getsockname()), [bytes([i]) * 50 for i in range(90)]
    link.close()
    link._segments = 40
    link._socket = kernel = NoSegments(errno.EIO)  # type: ignore[assignment]
    link.send(*sent)
    assert (kernel.sent, kernel.refused) == (sent, 1)
    link._segments = 40
    link._socket = NoSegments(errno.ENETUNREACH)  # type: ignore[assignment]
    with pytest.raises(LinkError, match=r"no$"):
        link.send(*sent)


class Kernel:
    """A kernel's socket that keeps what is sent; ``full``: how often it has
    no room at first."""

    def __init__(self, full: int = 0) -> None:
        self.full = full
        self.sent: list[Any] = []

    def sendmsg(self, *message: object) -> None:
        self.sent.append(message)

    def send(self, datagram: bytes) -> None:
        if self.full:
            self.full -= 1
            raise BlockingIOError
        self.sent.append(datagram)


@pytest.fixture
def sender(listener: socket.socket) -> UdpSocket:
    """A socket whose kernel a test replaces."""
    link = UdpSocket(*listener.getsockname())
    link.close()
    link._segments = 40
    return link


def test_several_datagrams_are_one_call_that_says_their_size(sender: UdpSocket) -> None:
    sender._socket = kernel = Kernel()  # type: ignore[assignment]
    sender.send(b"one", b"two", b"alone")
    size = [(17, 103, struct.pack("=H", 3))]  # Linux' numbers of UDP and UDP_SEGMENT
    assert kernel.sent == [([b"onetwo"], size), b"alone"]


def test_a_full_kernel_is_waited_for(sender: UdpSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    sender._socket = kernel = Kernel(full=2)  # type: ignore[assignment]
    waits: list[Any] = []
    monkeypatch.setattr("ndrite.host.links.udp.select.select", lambda *lists: waits.append(lists[:3]))
    sender.send(b"x")
    assert (kernel.sent, waits) == ([b"x"], [([], [kernel], [])] * 2)


@pytest.mark.parametrize("has_poll", [True, False])
def test_a_datagram_ends_the_wait_for_it(
    listener: socket.socket, has_poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is told which socket, and how long; one that has no poll is
    asked with select."""
    waits: list[Any] = []

    class Poll:
        def register(self, watched: socket.socket, mask: int) -> None:
            waits.append((watched, mask))

        def poll(self, milliseconds: float) -> None:
            waits.append(milliseconds)
            listener.sendto(b"x", waits[0][0].getsockname())

    def select_readable(read: Any, write: Any, failed: Any, seconds: float) -> None:
        waits.append((read, write, failed, seconds))
        listener.sendto(b"x", read[0].getsockname())

    if has_poll:
        monkeypatch.setattr(select, "poll", Poll, raising=False)
    else:
        monkeypatch.delattr(select, "poll", raising=False)
    monkeypatch.setattr(select, "select", select_readable)
    link = UdpSocket(*listener.getsockname())
    assert link.receive(0.25) == b"x"
    kernel = link._socket
    assert waits == ([(kernel, select.POLLIN), 250.0] if has_poll else [([kernel], [], [], 0.25)])
    link.close()


def test_a_closed_socket_is_said_to_be_closed(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("ndrite.host.links.udp.time.sleep", waits.append)
    link = UdpSocket(*listener.getsockname())
    link.wait(0.25)
    kernel = link._socket
    assert kernel is not None
    link.close()
    link.close()
    assert (kernel.fileno(), waits) == (-1, [0.25])
    for use in (lambda: link.send(b"x"), lambda: link.receive(0.0)):
        with pytest.raises(LinkError, match="link is closed"):
            use()


class Silent(Script):
    """Nothing answers; how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def _take(self, datagram: bytes) -> None:
        self.sent.append(datagram)

    def receive(self, timeout_s: float) -> bytes:
        self.waits.append(timeout_s)
        return b""


@pytest.mark.parametrize(("how", "seconds"), [({"opening_s": 0.6}, 0.6), ({}, 3.0)])
def test_an_opening_is_tried_twelve_times_in_its_time(how: dict[str, float], seconds: float) -> None:
    silent = Silent()
    with pytest.raises(LinkTimeout, match=f"no answer within {seconds:g} s"):
        UdpLink(silent, **how)
    assert len(silent.sent) == len(silent.waits) == 12
    assert max(silent.waits) <= seconds / 12


def test_the_time_of_an_opening_is_shared_by_its_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndrite.host.links.udp.time.monotonic", lambda: 5.0)
    silent = Silent()
    with pytest.raises(LinkTimeout):
        UdpLink(silent, opening_s=3.0)
    assert silent.waits == [0.25] * 12


def test_a_port_that_nobody_has_is_a_link_error(listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    with pytest.raises(LinkError, match="nothing listens on that port"):
        UdpLink(UdpSocket(*address), opening_s=0.2)


PORTS = {"10.0.0.2": ("10.0.0.2", 20807), "board:1": ("board", 1), "board:65535": ("board", 65535)}


@pytest.mark.parametrize(("text", "address"), PORTS.items())
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert udp_address(text) == address


ADDRESSES = ("", ":5", "a:", "a:0", "a:65536", "a:-1", "::1", "a:x")
test_bad_addresses_name_what_is_accepted = refused(
    (InputError, LinkError),
    *((udp_address, text, r"accepted: HOST\[:PORT\]") for text in ADDRESSES),
    (UdpSocket, "é" * 70, r"cannot be reached \(encoding"),
    (UdpSocket, "board.invalid", r"udp:board\.invalid:20807: cannot be reached"),
)
