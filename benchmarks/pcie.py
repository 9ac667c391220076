"""What a PCIe link would give the emulator: DMA reads against the link's limit, and
whole inferences.

    python benchmarks/pcie.py [--images 200] [--json]

    python benchmarks/pcie.py --block [--images 200] [--json]

Everything is simulated, in clocks of the endpoint; seconds follow from the user clock
that the hard block of an Artix-7 has at each link (Xilinx PG054: user clocks of the
64-bit interface). No card was measured. The link model: 20 bytes of header and framing
a completion, 250 ns from a read to its answer, no acknowledgements or flow-control
updates. With --block the endpoint stands behind adapter and model of a 7-series hard
block, four reads at a time, with the array in a clock of its own.
"""

import argparse
import json
from dataclasses import dataclass
from typing import Any

from pcie_meter import read_rate

from ndrite.boards.board import Board
from ndrite.boards.sim.pcie import BlockCard, SimCard
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden import Core
from ndrite.emulator.spec import PRESETS
from ndrite.host.links.pcie import PcieChannel
from ndrite.networks import shipped_program
from ndrite.samples import judging_set

LATENCY_NS = 250


@dataclass(frozen=True)
class Link:
    """A PCIe link of one generation and width: bytes per second in each direction after
    line coding, and the user clock."""

    name: str
    bytes_per_s: float
    clock_hz: float

    @property
    def rate(self) -> float:
        """Bytes per clock."""
        return self.bytes_per_s / self.clock_hz

    @property
    def latency(self) -> float:
        """Clocks from a read request to its answer."""
        return LATENCY_NS * 1e-9 * self.clock_hz


LINKS = (
    Link("gen1 x1", 250e6, 62.5e6),
    Link("gen2 x1", 500e6, 62.5e6),
    Link("gen1 x4", 1000e6, 125e6),
    Link("gen2 x4", 2000e6, 250e6),
)


ARRAY_MHZ = (62.5, 100, 125)
"""Clocks of the array behind a hard block."""
BLOCK_LINKS = LINKS[:2]


def reads(link: Link) -> list[dict[str, Any]]:
    """Measure DMA reads at both payload sizes, with few and with all tags."""
    rows = []
    for code in (0, 1):
        for tags in (2, 16):
            rate = read_rate(rate=link.rate, latency=link.latency, max_payload=code, tags=tags)
            rows.append(
                {
                    "link": link.name,
                    "max_payload_bytes": 128 << code,
                    "tags": tags,
                    "payload_bytes_per_clock": rate.payload,
                    "limit_bytes_per_clock": rate.limit,
                    "efficiency": rate.efficiency,
                    "payload_mb_per_s": rate.payload * link.clock_hz / 1e6,
                }
            )
    return rows


def inferences(link: Link, count: int, card: SimCard, board: Board, array_hz: float) -> dict[str, Any]:
    """Stream the shipped network's inputs by DMA to 64 lanes, and return the rates;
    every output must equal the golden model's."""
    geometry, program = PRESETS["64-lane"], shipped_program()
    x, _ = judging_set("fashion-mnist")
    x = x[:count]
    card.link(rate=link.rate, latency=link.latency)
    board.infer(x[:2], seed=1)
    before = card.counters()
    y = board.infer(x, seed=1)
    after = card.counters()
    if (y != Core(program).infer(x, seed=1)).any():
        raise SystemExit("outputs of the simulated card differ from the golden model's")
    moved = {name: after[name] - before[name] for name in after}
    clocks = moved["cycles"] / count
    link_clocks = max(moved["rx_payload"] / 128 * 148, moved["tx_payload"] / 128 * 152) / count / link.rate
    return {
        "link": link.name,
        "lanes": geometry.lanes,
        "images": count,
        "array_mhz": array_hz / 1e6,
        "clocks_per_program": clocks,
        "array_bound_clocks": bound_cycles(program, geometry.lanes, geometry.lane_rows),
        "link_bound_clocks": link_clocks,
        "samples_per_s": link.clock_hz / clocks,
        "link_bound_samples_per_s": link.clock_hz / link_clocks,
    }


def behind_block(count: int, *, as_json: bool) -> None:
    """Print images per second of a card with a modelled hard block, for each link and
    clock of the array."""
    rows = []
    card = BlockCard(PRESETS["64-lane"], throttle=False)
    with Board.over(PcieChannel(card)) as board:
        board.program(shipped_program())
        for link in BLOCK_LINKS:
            for mhz in ARRAY_MHZ:
                card.clocks(mhz * 1e6 / link.clock_hz)
                rows.append(inferences(link, count, card, board, mhz * 1e6))
    if as_json:
        print(json.dumps({"latency_ns": LATENCY_NS, "inferences": rows}, indent=1))
        return
    print("| link | array MHz | array clocks an image | array's bound | images/s | link alone |")
    print("|---|---:|---:|---:|---:|---:|")
    for r in rows:
        clocks = f"{r['array_mhz'] * 1e6 / r['samples_per_s']:,.0f} | {r['array_bound_clocks']:,}"
        rates = f"{r['samples_per_s']:,.0f} | {r['link_bound_samples_per_s']:,.0f}"
        print(f"| {r['link']} | {r['array_mhz']:g} | {clocks} | {rates} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200, help="images streamed over each link")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--block", action="store_true", help="behind a hard block, array in its own clock")
    options = parser.parse_args()
    if options.block:
        behind_block(options.images, as_json=options.json)
        return
    read_rows = [row for link in LINKS for row in reads(link)]
    rows = []
    card = SimCard(PRESETS["64-lane"])
    with Board.over(PcieChannel(card)) as board:
        board.program(shipped_program())
        for link in LINKS:
            rows.append(inferences(link, options.images, card, board, link.clock_hz))
    if options.json:
        print(json.dumps({"latency_ns": LATENCY_NS, "reads": read_rows, "inferences": rows}, indent=1))
        return
    print("| link | max payload | tags | bytes a clock | limit | efficiency | MB/s |")
    print("|---|---|---|---|---|---|---|")
    for r in read_rows:
        moved = f"{r['payload_bytes_per_clock']:.2f} | {r['limit_bytes_per_clock']:.2f}"
        reached = f"{r['efficiency']:.1%} | {r['payload_mb_per_s']:,.0f}"
        print(f"| {r['link']} | {r['max_payload_bytes']} | {r['tags']} | {moved} | {reached} |")
    print("\n| link | clocks an image | array's bound | link's bound | images/s | link alone |")
    print("|---|---|---|---|---|---|")
    for r in rows:
        clocks = (
            f"{r['clocks_per_program']:,.0f} | {r['array_bound_clocks']:,} | {r['link_bound_clocks']:,.0f}"
        )
        rates = f"{r['samples_per_s']:,.0f} | {r['link_bound_samples_per_s']:,.0f}"
        print(f"| {r['link']} | {clocks} | {rates} |")


if __name__ == "__main__":
    main()
