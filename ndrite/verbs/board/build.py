"""build: a bitstream for an FPGA board."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated

from boards.fpga import find_target
from boards.fpga.build import build as make
from boards.fpga.errors import TimingError
from boards.fpga.reports import known_seed
from hdl.ethernet.addresses import Addresses
from host import InputError
from ndrite.results import Found, Table
from ndrite.shipped import shipped_program
from ndrite.signature import Count, Folder, Option, Whole, verb

SHOWN = (
    "fmax_mhz luts luts_available ffs ffs_available dsps dsps_available brams brams_available lanes readouts "
    "weights_capacity gmac_per_s images_per_s_compute images_per_s_link build_id"
).split()


Status = Callable[[str], AbstractContextManager[Callable[[str], None]]]
"""Called with a name; a context that gives a function for what goes on, in words."""


@contextmanager
def _unseen(name: str) -> Iterator[Callable[[str], None]]:
    yield lambda words: None


@verb
def build(
    board: Annotated[str, Option("BOARD")],
    /,
    *,
    seeds: Annotated[int, Option("N", least=1, most=100)] = 1,
    first_seed: Whole | None = None,
    jobs: Count | None = None,
    output: Annotated[Folder, Option("DIR", "-o")] | None = None,
    part: Annotated[str, Option("ID")] | None = None,
    address: Annotated[str, Option("IPV4")] | None = None,
    mac: Annotated[str, Option("MAC")] | None = None,
    announce: Callable[[str], None] | None = None,
    status: Status | None = None,
) -> Found:
    """A bitstream for an FPGA board.

    Synthesis, place and route, packing. Needs the tools of ndrite[fpga], or native ones. Clock rates in MHz
    are nextpnr's estimates, samples a second follow from them; nothing is measured. Exit code 1 when no seed
    reaches the board's clock (report and logs are written, no bitstream).

    Parameters
    ----------
    board:
        Name of the board, as ``ndrite board list`` has it.
    seeds:
        Placement seeds to try; the fastest is kept.
    first_seed:
        The first of them; default: that of the board's committed report, or 1.
    jobs:
        Seeds to try at once, a core and up to 1.1 GB each; default: as many as there are cores.
    output:
        Folder to write (replaced in whole); default: build/BOARD.
    part:
        Another id of the same die: 12k for a ULX3S-12F, which is ulx3s-25f.
    address:
        Of a board on Ethernet; default: 192.168.1.77.
    mac:
        Of a board on Ethernet; default: 02:6e:64:72:00:01.

    Examples
    --------
    $ ndrite board build ulx3s-85f --seeds 4
    """
    chosen = find_target(board)
    if part is not None:
        if part not in chosen.same_die:
            others = ", ".join(chosen.same_die) or "none"
            raise InputError(f"part is {part!r}; accepted for {board}: {others}")
        chosen = dataclasses.replace(chosen, device=part)
    if address is not None or mac is not None:
        if chosen.ethernet is None:
            raise InputError(f"address and mac are for boards on Ethernet; {board} is not")
        try:
            chosen = dataclasses.replace(chosen, addresses=Addresses.of(address, mac))
        except ValueError as error:
            raise InputError(str(error)) from None
    folder = Path("build") / chosen.name if output is None else Path(output)

    def say(line: str) -> None:
        if announce is not None:
            announce(f"{chosen.name}: {line}")

    try:
        with (status or _unseen)(chosen.name) as now:
            report = make(
                chosen,
                folder,
                program=shipped_program(),
                seeds=seeds,
                first_seed=known_seed(chosen.name) if first_seed is None else first_seed,
                jobs=jobs or os.cpu_count() or 1,
                announce=say,
                progress=now,
            )
    except TimingError as error:
        return Found({"board": chosen.name, "folder": str(folder)}, failed=str(error))
    rows = [(name, str(report[name])) for name in SHOWN if name in report]
    rows.append(("wall time", f"{sum(report['wall_s'].values()):.0f} s"))
    title = f"{chosen.name} in {folder}: {report['fmax_is']}"
    values = {"board": chosen.name, "folder": str(folder), **report}
    return Found(values, (Table(title, ("quantity", "value"), rows),))
