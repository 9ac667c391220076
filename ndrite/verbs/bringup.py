"""board: build a bitstream, and bring a board up."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

from ndrite.boards.fpga import build as builder
from ndrite.boards.fpga import find_target
from ndrite.boards.fpga.flash import loader_version
from ndrite.boards.fpga.registry import find_buildable
from ndrite.boards.fpga.reports import known_seed
from ndrite.boards.fpga.search import Tries
from ndrite.boards.fpga.tools import TimingError
from ndrite.bringup import Hardware, Simulated, page, stages_of, versions
from ndrite.emulator.spec.files import write_whole
from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.host import InputError
from ndrite.networks import shipped_program
from ndrite.results import Found, Table, judged
from ndrite.signature import Announce, Count, Folder, Option, Output, Stages, Whole, silent, unheard, verb

SHOWN = (
    "fmax_mhz luts luts_available ffs ffs_available dsps dsps_available brams brams_available lanes readouts "
    "weights_capacity gmac_per_s samples_per_s_compute samples_per_s_link build_id"
).split()


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
    announce: Announce = unheard,
    progress: Stages = silent,
) -> Found:
    """Build a bitstream for an FPGA board.

    Runs synthesis, place and route, and packing. Needs the tools of ndrite[fpga], or
    native ones. Clock rates in MHz are nextpnr's estimates, and samples per second
    follow from them; nothing is measured. The exit code is 1 if no seed reaches the
    board's clock; then report and logs are written, but no bitstream. For
    pcie-artix7, a PCIe card, the build ends after synthesis if openXC7 is missing,
    and says what is missing.

    Parameters
    ----------
    seeds:
        Placement seeds to try; the fastest is kept.
    first_seed:
        The first seed; default: the seed of the board's committed report, or 1.
    jobs:
        Number of seeds to try at once; each needs a core and up to 1.1 GB. Default:
        the number of cores.
    output:
        Folder to write; a folder of an earlier build is replaced as a whole.
        Default: build/BOARD.
    part:
        Another part with the same die; 12k builds ulx3s-25f for a ULX3S-12F.
    address:
        IPv4 address of a board on Ethernet; default: 192.168.1.77.
    mac:
        MAC address of a board on Ethernet; default: 02:6e:64:72:00:01.

    Examples
    --------
    $ ndrite board build ulx3s-85f --seeds 4
    """
    chosen = find_buildable(board)
    if part is not None:
        if part not in chosen.same_die:
            same_die = ", ".join(chosen.same_die) or "none"
            raise InputError(f"part is {part!r}; accepted for {board}: {same_die}")
        chosen = dataclasses.replace(chosen, device=part)
    if address is not None or mac is not None:
        if chosen.ethernet is None:
            raise InputError(f"address and mac are for boards on Ethernet; {board} is not")
        try:
            chosen = dataclasses.replace(chosen, addresses=Addresses.of(address, mac))
        except ValueError as error:
            raise InputError(str(error)) from None
    folder = Path("build") / chosen.name if output is None else Path(output)
    foreign = folder.exists() and not (folder / "report.json").is_file()
    if not folder.name or (foreign and (not folder.is_dir() or any(folder.iterdir()))):
        raise InputError(f"{folder} would be replaced and is not a build; accepted: a new or empty folder")

    first = known_seed(chosen.name) if first_seed is None else first_seed
    try:
        with progress(chosen.name) as now:
            report = builder.build(
                chosen,
                folder,
                program=shipped_program(),
                tries=Tries(first, seeds, jobs or os.cpu_count() or 1),
                announce=lambda line: announce(f"{chosen.name}: {line}"),
                progress=now,
            )
    except TimingError as error:
        return Found({"board": chosen.name, "folder": str(folder)}, failed=str(error))
    rows = [(name, str(report[name])) for name in SHOWN if name in report]
    rows.append(("wall time", f"{sum(report['wall_s'].values()):.0f} s"))
    title = f"{chosen.name} in {folder}: {report['fmax_is']}"
    values = {"board": chosen.name, "folder": str(folder), **report}
    return Found(values, (Table(title, ("quantity", "value"), rows),))


@verb
def bringup(
    board: Annotated[str, Option("BOARD")] | None = None,
    /,
    *,
    port: Annotated[str, Option("PORT")] | None = None,
    folder: Folder | None = None,
    loaded: bool = False,
    simulated: bool = False,
    inferences: Annotated[int, Option("N", least=16, most=1_000_000)] = 500,
    seed: Whole = 0,
    output: Output | None = None,
    announce: Announce = unheard,
) -> Found:
    """Take a board from its bitstream to a test report.

    Loads the bitstream, and tests link, memories, arithmetic, noise and speed. The
    board loses its program. The exit code is 1 if any check fails; the report says
    which, with the build id and versions, and can be attached to an issue. Nobody has
    run this on hardware yet.

    Parameters
    ----------
    board:
        Name of the board, as in ``ndrite board list``; default with
        ``simulated``: tang-nano-9k.
    port:
        Serial port of the UART, such as /dev/ttyUSB0; for a board on Ethernet HOST[:PORT].
    folder:
        Folder that ``ndrite board build`` wrote; default: build/BOARD, which is built
        if it is missing.
    loaded:
        The bitstream is on the board already: do not load it.
    simulated:
        Test the board's gateware compiled for this machine, in place of a board.
    inferences:
        Smallest number of random inferences to compare with the golden model.
    seed:
        Seed of the test data.
    output:
        Report to write, Markdown; default: bringup-BOARD.md.

    Examples
    --------
    $ ndrite board bringup --simulated
    > ndrite board bringup ulx3s-85f --port /dev/ttyUSB0
    """
    if not simulated and (board is None or port is None):
        raise InputError("board and port are needed; without a board: ndrite board bringup --simulated")
    target = find_target(board or "tang-nano-9k")
    path = Path(f"bringup-{target.name}.md" if output is None else output)
    built = Path("build") / target.name if folder is None else Path(folder)
    device = Simulated(target) if simulated else Hardware(target, str(port), built, loaded, announce)
    result = judged(
        f"bring-up of {target.name}",
        stages_of(device, inferences=inferences, seed=seed),
        announce,
        board=target.name,
        simulated=simulated,
        seed=seed,
        versions=versions(None if simulated else loader_version()),
    )
    write_whole(path, page(result.values, result.shown[0]))
    lines = (f"report: {path}",)
    return dataclasses.replace(result, values={**result.values, "report": str(path)}, said=lines)
