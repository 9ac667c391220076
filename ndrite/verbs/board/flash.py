"""flash: a built bitstream into a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from boards.fpga import find_target
from boards.fpga.flash import flash as load
from ndrite.results import Found
from ndrite.signature import Folder, Option, verb


@verb
def flash(
    board: Annotated[str, Option("BOARD")],
    /,
    *,
    folder: Folder | None = None,
    permanent: bool = False,
) -> Found:
    """Load a bitstream into an FPGA board, with openFPGALoader.

    Without ``permanent`` it is gone at power-off (iCEBreaker: always its flash). Refuses a build whose timing
    failed.

    Parameters
    ----------
    board:
        Name of the board, as ``ndrite board list`` has it.
    folder:
        Folder that ``ndrite board build`` wrote; default: build/BOARD.
    permanent:
        Write the flash memory in place of the FPGA's own.

    Examples
    --------
    $ ndrite board flash ulx3s-85f
    """
    chosen = find_target(board)
    load(chosen, Path("build") / chosen.name if folder is None else Path(folder), permanent=permanent)
    return Found({"board": chosen.name, "permanent": permanent}, said=(f"{chosen.name}: loaded",))
