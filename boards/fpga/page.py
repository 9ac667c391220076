"""The docs' size-and-speed page, from the committed reports."""

from typing import Any

from boards.fpga.registry import TARGETS
from boards.fpga.reports import load, summaries
from boards.fpga.target import Target

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
- Design, where it is not the usual one. All have the same arithmetic, memory map and link.
  *Small*: one column after the other through one multiplier and one shifter (`hdl.small`); no noise.
  *Overlap*: the next sample's first layer runs before the rest of this one's.
  *Maps*: convolutions, pools, gates and states are walked through on the board
  ([how](architecture.md#a-walk)); other boards do such a network's products, and the host the rest.
  *Learns*: weights are states of devices that pulses move ([how](learning.md#on-gateware)); nothing else.
- Gowin: nextpnr does not time the DSP arcs of these parts, so their Fmax is no speed; samples/s at the
  board's clock assume that the multipliers keep up.
- iCE40 packs a LUT and a flip-flop into one logic cell and reports cells only, so its flip-flops count as 0.
"""
EARLIER = "\\*"
COLUMNS = (
    "board", "device", "design", "lanes", "readouts", "clock MHz", "Fmax MHz", "met", "LUTs", "FFs", "DSPs",
    "block RAMs", "weights", "samples/s compute", "samples/s link",
)  # fmt: skip


def markdown() -> str:
    """The page's text."""
    lines = [HEAD, _row(COLUMNS), _row(["---"] * 3 + ["---:"] * (len(COLUMNS) - 3))]
    missing = []
    for row in summaries():
        if row["reported"]:
            lines.append(_row(_cells(row)))
        else:
            missing.append(row["board"])
    if missing:
        lines.append("\nNo build is committed of:\n")
        lines += [f"- `{name}`" for name in missing]
    networks = {r["network"] for name in TARGETS if (r := load(name))}
    if networks:
        lines.append(f"\nSamples/s are for `{', '.join(sorted(networks))}`; `-` where it does not fit.\n")
        lines += [
            f"- {name}: {r['network_fits']}"
            for name in TARGETS
            if (r := load(name)) and r["network_fits"] != "yes"
        ]
    lines.append(TAIL)
    return "\n".join(lines)


def _design(board: Target) -> str:
    """What it has less or more than the usual gateware."""
    g = board.geometry
    marks = {"small": board.small, "overlap": g.overlap, "maps": g.map_codes, "learns": board.learns}
    return ", ".join(mark for mark, is_so in marks.items() if is_so)


def _cells(row: dict[str, Any]) -> list[str]:
    def used(name: str) -> str:
        return f"{row[name]:,} of {row[f'{name}_available']:,}"

    gowin = row["family"] == "gowin"
    return [
        f"`{row['board']}`" + EARLIER * row["earlier"],
        row["device"],
        _design(TARGETS[row["board"]]),
        str(row["lanes"]),
        str(row["readouts"]),
        f"{row['clock_mhz']:g}",
        "not a speed" if gowin else f"{row['fmax_mhz']:.1f}",
        "yes" if row["timing_met"] else "**no**",
        *(used(name) for name in ("luts", "ffs", "dsps", "brams")),
        f"{row['weights_capacity']:,}",
        *(
            "-" if row[name] is None else f"{row[name]:,}"
            for name in ("samples_per_s_compute", "samples_per_s_link")
        ),
    ]


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
