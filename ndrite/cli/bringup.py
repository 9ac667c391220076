"""ndrite bringup: from a bitstream to a report on a board."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.bringup.broken import FAULTS
from ndrite.cli.files import require_folder
from ndrite.cli.main import CheckFailed
from ndrite.cli.options import json_option
from ndrite.cli.terminal import note, print_json, print_table, say

SIMULATED = "tang-nano-20k"


@click.command()
@click.argument("board", metavar="BOARD", required=False)
@click.option(
    "--port",
    metavar="PORT",
    help="Serial port of the UART, such as /dev/ttyUSB0; of a board on Ethernet HOST[:PORT].",
)
@click.option(
    "--from",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that `ndrite build` wrote; default: build/BOARD, built when it is missing.",
)
@click.option("--loaded", is_flag=True, help="The bitstream is on the board already: do not load it.")
@click.option(
    "--simulated", is_flag=True, help=f"The same on BOARD's compiled gateware; default board: {SIMULATED}."
)
@click.option("--fault", type=click.Choice(FAULTS), help="With --simulated: a board that has this fault.")
@click.option(
    "--inferences",
    default=500,
    show_default=True,
    type=click.IntRange(16, 1_000_000),
    help="Random inferences compared with the golden model, at least.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the test data.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Report to write, Markdown; default: bringup-BOARD.md.",
)
@json_option
def command(
    board: str | None,
    port: str | None,
    folder: Path | None,
    loaded: bool,
    simulated: bool,
    fault: str | None,
    inferences: int,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Load BOARD, test link, memories, arithmetic, noise and speed, and write one report of it all.

    What was on the board is lost. Exit code 1 when any check fails; the report says which, with the build id
    and versions, and can be attached to an issue. Nobody has run this on hardware yet.

    \b
    Example: ndrite bringup --simulated
             ndrite bringup ulx3s-85f --port /dev/ttyUSB0
    """
    from boards.fpga import find_target
    from emulator.files import whole_file
    from ndrite.bringup import Report, bringup, markdown
    from ndrite.bringup.report import versions
    from ndrite.bringup.ways import Hardware, Simulated

    if fault and not simulated:
        raise click.UsageError("--fault needs --simulated: it is no fault of a real board")
    if not simulated and (board is None or port is None):
        raise click.UsageError("BOARD and --port are needed; without a board: ndrite bringup --simulated")
    target = find_target(board or SIMULATED)
    output = Path(f"bringup-{target.name}.md") if output is None else output
    require_folder(output)
    way = (
        Simulated(target, fault or "")
        if simulated
        else Hardware(
            target, str(port), Path("build") / target.name if folder is None else folder, loaded, note
        )
    )
    found = []
    for stage, check in bringup(way, inferences=inferences, seed=seed):
        note(f"{'ok  ' if check.passed else 'FAIL'} {stage}: {check.name}: {check.seen}")
        found.append((stage, check))
    report = Report(target.name, simulated, seed, versions(way.loader), tuple(found))
    with whole_file(output) as file:
        file.write(markdown(report).encode())
    if as_json:
        print_json(report.as_dict())
    else:
        rows = [(stage, c.name, "ok" if c.passed else "FAIL", c.seen) for stage, c in found]
        print_table(f"bring-up of {target.name}", ("stage", "check", "result", "seen"), rows)
        say(f"report: {output}")
    if report.failed:
        raise CheckFailed(f"{report.failed} of {len(found)} checks failed; see {output}")
