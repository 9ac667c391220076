"""ndrite build: a bitstream for an FPGA board."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import click

from ndrite.cli.options import json_option
from ndrite.cli.terminal import note, print_json, print_table, status_line

SHOWN = (
    "fmax_mhz luts luts_available ffs ffs_available dsps dsps_available brams brams_available lanes readouts "
    "weights_capacity gmac_per_s images_per_s_compute images_per_s_link build_id"
).split()


@click.command()
@click.argument("board", metavar="BOARD")
@click.option(
    "--seeds",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Placement seeds to try; the fastest is kept.",
)
@click.option(
    "--first-seed",
    type=click.IntRange(0),
    help="The first of them; default: that of the board's committed report, or 1.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Seeds to try at once, a core and up to 1.1 GB each; default: as many as there are cores.",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write (replaced in whole); default: build/BOARD.",
)
@click.option("--address", metavar="IPV4", help="Of a board on Ethernet; default: 192.168.1.77.")
@click.option("--mac", metavar="MAC", help="Of a board on Ethernet; default: 02:6e:64:72:00:01.")
@json_option
def command(
    board: str,
    seeds: int,
    first_seed: int | None,
    jobs: int | None,
    output: Path | None,
    address: str | None,
    mac: str | None,
    as_json: bool,
) -> None:
    """Build the bitstream of BOARD: synthesis, place and route, packing.

    Needs the tools of ndrite[fpga], or native ones. Clock rates in MHz are nextpnr's estimates, images/s
    follow from them; nothing is measured. Exit code 1 when no seed reaches the board's clock (report and
    logs are written, no bitstream).

    \b
    Example: ndrite build ulx3s-85f --seeds 4
    """
    from boards.fpga import find_target
    from boards.fpga.build import build
    from boards.fpga.errors import TimingError
    from boards.fpga.reports import known_seed
    from hdl.ethernet.addresses import Addresses
    from ndrite.cli.main import CheckFailed
    from ndrite.shipped import shipped_program

    chosen = find_target(board)
    if address is not None or mac is not None:
        if chosen.ethernet is None:
            raise click.UsageError(f"--address and --mac are for boards on Ethernet; {board} is not")
        try:
            chosen = dataclasses.replace(chosen, addresses=Addresses.of(address, mac))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    folder = Path("build") / chosen.name if output is None else output
    try:
        with status_line(chosen.name) as progress:
            report = build(
                chosen,
                folder,
                program=shipped_program(),
                seeds=seeds,
                first_seed=known_seed(chosen.name) if first_seed is None else first_seed,
                jobs=jobs or os.cpu_count() or 1,
                announce=lambda line: note(f"{chosen.name}: {line}"),
                progress=progress,
            )
    except TimingError as error:
        raise CheckFailed(str(error)) from None
    if as_json:
        print_json({"folder": str(folder), **report})
        return
    rows = [(name, str(report[name])) for name in SHOWN if name in report]
    rows.append(("wall time", f"{sum(report['wall_s'].values()):.0f} s"))
    print_table(f"{chosen.name} in {folder}: {report['fmax_is']}", ("quantity", "value"), rows)
