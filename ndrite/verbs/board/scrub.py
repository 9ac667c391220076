"""scrub: what has changed in a programmed chip's memories."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from host import InputError
from host.scrub import Upset
from ndrite.results import Result
from ndrite.signature import Board, Option, Source, verb
from ndrite.sources import held
from ndrite.url import connect


@dataclass(frozen=True)
class Scrubbed(Result):
    """What had changed, in so many looks."""

    program: str
    board: str
    looks: int
    upsets: tuple[Upset, ...]

    @property
    def failure(self) -> str | None:
        """That anything had."""
        if not self.upsets:
            return None
        return f"{len(self.upsets)} memory sections had changed; reloaded and verified"

    def as_dict(self) -> dict[str, Any]:
        """Every changed section."""
        upsets = [vars(upset) for upset in self.upsets]
        return {"program": self.program, "board": self.board, "looks": self.looks, "upsets": upsets}

    def lines(self) -> Iterable[str]:
        """How many there were."""
        return (f"{self.program} on {self.board}: {self.looks} looks, {len(self.upsets)} changed sections",)


@verb
def scrub(
    program: Source,
    /,
    *,
    board: Board,
    every: Annotated[float, Option("SECONDS", least=0)] | None = None,
    announce: Callable[[str], None] | None = None,
) -> Scrubbed:
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
    announce:
        Told of every changed section.

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
                upsets = chosen.scrub(what)
                looks += 1
                found += upsets
                for upset in upsets:
                    if announce is not None:
                        announce(str(upset))
                if every is None:
                    break
                time.sleep(every)
        except KeyboardInterrupt:
            if every is None:
                raise
    return Scrubbed(what.name, board, looks, tuple(found))
