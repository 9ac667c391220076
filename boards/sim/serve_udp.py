"""A simulated board on a UDP socket of the kernel: any host's driver talks to real RTL."""

import contextlib
import select
import socket
import time
from collections.abc import Callable

from ndrite.boards.sim.serve import BURST_CYCLES, IDLE_S, QUIET_CYCLES
from ndrite.boards.sim.udp import UdpModel
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.datagrams import MTU
from ndrite.host.errors import LinkError

WAITING = 256
"""Largest number of datagrams that wait for the device; more wait in the kernel, so
that the device gets time to run."""


def serve_udp(
    geometry: Geometry, *, host: str, port: int, announce: Callable[[str], None], learns: bool = False
) -> None:
    """Serve a freshly powered-on simulated board on a UDP socket, until interrupted.

    Raises LinkError: the address is not free or not this machine's, or the board cannot
    be built. Raises KeyboardInterrupt: how it ends.

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
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.bind((host, port))
        except (OSError, TypeError) as error:  # an impossible host name raises TypeError
            reason = getattr(error, "strerror", None) or error
            raise LinkError(f"udp:{host}:{port}: cannot listen there ({reason})") from None
        link.setblocking(False)
        with contextlib.closing(UdpModel(geometry, learns=learns)) as model:
            announce("udp:{}:{}".format(*link.getsockname()))
            _bridge(model, link)


def _bridge(model: UdpModel, link: socket.socket) -> None:
    quiet, told_at = QUIET_CYCLES, time.monotonic()
    while True:
        if quiet >= QUIET_CYCLES:
            select.select([link], [], [], IDLE_S)
        if _receive(model, link):
            quiet = 0
        # The session's lease counts real seconds, even while the simulated clock is stopped.
        while time.monotonic() - told_at >= 1:
            told_at += 1
            model.second()
        if quiet < QUIET_CYCLES:
            before = model.cycles
            model.run(BURST_CYCLES)
            sent = _send(model, link)
            quiet = 0 if sent or model.unsent else quiet + model.cycles - before


def _receive(model: UdpModel, link: socket.socket) -> bool:
    """Queue received datagrams for the device, until none is left or ``WAITING`` are
    queued; return whether any was received."""
    fed = False
    while model.unsent < WAITING:
        try:
            datagram, (host, port) = link.recvfrom(MTU)
        except BlockingIOError:
            break
        except ConnectionError:  # report of an earlier answer: that host has closed its port
            continue
        model.feed(datagram, (int.from_bytes(socket.inet_aton(host), "big"), port))
        fed = True
    return fed


def _send(model: UdpModel, link: socket.socket) -> bool:
    sent = False
    while True:
        datagram, (address, port) = model.take()
        if not datagram:
            return sent
        sent = True
        with contextlib.suppress(OSError):  # a datagram may get lost, as on any network
            link.sendto(datagram, (socket.inet_ntoa(address.to_bytes(4, "big")), port))
