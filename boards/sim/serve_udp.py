"""A simulated board on a UDP socket of the kernel: any host's driver talks to real RTL."""

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Event, Thread

from boards.sim.serve import BURST_CYCLES, IDLE_S, QUIET_CYCLES
from boards.sim.udp import UdpModel
from emulator.spec import Geometry
from emulator.spec.datagrams import MTU, Kind
from host.errors import LinkError

WAITING = 256
"""Datagrams of one host that wait for the device; what comes beyond is lost, as where a board's buffer is
full."""
AT_ONCE = 256
"""Datagrams taken from the kernel before anything else is looked at, however many more there are."""
STRANGERS = 16
"""Hosts whose datagrams wait besides those of the host that the device talks to."""

Address = tuple[str, int]


class Inbox:
    """Datagrams that wait for the device: its peer's first, then one of a stranger's at a time.

    So a host that floods the port takes turns from nobody but other strangers.
    """

    def __init__(self) -> None:
        self.peer: Address | None = None
        self._waiting: dict[Address, deque[bytes]] = {}
        self._changed = Condition()

    def put(self, datagram: bytes, sender: Address) -> None:
        """Let a datagram wait; lost where its sender has too many, or there are too many senders."""
        with self._changed:
            if sender not in self._waiting:
                if sender != self.peer and len(self._waiting) > STRANGERS:
                    return
                self._waiting[sender] = deque()
            if len(self._waiting[sender]) < WAITING:
                self._waiting[sender].append(datagram)
                self._changed.notify()

    def take(self) -> tuple[bytes, Address] | None:
        """The next one, with its sender; None: no more before the device has run."""
        with self._changed:
            sender = self.peer if self.peer in self._waiting else next(iter(self._waiting), None)
            if sender is None:
                return None
            waiting = self._waiting.pop(sender)
            datagram = waiting.popleft()
            if waiting:  # strangers take turns
                self._waiting[sender] = waiting
            return datagram, sender

    def wait(self, seconds: float) -> None:
        """Until a datagram waits, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, seconds)

    def __len__(self) -> int:
        with self._changed:
            return sum(map(len, self._waiting.values()))


def serve_udp(
    geometry: Geometry, *, host: str, port: int, announce: Callable[[str], None], learns: bool = False
) -> None:
    """Put a fresh simulated board on a UDP socket until interrupted.

    Parameters
    ----------
    geometry:
        Shape of the array.
    host, port:
        Where to listen; port 0: any that is free.
    announce:
        Called once with the URL a client opens.
    learns:
        Whether the device learns, in place of one that infers.

    Raises
    ------
    LinkError
        The address is not free or not this machine's, or the board cannot be built.
    KeyboardInterrupt
        How it ends.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.bind((host, port))
        except OSError as error:
            raise LinkError(f"udp:{host}:{port}: cannot listen there ({error.strerror or error})") from None
        link.setblocking(False)
        model, inbox, over = UdpModel(geometry, learns=learns), Inbox(), Event()
        # The kernel's buffer is small: it is emptied while the device runs, or a flood crowds out its peer.
        listener = Thread(target=_listen, args=(inbox, link, over), daemon=True)
        listener.start()
        try:
            announce("udp:{}:{}".format(*link.getsockname()))
            _bridge(model, link, inbox)
        finally:
            over.set()
            listener.join()
            model.close()


def _listen(inbox: Inbox, link: socket.socket, over: Event) -> None:
    while not over.is_set():
        if select.select([link], [], [], IDLE_S)[0]:
            receive(inbox, link)


def _bridge(model: UdpModel, link: socket.socket, inbox: Inbox) -> None:
    quiet = QUIET_CYCLES
    told = time.monotonic()
    while True:
        running = quiet < QUIET_CYCLES or len(inbox) > 0
        if not running:
            inbox.wait(IDLE_S)
        if _feed(model, inbox):
            quiet = 0
        # The lease is of real time, whatever the simulated clock does.
        while time.monotonic() - told >= 1:
            told += 1
            model.second()
        if quiet < QUIET_CYCLES:
            before = model.cycles
            model.run(BURST_CYCLES)
            sent = _send(model, link, inbox)
            quiet = 0 if sent or model.unsent else quiet + model.cycles - before


def receive(inbox: Inbox, link: socket.socket) -> int:
    """Take what the kernel holds, at most ``AT_ONCE`` datagrams; how many there were."""
    for count in range(AT_ONCE):
        try:
            datagram, sender = link.recvfrom(MTU)
        except BlockingIOError:
            return count
        except ConnectionError:  # a host that is gone said so of an earlier answer
            continue
        inbox.put(datagram, sender)
    return AT_ONCE


def _feed(model: UdpModel, inbox: Inbox) -> bool:
    """Hand the device all of its peer's datagrams, and one of a stranger's; whether there was any."""
    fed = False
    while model.unsent < WAITING and (found := inbox.take()) is not None:
        datagram, (host, port) = found
        model.feed(datagram, (int.from_bytes(socket.inet_aton(host), "big"), port))
        fed = True
        if (host, port) != inbox.peer:
            break
    return fed


def _send(model: UdpModel, link: socket.socket, inbox: Inbox) -> bool:
    sent = False
    while True:
        datagram, (address, port) = model.take()
        if not datagram:
            return sent
        sent = True
        receiver = socket.inet_ntoa(address.to_bytes(4, "big")), port
        if datagram[0] == Kind.DATA:  # an offer is anybody's who asks
            inbox.peer = receiver
        with contextlib.suppress(OSError):  # lost, as on any network
            link.sendto(datagram, receiver)
