"""The docs' size-and-speed page, from the committed reports."""

from __future__ import annotations

from typing import Any

from boards.fpga.registry import TARGETS
from boards.fpga.reports import load, summaries

HEAD = """\
# Boards: size and speed

Written by `ndrite board list -o` from `boards/fpga/reports/*.json`; do not edit by hand.

**Nothing here was run on hardware.** Fmax is nextpnr's estimate after routing, the worst of the clocks it
reports; "met" says whether it reaches the board's clock. Samples/s are estimates from these: *compute* is the
board's clock over the schedule bound `sum of K * J * ceil(M / lanes)` with nothing skipped, *link* is one
request frame a sample at the UART's bit rate, or in full datagrams on gigabit Ethernet (`-udp`). The slower
of the two is what a host would see: over a UART the link, by far; over Ethernet the array.

\\* placed and routed before the last change of this board's netlist, so its figures are of the gateware
before; the weights are those of the present one. `ndrite board build` makes it anew.
"""
TAIL = """
- Weights: codes the array's memories hold (`lanes * weight_depth`); a layer takes `K * ceil(M / lanes)` words
  a lane.
- Gowin: nextpnr does not time the DSP arcs of these parts, so their Fmax says nothing about the multipliers
  and is no speed; samples/s at the board's clock assume that the multipliers keep up.
- iCE40 packs a LUT and a flip-flop into one logic cell and reports cells only, so its flip-flops count as 0.
- Where a CPU is faster: over a UART, everywhere; zeros skipped, 128 lanes beat two cores on MNIST only
  ([virtual chips](campaigns.md#on-a-board)).
"""
SMALL = """\
Without registers that only serve speed; one column after the other through one multiplier and one shifter
  for readout and neurons (`hdl.small`); no noise, no counters of how busy the array is."""
OVERLAP = """\
The next sample's first layer runs before the rest of this one's, with four banks of inputs, activations
  and results. Over a UART nothing is gained by it; campaigns and PCIe are faster (`benchmarks/skip.py`)."""
MAPS = """\
Convolutions, pools, gates and states are walked through on the board, their maps in a memory
  of its own ([how](architecture.md#a-walk)). Other boards do such a network's products, patch by patch; the
  host does the rest."""
LEARNING = """\
Weights are states of devices, moved by pulses on the board ([how](learning.md#on-gateware)). It learns
  and does nothing else."""
EARLIER = "\\*"
COLUMNS = (
    "board", "device", "lanes", "readouts", "clock MHz", "Fmax MHz", "met", "LUTs", "FFs", "DSPs",
    "block RAMs", "weights", "samples/s compute", "samples/s link",
)  # fmt: skip


def markdown() -> str:
    """The page's text."""
    lines = [HEAD, _row(COLUMNS), _row(["---"] + ["---:"] * (len(COLUMNS) - 1))]
    missing = []
    for row in summaries():
        if row["reported"]:
            lines.append(_row(_cells(row)))
        else:
            missing.append(row["board"])
    if missing:
        lines.append("\nNo build is committed of:\n")
        lines += [f"- `{name}`" + (f": {note}" if (note := TARGETS[name].note) else "") for name in missing]
    networks = {r["network"] for name in TARGETS if (r := load(name))}
    if networks:
        lines.append(f"\nImages/s are for `{', '.join(sorted(networks))}`; `-` where it does not fit.\n")
        lines += [
            f"- {name}: {r['network_fits']}"
            for name in TARGETS
            if (r := load(name)) and r["network_fits"] != "yes"
        ]
    lines += ["\n## Designs\n", *_designs(), TAIL]
    return "\n".join(lines)


def _designs() -> list[str]:
    """Which boards have less or more than the usual gateware, and what."""
    small = [f"`{board.name}`" for board in TARGETS.values() if board.small]
    overlap = [f"`{board.name}`" for board in TARGETS.values() if board.geometry.overlap]
    maps = [f"`{board.name}`" for board in TARGETS.values() if board.geometry.map_codes]
    learning = [f"`{board.name}`" for board in TARGETS.values() if board.learns]
    return [
        "Same arithmetic, memory map and link everywhere:\n",
        f"- Small: {', '.join(small)}. {SMALL}",
        f"- Overlap: {', '.join(overlap)}. {OVERLAP}",
        f"- Feature maps: {', '.join(maps)}. {MAPS}",
        f"- Learning: {', '.join(learning)}. {LEARNING}",
    ]


def _cells(row: dict[str, Any]) -> list[str]:
    def used(name: str) -> str:
        return f"{row[name]:,} of {row[f'{name}_available']:,}"

    gowin = row["family"] == "gowin"
    return [
        f"`{row['board']}`" + EARLIER * row["earlier"],
        row["device"],
        str(row["lanes"]),
        str(row["readouts"]),
        f"{row['clock_mhz']:g}",
        "not a speed" if gowin else f"{row['fmax_mhz']:.1f}",
        "yes" if row["timing_met"] else "**no**",
        *(used(name) for name in ("luts", "ffs", "dsps", "brams")),
        f"{row['weights_capacity']:,}",
        *(
            "-" if row[name] is None else f"{row[name]:,}"
            for name in ("images_per_s_compute", "images_per_s_link")
        ),
    ]


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
