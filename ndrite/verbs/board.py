"""board: list, info, flash, serve, selftest and scrub."""

import time
from pathlib import Path
from typing import Annotated, Any

from ndrite import url
from ndrite.boards.fpga import find_target
from ndrite.boards.fpga import flash as loader
from ndrite.boards.fpga.reports import summaries
from ndrite.boards.selftest import checks_of
from ndrite.bringup import versions
from ndrite.compiled import held
from ndrite.emulator.spec.datagrams import PORT
from ndrite.host import InputError
from ndrite.host.links.udp import udp_address
from ndrite.host.memory import Upset
from ndrite.results import Found, Table, judged
from ndrite.signature import Announce, Board, File, Folder, Option, Source, Whole, unheard, verb
from ndrite.url import DEFAULT_PRESET, connect

COLUMNS = {
    "board": "board",
    "lanes": "lanes",
    "clock_mhz": "MHz",
    "fmax_mhz": "Fmax",
    "luts": "LUTs",
    "samples_per_s_compute": "array/s",
    "samples_per_s_link": "link/s",
}
"""Field of a record -> header of its column; these fit a terminal of 80 columns. The
JSON output has all fields."""


@verb
def list_boards() -> Found:
    """List the FPGA boards with their size and speed.

    Columns: the array, clock and Fmax in MHz, used cells, and the number of weights
    that fit. array/s and link/s are the samples per second of the shipped network that
    the array and the link allow. The figures come from reports of past builds that ship
    with the package; Fmax is nextpnr's estimate. Nothing was measured on hardware.

    Examples
    --------
    $ ndrite board list --json
    """
    rows = summaries()
    cells = [tuple(_text(name, row) for name in COLUMNS) for row in rows]
    title = "FPGA boards (estimated by nextpnr, not measured)"
    notes = {
        "! timing is not met": any(row["timing_met"] is False for row in rows),
        "* of an earlier netlist; `ndrite board build` makes it anew": any(row["earlier"] for row in rows),
        "without Fmax: synthesised, not routed": any(
            row["reported"] and row["fmax_mhz"] is None for row in rows
        ),
    }
    notes_shown = tuple(note for note, holds in notes.items() if holds)
    return Found({"boards": rows}, (Table(title, tuple(COLUMNS.values()), cells),), notes_shown)


def _text(name: str, row: dict[str, Any]) -> str:
    value = row[name]
    if name == "board":
        return f"{value}{'*' * bool(row['earlier'])}{' !' * (row['timing_met'] is False)}"
    # nextpnr does not time Gowin's multipliers, so its frequency for Gowin
    # boards is not a speed.
    if value is None or (name == "fmax_mhz" and row.get("family") == "gowin"):
        return "-"
    return str(value)


@verb
def info(board: Board = "golden:", /) -> Found:
    """Show a board's identity, and the versions for an issue.

    Prints identity, geometry (rows, lanes, memory depths in words) and counters
    (clock cycles, events).

    Examples
    --------
    $ ndrite board info --json
    > ndrite board info sim:
    > ndrite board info uart:/dev/ttyUSB0@1000000 --json
    """
    with connect(board) as chosen:
        identity: dict[str, Any] = chosen.identity()
        identity["counters"] = chosen.counters()
    identity["versions"] = versions(None)
    rows = [(k, str(v)) for k, v in identity.items() if not isinstance(v, dict)]
    rows += [
        (f"{part}.{k}", str(v))
        for part in ("geometry", "counters", "versions")
        for k, v in (identity[part] or {}).items()
    ]
    return Found(identity, (Table(board, ("field", "value"), rows),))


@verb
def flash(
    board: Annotated[str, Option("BOARD")], /, *, folder: Folder | None = None, permanent: bool = False
) -> Found:
    """Load a bitstream into an FPGA board, with openFPGALoader.

    Without ``permanent`` the bitstream is lost at power-off (the iCEBreaker always
    writes its flash). A build whose timing failed is refused.

    Parameters
    ----------
    folder:
        Folder that ``ndrite board build`` wrote; default: build/BOARD.
    permanent:
        Write the flash memory instead of the FPGA's own memory.

    Examples
    --------
    $ ndrite board flash ulx3s-85f
    """
    chosen = find_target(board)
    built = Path("build") / chosen.name if folder is None else Path(folder)
    try:
        loader.flash(chosen, built, permanent=permanent)
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{built}/report.json is not the report of a build; run: ndrite board build {board}"
        ) from None
    return Found({"board": chosen.name, "permanent": permanent}, said=(f"{chosen.name}: loaded",))


@verb
def serve(
    *,
    preset: str = DEFAULT_PRESET,
    link: File | None = None,
    udp: bool = False,
    at: Annotated[str, Option("HOST:PORT")] = f"127.0.0.1:{PORT}",
) -> Found:
    """Serve a simulated board on a pseudo-terminal or a UDP socket.

    Runs until Ctrl-C and prints how to reach it. Any baud rate will do: the simulated
    UART takes 4 clocks per bit and waits for its client.

    Parameters
    ----------
    preset:
        Geometry preset.
    link:
        Symbolic link to create, which points to the terminal.
    udp:
        Serve on a UDP socket instead.
    at:
        With ``udp``: the socket's address; port 0 stands for any free port.

    Examples
    --------
    $ ndrite board serve --link /tmp/ndrite
    > ndrite evaluate mine --board uart:/tmp/ndrite       (in another terminal)
    > ndrite board serve --udp
    > ndrite evaluate mine --board udp:127.0.0.1
    """
    if not udp and at != f"127.0.0.1:{PORT}":
        raise InputError(f"at is {at!r}; accepted: at only together with udp")
    if udp and link is not None:
        raise InputError("link and udp exclude each other; accepted: one of them")
    geometry = url.preset(preset)

    def announce(where: object) -> None:
        print(f"serving {geometry.name} on {where}", flush=True)

    if udp:
        from ndrite.boards.sim.serve_udp import serve_udp

        host, port = udp_address(at, least=0)
        serve_udp(geometry, host=host, port=port, announce=announce)
    else:
        from ndrite.boards.sim.serve import serve as serve_terminal

        serve_terminal(geometry, link=None if link is None else Path(link), announce=announce)
    return Found({})


@verb
def selftest(board: Board, /, *, seed: Whole = 0, announce: Announce = unheard) -> Found:
    """Test a board's registers, memories and arithmetic.

    Tests every word of every memory, then compares random networks with the
    golden model bit for bit. The board loses its program. The exit code is 1
    if any check fails.

    Parameters
    ----------
    seed:
        Seed of the test data.

    Examples
    --------
    $ ndrite board selftest sim:tiny
    """
    with connect(board) as chosen:
        return judged(f"self test of {board}", checks_of(chosen, seed=seed), announce, board=board)


@verb
def scrub(
    program: Source,
    /,
    *,
    board: Board,
    every: Annotated[float, Option("SECONDS", least=0, most=31_536_000)] | None = None,
    announce: Announce = unheard,
) -> Found:
    """Find the changed words in a chip's memories, and reload them.

    Compares checksums that the gateware computes with the program's, and names each
    section with a changed bit. Changed sections are repaired, and the exit code is then
    1. During the comparison the board is busy: about 30 clock cycles per memory word.

    Parameters
    ----------
    board:
        URL of the board that holds the program; the board is not programmed first.
    every:
        Repeat until Ctrl-C, with this pause between two comparisons, seconds.

    Examples
    --------
    $ ndrite board scrub mine --board uart:/dev/ttyUSB0 --every 60
    """
    if every == 0:
        raise InputError("every is 0; accepted: above 0 seconds")
    program_held, looks = held(program).program, 0
    all_upsets: list[Upset] = []
    with connect(board) as chosen:
        try:
            while True:
                changed = chosen.scrub(program_held)
                looks += 1
                all_upsets += changed
                for upset in changed:
                    announce(str(upset))
                if every is None:
                    break
                time.sleep(every)
        except KeyboardInterrupt:
            if every is None:
                raise
    upsets = [vars(upset) for upset in all_upsets]
    return Found(
        {"program": program_held.name, "board": board, "looks": looks, "upsets": upsets},
        said=(f"{program_held.name} on {board}: {looks} looks, {len(all_upsets)} changed sections",),
        failed=f"{len(all_upsets)} memory sections had changed; reloaded and verified"
        if all_upsets
        else None,
    )
