"""ndrite serve: a simulated board on a pseudo-terminal, or on a UDP socket."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from emulator.spec.datagrams import PORT
from host.links.udp_socket import udp_address
from ndrite.cli.options import preset_option
from ndrite.cli.terminal import say
from ndrite.url import preset

LOOPBACK = f"127.0.0.1:{PORT}"


@click.command()
@preset_option
@click.option(
    "--link", type=click.Path(path_type=Path), metavar="PATH", help="Symbolic link to make at the terminal."
)
@click.option(
    "--udp",
    is_flag=False,
    flag_value=LOOPBACK,
    metavar="[HOST:PORT]",
    help=f"On a UDP socket instead, {LOOPBACK} unless said otherwise; port 0 is any that is free.",
)
def command(name: str, link: Path | None, udp: str | None) -> None:
    """Run a simulated board until Ctrl-C and print how to reach it: a serial port, or a UDP address.

    Any baud rate will do: the simulated UART takes 4 clocks per bit and waits for its client.

    \b
    Example: ndrite serve --link /tmp/ndrite
             ndrite evaluate program.npz --board uart:/tmp/ndrite       (in another terminal)
             ndrite serve --udp
             ndrite evaluate program.npz --board udp:127.0.0.1
    """
    if udp is not None and link is not None:
        raise click.UsageError("--link and --udp exclude each other")
    geometry = preset(name)
    signal.signal(signal.SIGTERM, _interrupt)  # `kill` ends it as cleanly as Ctrl-C does
    if udp is not None:
        from boards.sim.serve_udp import serve_udp

        host, port = udp_address(udp, least=0)
        serve_udp(
            geometry, host=host, port=port, announce=lambda url: say(f"serving {geometry.name} on {url}")
        )
    else:
        from boards.sim.serve import serve

        serve(geometry, link=link, announce=lambda path: say(f"serving {geometry.name} on {path}"))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
