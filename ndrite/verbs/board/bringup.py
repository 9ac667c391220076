"""bringup: from a bitstream to a report on a board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from boards.fpga import find_target
from emulator.files import whole_file
from host import InputError
from ndrite.bringup import Report, markdown, stages_of
from ndrite.bringup.report import versions
from ndrite.bringup.ways import Hardware, Simulated, Way
from ndrite.results import Found, Table
from ndrite.signature import Folder, Option, Output, Whole, verb

SIMULATED = "tang-nano-9k"


@verb
def bringup(
    board: Annotated[str, Option("BOARD")] | None = None,
    /,
    *,
    port: Annotated[str, Option("PORT")] | None = None,
    folder: Folder | None = None,
    loaded: bool = False,
    simulated: bool = False,
    fault: Literal["build-id", "link", "memory", "arithmetic", "noise"] | None = None,
    inferences: Annotated[int, Option("N", least=16, most=1_000_000)] = 500,
    seed: Whole = 0,
    output: Output | None = None,
    announce: Callable[[str], None] | None = None,
) -> Found:
    """A board from bitstream to report.

    Tests link, memories, arithmetic, noise and speed. What was on the board is lost. Exit code 1 when any
    check fails; the report says which, with the build id and versions, and can be attached to an issue.
    Nobody has run this on hardware yet.

    Parameters
    ----------
    board:
        Name of the board, as ``ndrite board list`` has it; simulated: tang-nano-9k.
    port:
        Serial port of the UART, such as /dev/ttyUSB0; of a board on Ethernet HOST[:PORT].
    folder:
        Folder that ``ndrite board build`` wrote; default: build/BOARD, built when it is missing.
    loaded:
        The bitstream is on the board already: do not load it.
    simulated:
        The same on the board's compiled gateware.
    fault:
        With ``simulated``: a board that has this fault.
    inferences:
        Random inferences compared with the golden model, at least.
    seed:
        Seed of the test data.
    output:
        Report to write, Markdown; default: bringup-BOARD.md.

    Examples
    --------
    $ ndrite board bringup --simulated
    > ndrite board bringup ulx3s-85f --port /dev/ttyUSB0
    """
    if fault and not simulated:
        raise InputError("fault needs simulated: it is no fault of a real board")
    if not simulated and (board is None or port is None):
        raise InputError("board and port are needed; without a board: ndrite board bringup --simulated")
    target = find_target(board or SIMULATED)
    path = Path(f"bringup-{target.name}.md" if output is None else output)
    say = announce or (lambda line: None)
    built = Path("build") / target.name if folder is None else Path(folder)
    way: Way = Simulated(target, fault or "")
    if not simulated:
        way = Hardware(target, str(port), built, loaded, say)
    found = []
    for stage, check in stages_of(way, inferences=inferences, seed=seed):
        say(f"{'ok  ' if check.passed else 'FAIL'} {stage}: {check.name}: {check.seen}")
        found.append((stage, check))
    report = Report(target.name, simulated, seed, versions(way.loader), tuple(found))
    with whole_file(path) as file:
        file.write(markdown(report).encode())
    rows = [(stage, c.name, "ok" if c.passed else "FAIL", c.seen) for stage, c in found]
    return Found(
        {**report.as_dict(), "report": str(path)},
        (Table(f"bring-up of {target.name}", ("stage", "check", "result", "seen"), rows),),
        (f"report: {path}",),
        f"{report.failed} of {len(found)} checks failed; see {path}" if report.failed else None,
    )
