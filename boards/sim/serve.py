"""The simulated board's UART pins on a pseudo-terminal: any serial client talks to real RTL."""

import os
import select
from collections.abc import Callable
from pathlib import Path

from ndrite.boards.sim.build import DEFAULT_DIVISOR, build
from ndrite.boards.sim.model import Model
from ndrite.emulator.spec import Geometry
from ndrite.host.errors import LinkError

BURST_CYCLES = 20_000
"""Simulated cycles between two polls of the terminal: about 10 ms."""
QUIET_CYCLES = 2_000_000
"""Cycles without traffic after which the simulated clock stops, so that an idle board
costs no CPU time. This is longer than any request takes, and nothing happens on the
device without a request."""
READ_CHUNK = 65536
IDLE_S = 0.25
"""Longest single wait for traffic, in seconds: a signal that arrives just before a wait
is noticed only after it."""


def serve(geometry: Geometry, *, link: Path | None = None, announce: Callable[[str], None]) -> None:
    """Serve a freshly powered-on simulated board on a pseudo-terminal, until interrupted.

    Raises LinkError when ``link`` is not free, or the board cannot be built. Raises
    KeyboardInterrupt: how it ends.

    Parameters
    ----------
    geometry:
        Shape of the array.
    link:
        Symbolic link to create at the terminal's path, removed at the end.
    announce:
        Called once with the path a client opens.
    """
    try:
        import tty
    except ImportError:
        raise LinkError("this system has no pseudo-terminals; serve on UDP instead") from None
    model = Model(build(geometry), pins=True, divisor=DEFAULT_DIVISOR)
    # The server keeps the slave side open, so that the terminal survives when a
    # client closes it.
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        path = os.ttyname(slave)
        if link is not None:
            _point(link, path)
        announce(str(link) if link is not None else path)
        _bridge(model, master)
    finally:
        if link is not None and link.is_symlink() and str(link.readlink()) == os.ttyname(slave):
            link.unlink()
        os.close(master)
        os.close(slave)
        model.close()


def _bridge(model: Model, master: int) -> None:
    pending = b""
    quiet = QUIET_CYCLES
    while True:
        # While a client does not read, the simulated clock stops, so that no byte is lost.
        running = quiet < QUIET_CYCLES and not pending
        readable, writable, _ = select.select(
            [master], [master] if pending else [], [], 0 if running else IDLE_S
        )
        if readable:
            model.feed(os.read(master, READ_CHUNK))
            quiet = 0
        if writable:
            pending = pending[os.write(master, pending) :]
        if running:
            before = model.cycles
            model.run(BURST_CYCLES)
            pending = model.take()
            quiet = 0 if pending or model.unsent else quiet + model.cycles - before


def _point(link: Path, target: str) -> None:
    if link.is_symlink():
        if link.exists():
            raise LinkError(f"{link}: another board is served there ({link.readlink()})")
        link.unlink()  # the link was left by a server that was killed
    try:
        link.symlink_to(target)
    except OSError as error:
        raise LinkError(f"{link}: cannot create the symbolic link ({error.strerror})") from None
