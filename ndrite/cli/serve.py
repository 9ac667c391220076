"""ndrite serve: the simulated board's UART pins on a pseudo-terminal."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from ndrite.cli.options import preset_option
from ndrite.cli.terminal import say
from ndrite.url import preset


@click.command()
@preset_option
@click.option(
    "--link", type=click.Path(path_type=Path), metavar="PATH", help="Symbolic link to make at the terminal."
)
def command(name: str, link: Path | None) -> None:
    """Run a simulated board until Ctrl-C and print the path of its serial port.

    Any baud rate will do: the simulated UART takes 4 clocks per bit and waits for its client.

    \b
    Example: ndrite serve --link /tmp/ndrite
             ndrite evaluate program.npz --board uart:/tmp/ndrite       (in another terminal)
    """
    from boards.sim.serve import serve

    geometry = preset(name)
    signal.signal(signal.SIGTERM, _interrupt)  # `kill` ends it as cleanly as Ctrl-C does
    serve(geometry, link=link, announce=lambda path: say(f"serving {geometry.name} on {path}"))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
