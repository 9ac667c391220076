"""Three links side by side: UART, UDP and PCIe, and how fast a host is on UDP.

    python benchmarks/link.py [--images 120] [--samples 40000] [--json]

*Wire* is payload over bytes on the line: of a sample's 784 codes, over all that the
line is busy with meanwhile, start and stop bits, preambles and gaps included; counted
from what the driver sent. On a UART codes that are 0 do not travel: *sparse* says what
comes of it, for whole test sets. *Simulated*: the shipped network on the compiled
gateware of 64 lanes, in clocks, every output equal to the golden model's; seconds
follow from the clock named. UART at its pins, UDP where datagrams leave the frames,
PCIe at the transaction layer. *Host*: the driver on this machine against a compiled
stub of a device (``link_stub.cpp``) on the loopback, measured; no board.
"""

import argparse
import dataclasses
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pcie_meter import COMPLETION_HEADER_BYTES, FRAMING_BYTES

from ndrite.boards.board import Board
from ndrite.boards.fpga.performance import BITS_PER_BYTE, FULL_FRAME, GIGABIT_BYTES, frame_bytes
from ndrite.boards.sim import SimLink
from ndrite.boards.sim.pcie import SimCard
from ndrite.boards.sim.toolchain import find_compiler
from ndrite.boards.sim.udp import SimDatagrams, UdpModel
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden import Core
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.datagrams import HEADER_BYTES, PIECE_MAX
from ndrite.emulator.spec.memory_map import Section, address
from ndrite.emulator.spec.packets import sparse
from ndrite.emulator.spec.registers import BY_NAME, REGISTERS, identity
from ndrite.host.links.pcie import PcieChannel
from ndrite.host.links.udp import UdpLink, UdpSocket
from ndrite.networks import shipped_program
from ndrite.samples import judging_set

WINDOW = 16
GEOMETRY = dataclasses.replace(PRESETS["64-lane"], name="64-lane-window-16", window=WINDOW)
CLOCK_HZ = 100e6
"""Clock of the Colorlight i9, for UART and UDP."""
PCIE_HZ, PCIE_BYTES_PER_S, PCIE_LATENCY_S = 62.5e6, 250e6, 250e-9
"""Gen1 x1, as ``benchmarks/pcie.py`` has it."""
BAUD = 1_000_000
SIM_DIVISOR = 4
PACKET_FRAME = FULL_FRAME - PIECE_MAX - HEADER_BYTES
"""Bytes of the line around a UDP payload: preamble, gap, FCS, Ethernet,
IPv4 and UDP headers."""
SWAPPED = 128 * 1024
SOURCE = Path(__file__).with_name("link_stub.cpp")


class Counted:
    """Transport that counts sent datagrams and their bytes; the last ``lose`` datagrams
    of the next call are dropped."""

    def __init__(self, datagrams: Any) -> None:
        self.datagrams = datagrams
        self.sent = self.bytes = self.lose = 0

    def send(self, *datagrams: bytes) -> None:
        self.sent += len(datagrams)
        self.bytes += sum(map(len, datagrams))
        self.datagrams.send(*datagrams[: len(datagrams) - self.lose])
        self.lose = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.datagrams, name)

    @property
    def line_bytes(self) -> int:
        """Bytes that the datagrams take on the line, without the padding of short
        frames: no frame here is short."""
        return self.bytes + PACKET_FRAME * self.sent


def simulated(program: Program, count: int) -> list[dict[str, Any]]:
    """Simulate samples over each link; return the clocks per sample and the
    bytes on the wire."""
    x, _ = judging_set("fashion-mnist")
    x = x[:count]
    inputs = program.inputs
    expected = Core(program).infer(x, seed=1)
    bound = bound_cycles(program, GEOMETRY.lanes, GEOMETRY.lane_rows)

    def row(link: str, hz: float, clocks: float, wire: float, line_rate: float) -> dict[str, Any]:
        return {
            "link": link,
            "clock_mhz": hz / 1e6,
            "clocks": clocks,
            "bound_clocks": bound,
            "samples_per_s": hz / clocks,
            "wire": wire,
            "line_samples_per_s": line_rate * wire / inputs,
        }

    def equal(y: np.ndarray) -> None:
        if (y != expected).any():
            raise SystemExit("outputs differ from the golden model's")

    rows = []
    link = SimLink(GEOMETRY, pins=True, divisor=SIM_DIVISOR)
    with Board(link, timeout_s=20) as board:
        board.program(program)
        begun, before = link.model.cycles, board.session.statistics.bytes_sent
        few = max(2, count // 10)  # each takes 32,000 clocks
        if (board.infer(x[:few], seed=1) != expected[:few]).any():
            raise SystemExit("outputs differ from the golden model's")
        clocks = (link.model.cycles - begun) / few * (CLOCK_HZ / BAUD / SIM_DIVISOR)
        wire = inputs * few * 8 / ((board.session.statistics.bytes_sent - before) * BITS_PER_BYTE)
    rows.append(row(f"UART, {BAUD / 1e6:g} Mbaud", CLOCK_HZ, clocks, wire, BAUD / 8))

    model = UdpModel(GEOMETRY)
    counted = Counted(SimDatagrams(model))
    with Board(UdpLink(counted)) as board:
        board.program(program)
        begun, before = model.cycles, counted.line_bytes
        equal(board.infer(x, seed=1))
        clocks = (model.cycles - begun) / count
        wire = inputs * count / (counted.line_bytes - before)
    rows.append(row("UDP, 1 Gbit/s", CLOCK_HZ, clocks, wire, GIGABIT_BYTES))

    card = SimCard(GEOMETRY)
    card.link(rate=PCIE_BYTES_PER_S / PCIE_HZ, latency=PCIE_LATENCY_S * PCIE_HZ)
    with Board.over(PcieChannel(card)) as board:
        board.program(program)
        board.infer(x[:2], seed=1)
        before_card = card.counters()
        equal(board.infer(x, seed=1))
        after = card.counters()
        moved = {name: after[name] - before_card[name] for name in after}
    # Completions of 128 bytes carry what is read: samples, and descriptors beside them.
    line = moved["rx_payload"] * (1 + (COMPLETION_HEADER_BYTES + FRAMING_BYTES) / 128)
    wire = inputs * count / line
    rows.append(row("PCIe gen1 x1", PCIE_HZ, moved["cycles"] / count, wire, PCIE_BYTES_PER_S))
    return rows


def sparse_sets() -> list[dict[str, Any]]:
    """Return, for the samples of each test set, the bytes of a frame with all codes,
    the mean bytes of the shorter frame, and their ratio."""
    rows = []
    for name in ("fashion-mnist", "mnist", "digits"):
        x, _ = judging_set(name)
        whole = frame_bytes(x.shape[1])
        short = [frame_bytes(min(len(payload), x.shape[1])) for payload in sparse(x)]
        mean = float(np.mean(short))
        rows.append({"data": name, "samples": len(x), "dense": whole, "sparse": mean, "times": whole / mean})
    return rows


@contextmanager
def stub(outputs: int) -> Iterator[int]:
    """Compile and run a program that answers as a device on UDP; yield its port."""
    known = identity(GEOMETRY, 0x1234)
    words = [0] * len(REGISTERS)
    for name, value in known.items():
        words[BY_NAME[name].address] = value
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "link_stub"
        subprocess.run([*find_compiler(), "-O2", "-o", str(program), str(SOURCE)], check=True)
        with subprocess.Popen(
            [str(program), str(outputs), *map(str, words)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline())
            finally:
                process.kill()


def host(program: Program, samples: int, repeats: int) -> dict[str, Any]:
    """Measure the driver on this machine against a stub: the best rates of several
    runs, and the processor time that it takes."""
    x = np.random.default_rng(1).integers(0, 256, (samples, program.inputs)).astype(np.uint8)
    weights = np.random.default_rng(2).integers(-256, 256, SWAPPED).astype(np.int32)
    section = Section("weights", address("weights", 0), weights)
    rates, spent, swaps, losses = [], [], [], []
    with stub(program.outputs) as port:
        counted = Counted(UdpSocket("127.0.0.1", port))
        with Board(UdpLink(counted)) as board:
            board.program(program)
            for _ in range(repeats):
                begun, cpu, before = time.perf_counter(), time.process_time(), counted.line_bytes
                y = board.infer(x, seed=1)
                took = time.perf_counter() - begun
                rates.append(samples / took)
                spent.append((time.process_time() - cpu) / samples)
                wire = x.size / (counted.line_bytes - before)
                if (y != (x.sum(axis=1, dtype=np.int64) + np.arange(samples))[:, None]).any():
                    raise SystemExit("the stub's answers are wrong")
                begun = time.perf_counter()
                board.channel.write([section], lambda _: None)
                if board.channel.differing([section]):
                    raise SystemExit("the stub's memory is wrong")
                swaps.append(time.perf_counter() - begun)
                board.infer(x[:1], seed=1)
                begun, counted.lose = time.perf_counter(), 1
                board.infer(x[:1], seed=1)
                losses.append(time.perf_counter() - begun)
            statistics = dataclasses.asdict(board.session.statistics)
    return {
        "samples": samples,
        "repeats": repeats,
        "samples_per_s": max(rates),
        "samples_per_s_least": min(rates),
        "processor_us_per_sample": 1e6 * min(spent),
        "wire": wire,
        "swap_weights": SWAPPED,
        "swap_ms": 1e3 * min(swaps),
        "swap_ms_most": 1e3 * max(swaps),
        "lost_datagram_ms": 1e3 * max(losses),
        "resyncs": statistics["resyncs"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=120, help="images simulated over each link")
    parser.add_argument("--samples", type=int, default=40_000, help="samples sent to the stub in a run")
    parser.add_argument("--repeats", type=int, default=8, help="runs against the stub")
    parser.add_argument("--only", choices=("simulated", "host"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    program = shipped_program()
    rows = [] if options.only == "host" else simulated(program, options.images)
    sets = [] if options.only == "host" else sparse_sets()
    driver = None if options.only == "simulated" else host(program, options.samples, options.repeats)
    if options.json:
        print(json.dumps({"simulated": rows, "sparse": sets, "host": driver}, indent=1))
        return
    if rows:
        print("| link | clock MHz | clocks a sample | array's bound | samples/s | wire | line's samples/s |")
        print("|---|---:|---:|---:|---:|---:|---:|")
    for r in rows:
        clocks = f"{r['clocks']:,.0f} | {r['bound_clocks']:,} | {r['samples_per_s']:,.0f}"
        line = f"{r['wire']:.3f} | {r['line_samples_per_s']:,.0f}"
        print(f"| {r['link']} | {r['clock_mhz']:g} | {clocks} | {line} |")
    for r in sets:
        print(
            f"Sparse, {r['data']}, {r['samples']:,} samples: {r['sparse']:.0f} bytes a frame instead of "
            f"{r['dense']}, {r['times']:.2f} times the samples a second"
        )
    if driver is not None:
        print(
            f"\nHost against the stub, best of {driver['repeats']} runs of {driver['samples']:,} samples: "
            f"{driver['samples_per_s']:,.0f} samples/s (worst {driver['samples_per_s_least']:,.0f}), "
            f"{driver['processor_us_per_sample']:.1f} us of one core a sample, wire {driver['wire']:.3f}; "
            f"{driver['swap_weights']:,} weights written and checked in {driver['swap_ms']:.1f} ms "
            f"(worst {driver['swap_ms_most']:.1f}); a lost last "
            f"datagram takes {driver['lost_datagram_ms']:.1f} ms at worst; {driver['resyncs']} "
            "resynchronisations."
        )


if __name__ == "__main__":
    main()
