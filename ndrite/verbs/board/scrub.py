"""scrub: what has changed in a programmed chip's memories."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from host import InputError
from host.scrub import Upset
from ndrite.results import Found
from ndrite.signature import Board, Option, Source, verb
from ndrite.sources import held
from ndrite.url import connect


@verb
def scrub(
    program: Source,
    /,
    *,
    board: Board,
    every: Annotated[float, Option("SECONDS", least=0)] | None = None,
    announce: Callable[[str], None] | None = None,
) -> Found:
    """What has changed in a chip's memories; reloads it.

    Checksums made in gateware are compared with the program's. Names each section with a changed bit. Exit
    code 1 when any was found (it is repaired then). The board is busy for the time of the look: about 30
    clock cycles a memory word.

    Parameters
    ----------
    program:
        What `compile` wrote or gave, or a program alone.
    board:
        URL of the board that holds it; it is not programmed first.
    every:
        Go on until Ctrl-C, with this pause between two looks, seconds.

    Examples
    --------
    $ ndrite board scrub mine --board uart:/dev/ttyUSB0 --every 60
    """
    if every == 0:
        raise InputError("every is 0; accepted: above 0 seconds")
    what, looks = held(program).program, 0
    found: list[Upset] = []
    with connect(board) as chosen:
        try:
            while True:
                changed = chosen.scrub(what)
                looks += 1
                found += changed
                for upset in changed:
                    if announce is not None:
                        announce(str(upset))
                if every is None:
                    break
                time.sleep(every)
        except KeyboardInterrupt:
            if every is None:
                raise
    upsets = [vars(upset) for upset in found]
    return Found(
        {"program": what.name, "board": board, "looks": looks, "upsets": upsets},
        said=(f"{what.name} on {board}: {looks} looks, {len(found)} changed sections",),
        failed=f"{len(found)} memory sections had changed; reloaded and verified" if found else None,
    )
