"""ndrite scrub: what has changed in a programmed chip's memories."""

from __future__ import annotations

import time
from pathlib import Path

import click

from emulator.spec import Program
from ndrite.cli.main import CheckFailed
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, printable, say
from ndrite.url import connect


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option(
    "--board",
    "url",
    required=True,
    metavar="URL",
    help="Board that holds PROGRAM; it is not programmed first.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Go on until Ctrl-C, with this pause between two looks.",
)
@json_option
def command(program_path: Path, url: str, every: float | None, as_json: bool) -> None:
    """Compare the chip's memories with PROGRAM by checksums made in gateware; reload what has changed.

    Names each section with a changed bit. Exit code 1 when any was found (it is repaired then). The board is
    busy for the time of the look: about 30 clock cycles a memory word.

    \b
    Example: ndrite scrub program.npz --board uart:/dev/ttyUSB0 --every 60
    """
    program = Program.load(program_path)
    found = []
    looks = 0
    with connect(url) as board:
        try:
            while True:
                upsets = board.scrub(program)
                looks += 1
                found += upsets
                for upset in upsets:
                    click.echo(printable(str(upset)), err=True)
                if every is None:
                    break
                time.sleep(every)
        except KeyboardInterrupt:
            if every is None:
                raise
    if as_json:
        upset_rows = [vars(upset) for upset in found]
        print_json({"program": str(program_path), "board": url, "looks": looks, "upsets": upset_rows})
    else:
        say(f"{program.name} on {url}: {looks} looks, {len(found)} changed sections")
    if found:
        raise CheckFailed(f"{len(found)} memory sections had changed; reloaded and verified")
