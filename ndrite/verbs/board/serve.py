"""serve: a simulated board on a pseudo-terminal, or on a UDP socket."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from emulator.spec.datagrams import PORT
from host import InputError
from host.links.udp_socket import udp_address
from ndrite.results import Found
from ndrite.signature import File, Option, verb
from ndrite.url import DEFAULT_PRESET
from ndrite.url import preset as geometry_preset

LOOPBACK = f"127.0.0.1:{PORT}"


@verb
def serve(
    *,
    preset: str = DEFAULT_PRESET,
    link: File | None = None,
    udp: bool = False,
    at: Annotated[str, Option("HOST:PORT")] = LOOPBACK,
    say: Callable[[str], None] | None = None,
) -> Found:
    """A simulated board on a pseudo-terminal or a UDP socket.

    Runs until Ctrl-C and prints how to reach it. Any baud rate will do: the simulated UART takes 4 clocks per
    bit and waits for its client.

    Parameters
    ----------
    preset:
        Geometry preset.
    link:
        Symbolic link to make at the terminal.
    udp:
        On a UDP socket instead.
    at:
        With ``udp``: the socket's address; port 0 is any that is free.
    say:
        Told where the board is.

    Examples
    --------
    $ ndrite board serve --link /tmp/ndrite
    > ndrite evaluate mine --board uart:/tmp/ndrite       (in another terminal)
    > ndrite board serve --udp
    > ndrite evaluate mine --board udp:127.0.0.1
    """
    if udp and link is not None:
        raise InputError("link and udp exclude each other; accepted: one of them")
    geometry = geometry_preset(preset)
    tell = say or partial(print, flush=True)

    def announce(where: object) -> None:
        tell(f"serving {geometry.name} on {where}")

    signal.signal(signal.SIGTERM, _interrupt)  # `kill` ends it as cleanly as Ctrl-C does
    if udp:
        from boards.sim.serve_udp import serve_udp

        host, port = udp_address(at, least=0)
        serve_udp(geometry, host=host, port=port, announce=announce)
    else:
        from boards.sim.serve import serve as serve_terminal

        serve_terminal(geometry, link=None if link is None else Path(link), announce=announce)
    return Found({})


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
