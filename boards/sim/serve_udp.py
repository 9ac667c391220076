"""A simulated board on a UDP socket of the kernel: any host's driver talks to real RTL."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable

from boards.sim.serve import BURST_CYCLES, IDLE_S, QUIET_CYCLES
from boards.sim.udp import UdpModel
from emulator.spec import Geometry
from emulator.spec.datagrams import MTU, Kind
from host.errors import LinkError

WAITING = 256
"""Datagrams of one host that wait for the device; what comes beyond is lost, as where a board's buffer is
full."""
AT_ONCE = 256
"""Datagrams taken from the kernel before the device runs again, however many more there are."""
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

    def put(self, datagram: bytes, sender: Address) -> None:
        """Let a datagram wait; lost where its sender has too many, or there are too many senders."""
        if sender not in self._waiting:
            if sender != self.peer and len(self._waiting) > STRANGERS:
                return
            self._waiting[sender] = deque()
        if len(self._waiting[sender]) < WAITING:
            self._waiting[sender].append(datagram)

    def take(self) -> tuple[bytes, Address] | None:
        """The next one, with its sender; None: no more before the device has run."""
        sender = self.peer if self.peer in self._waiting else next(iter(self._waiting), None)
        if sender is None:
            return None
        waiting = self._waiting[sender]
        datagram = waiting.popleft()
        del self._waiting[sender]
        if waiting:  # strangers take turns
            self._waiting[sender] = waiting
        return datagram, sender

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))


def serve_udp(geometry: Geometry, *, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Put a fresh simulated board on a UDP socket until interrupted.

    Parameters
    ----------
    geometry:
        Shape of the array.
    host, port:
        Where to listen; port 0: any that is free.
    announce:
        Called once with the URL a client opens.

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
        model = UdpModel(geometry)
        try:
            announce("udp:{}:{}".format(*link.getsockname()))
            _bridge(model, link)
        finally:
            model.close()


def _bridge(model: UdpModel, link: socket.socket) -> None:
    quiet = QUIET_CYCLES
    told = time.monotonic()
    inbox = Inbox()
    while True:
        running = quiet < QUIET_CYCLES or len(inbox) > 0
        readable, _, _ = select.select([link], [], [], 0 if running else IDLE_S)
        if readable:
            receive(inbox, link)
        if _feed(model, inbox):
            quiet = 0
        # The lease is of real time, whatever the simulated clock does.
        while time.monotonic() - told >= 1:
            told += 1
            model.second()
        if running or readable:
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
        if datagram[0] in (Kind.OFFER, Kind.DATA):
            inbox.peer = receiver
        with contextlib.suppress(OSError):  # lost, as on any network
            link.sendto(datagram, receiver)
