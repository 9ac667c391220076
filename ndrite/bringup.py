"""Bringing up a board: every check in order, and one report of all results.

Bitstream and board come by hardware, or are the gateware compiled here. The report
names every part that cannot be reached.
"""

import contextlib
import dataclasses
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.boards.board import Board
from ndrite.boards.fpga.build import build
from ndrite.boards.fpga.flash import flash
from ndrite.boards.fpga.reports import known_seed
from ndrite.boards.fpga.search import Tries
from ndrite.boards.fpga.target import Target
from ndrite.boards.fpga.tools import BuildError
from ndrite.boards.selftest import Check, checks_of, networks_of
from ndrite.boards.sim import Design, SimLink
from ndrite.boards.sim.build import simulated_id
from ndrite.boards.sim.udp import sim_udp_link, udp_id
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.network import zoo
from ndrite.emulator.spec import Geometry, Program
from ndrite.host import HostError
from ndrite.host.errors import LinkError
from ndrite.host.links import Link
from ndrite.host.links.uart import UartLink
from ndrite.host.links.udp import UdpLink, UdpSocket, udp_address
from ndrite.results import Table

SIMULATED_TIMEOUT_S = 4.0
"""Timeout in simulated seconds. A simulated second is a million cycles; a checksum over
a small board's weights takes two million."""
REATTACH_S = 5.0
"""Time in seconds for which a board's serial port may be absent after its
bitstream was loaded."""


class StageFailed(Exception):
    """Error: a stage of bring-up has failed, and later stages depend on it; the message
    says what was observed."""


def attached(port: str, baud: int, within_s: float = REATTACH_S) -> UartLink:
    """Open the serial port of a board, waiting at most ``within_s`` seconds for it:
    after loading a bitstream, the port may disappear for a while."""
    end = time.monotonic() + within_s
    while True:
        try:
            return UartLink(port, baud)
        except LinkError:
            if time.monotonic() >= end:
                raise
            time.sleep(REATTACH_S / 50)


@dataclass(frozen=True)
class Hardware:
    """Bring-up of a real board on the serial port ``port`` or at a network address; the
    board's build is in ``folder``, or is put there.

    ``loaded``: it is on the board already.
    """

    target: Target
    port: str
    folder: Path
    loaded: bool = False
    announce: Callable[[str], None] = lambda _: None

    def bitstream(self) -> tuple[int, str]:
        """Return the path of the bitstream in the folder; build it first if it is missing."""
        report = self.folder / "report.json"
        try:
            if not report.is_file():
                program = Program.load(zoo.program())
                seed = known_seed(self.target.name)
                build(self.target, self.folder, program=program, tries=Tries(seed), announce=self.announce)
            content = json.loads(report.read_text())
            words = f"build id {content['build_id']}, {content['fmax_mhz']:.1f} MHz estimated for"
            bitstream_id = int(content["build_id"], 16), f"{words} {content['clock_mhz']:g}"
            met = content["timing_met"]
        except (BuildError, OSError) as error:
            raise StageFailed(str(error)) from None
        except (ValueError, KeyError, TypeError):
            raise StageFailed(
                f"{report} is not the report of a build; run: ndrite board build {self.target.name}"
            ) from None
        if not met:
            raise StageFailed(
                f"{report}: timing failed; run: ndrite board build {self.target.name} --seeds 4"
            )
        return bitstream_id

    def load(self) -> str:
        """Load the bitstream into the board by openFPGALoader."""
        if self.loaded:
            return "left as it is (loaded)"
        try:
            flash(self.target, self.folder)
        except BuildError as error:
            raise StageFailed(str(error)) from None
        return "loaded with openFPGALoader"

    def open(self) -> Board:
        """Open the board at its serial port (at the bit rate of its gateware) or at
        its network address."""
        if self.target.ethernet is None:
            return Board(attached(self.port, self.target.baud))
        socket = UdpSocket(*udp_address(self.port))
        return Board(UdpLink(socket, name=f"udp:{socket.name}"))


@dataclass(frozen=True)
class Simulated:
    """Bring-up of a simulation in place of a real board: the board's gateware, without
    its pins, compiled for this machine."""

    target: Target

    @property
    def _design(self) -> Design | None:
        return Design(small=True) if self.target.small else None

    def bitstream(self) -> tuple[int, str]:
        """Return the digest of the simulated netlist, which takes the place of a
        bitstream's digest."""
        geometry = self.target.geometry
        if self.target.ethernet is None:
            identity = simulated_id(geometry, platform=self._design)
        else:
            identity = udp_id(geometry)
        return identity, f"none: simulated, build id {identity:016x}"

    def load(self) -> str:
        """Do nothing: a simulation has nothing to load."""
        return "none: compiled for this machine"

    def open(self) -> Board:
        """Open the simulation, compiling it if it is not in the cache."""
        link: Callable[..., Link] = sim_udp_link
        if self.target.ethernet is None:
            link = partial(SimLink, platform=self._design)
        return Board(link(self.target.geometry), timeout_s=SIMULATED_TIMEOUT_S)


Way = Hardware | Simulated
"""How to bring up a board. ``bitstream`` returns the build id of what is loaded, and a
text about it; ``load`` loads it into the board, and returns a text; ``open`` opens the
board. Each raises ``StageFailed`` or ``HostError``."""

REPEATS = 1000
"""Number of reads of one input by which the noise is judged."""
STANDARD_ERRORS = 5.0
"""Largest accepted difference from the golden model's mean and standard deviation, in
standard errors; by chance, five are exceeded once in two million boards."""
REFERENCE_READS = 5_000
FAULTS = ("errors_framing", "errors_crc", "errors_overflow", "errors_sequence", "watchdog_resets")


def identity(board: Board, geometry: Geometry, build_id: int) -> Iterator[Check]:
    """Check that the board has the expected array geometry, and that its build id is
    the one in the bitstream."""
    fields, expected = board.geometry.hardware_fields(), geometry.hardware_fields()
    wrong = [
        f"{name} is {fields[name]}, not {value}" for name, value in expected.items() if fields[name] != value
    ]
    yield Check("geometry", not wrong, ", ".join(wrong) or f"{geometry.lanes} lanes of {geometry.rows} rows")
    same = board.build_id == build_id
    difference = "" if same else f"; the bitstream's is {build_id:016x}: another one is loaded"
    yield Check("build id", same, f"{board.build_id:016x}{difference}")


def noise(board: Board, rng: np.random.Generator) -> Check:
    """Compare repeated reads of one input on the board with independent reads by the
    golden model: their mean and their standard deviation."""
    g = board.geometry
    widths = (min(16, g.max_inputs), min(4, g.max_outputs))
    program = random_program(g, rng, sizes=widths, noise=True, readout="adc")
    x = np.repeat(rng.integers(64, 256, (1, widths[0])).astype(np.uint8), REPEATS, axis=0)
    seed = int(rng.integers(0, 1 << 62))
    board.program(program)
    outputs = board.infer(x, seed=seed).astype(np.float64)
    # Another seed than the board's, since distributions are compared and not the
    # numbers themselves.
    many = np.repeat(x[:1], REFERENCE_READS, axis=0)
    law = Core(program).infer(many, seed=seed + 1).astype(np.float64)
    worst = standard_errors(outputs, law)
    if worst is None:
        return Check("noise", False, f"seed {seed}: the golden model shows none to compare with")
    result = f"{REPEATS} reads of {widths[1]} columns, seed {seed}: at most {worst:.1f} standard errors off"
    return Check("noise", worst <= STANDARD_ERRORS, result)


def standard_errors(got: npt.NDArray[np.float64], law: npt.NDArray[np.float64]) -> float | None:
    """Return the largest difference, in mean or standard deviation, between the reads
    ``got`` (n, columns) and the reads ``law`` (m, columns), in standard errors.

    In standard errors of the difference; columns without noise are left out, None when
    that leaves none.
    """
    mean, deviation = law.mean(axis=0), law.std(axis=0)
    loud = deviation > 0
    if not loud.any():
        return None
    error = np.sqrt(1 / len(got) + 1 / len(law))
    off = np.abs(got.mean(axis=0) - mean)[loud] / (deviation[loud] * error)
    # Standard error of a standard deviation, for normally distributed values. Values
    # that a converter clips deviate less.
    spread = np.abs(got.std(axis=0)[loud] / deviation[loud] - 1) / (error / np.sqrt(2))
    return max(float(off.max()), float(spread.max()))


def speed(board: Board, inferences: int, rng: np.random.Generator) -> Check:
    """Measure clock cycles per inference by the board's own counters, and samples per
    second by the host's clock."""
    g = board.geometry
    widths = (min(64, g.max_inputs), min(10, g.max_outputs))
    program = random_program(g, rng, sizes=widths, readout="adc", dac_bits=8)
    x = rng.integers(0, 256, (inferences, program.inputs)).astype(np.uint8)
    board.program(program)
    board.clear_counters()
    start = time.monotonic()
    board.infer(x)
    took = time.monotonic() - start
    cycles = board.counters()["inference_cycles"] / inferences
    bound = bound_cycles(program, g.lanes, g.lane_rows)
    # Rows that are 0 are skipped, so fewer cycles than the bound are normal; four times
    # as many are a fault.
    rate = f"{inferences / took:,.1f} samples/s (measured at the host)"
    return Check("speed", 0 < cycles <= 4 * bound + 200, f"{cycles:,.1f} cycles, bound {bound:,}; {rate}")


def heard(board: Board) -> dict[str, int]:
    """Return the counts of link faults that the host has seen in this session so far."""
    statistics = board.session.statistics
    return {
        "damaged_frames": statistics.damaged_frames,
        "timeouts": statistics.timeouts,
        "resyncs": statistics.resyncs,
    }


def faults(board: Board, before: dict[str, int]) -> Check:
    """Check that link and core have had no fault. ``before`` are the host's counts of
    link faults when the board was opened."""
    counters = board.counters()
    bad = {name: counters[name] for name in FAULTS if counters[name]}
    for name, count in heard(board).items():
        if count > before[name]:
            bad[f"host_{name}"] = count - before[name]
    words = ", ".join(f"{name} {count}" for name, count in bad.items())
    return Check("link and core faults", not bad, words or "none")


INFERENCES = 500
SPEED_INFERENCES = 50
STAGES = ("bitstream", "loading", "connection", "identity", "self test", "noise", "faults", "speed")


def stages_of(way: Way, *, inferences: int = INFERENCES, seed: int = 0) -> Iterator[Check]:
    """Run all bring-up checks on a board and yield each check, with the name of the
    stage it belongs to. ``way`` opens the board: ``Hardware`` or ``Simulated``.

    ``inferences`` random ones, at least, are compared with the golden model. A stage
    that ends all the others is followed by one failed check for each that was not
    reached. The board is closed at the end.
    """
    stage = STAGES[0]
    try:
        for now in _checks(way, inferences, np.random.default_rng(seed)):
            if isinstance(now, Check):
                yield dataclasses.replace(now, stage=stage)
            else:
                stage = now
    except (StageFailed, HostError) as error:
        yield Check(stage, False, str(error), stage)
        for later in STAGES[STAGES.index(stage) + 1 :]:
            yield Check(later, False, f"not reached: {stage} failed", later)


def _checks(way: Way, inferences: int, rng: np.random.Generator) -> Iterator[Check | str]:
    """Yield the results of all checks; before the checks of each stage, yield the
    name of the stage."""
    yield "bitstream"
    build_id, bitstream_name = way.bitstream()
    yield Check("bitstream", True, bitstream_name)
    yield "loading"
    yield Check("loading", True, way.load())
    yield "connection"
    board = way.open()
    with contextlib.closing(board.channel):
        yield Check("connection", True, f"protocol {board.identity()['protocol']}")
        test_seed = int(rng.integers(0, 1 << 31))
        yield "identity"
        yield from identity(board, way.target.geometry, build_id)
        board.clear_counters()
        before = heard(board)
        yield "self test"
        yield from checks_of(board, seed=test_seed, inferences=-(-inferences // networks_of(board.geometry)))
        if board.geometry.noise:
            yield "noise"
            yield noise(board, rng)
        yield "faults"  # checked before ``speed`` clears the counters
        yield faults(board, before)
        yield "speed"
        yield speed(board, SPEED_INFERENCES, rng)


def versions(loader: str | None) -> dict[str, str]:
    """Return the versions of ndrite, its libraries, Python and the program that loads
    bitstreams, and the name of the machine."""
    from importlib.metadata import version

    versions_here = {name: version(name) for name in ("ndrite", "numpy", "scipy", "amaranth")}
    versions_here |= {"python": platform.python_version(), "system": platform.platform()}
    return versions_here | ({"loader": loader} if loader else {})


def page(report: dict[str, Any], checks: Table) -> str:
    """Write a report as Markdown: a table for people, with the same values as JSON
    below it, so that one file can be attached to an issue."""
    where = f"`{report['board']}`" + ", simulated: no hardware was used" * report["simulated"]
    return (
        f"# Bring-up of {where}\n\n{report['failed']} of {len(report['checks'])} checks failed; seed "
        f"{report['seed']}.\n\n{checks.markdown()}\n\n```json\n{json.dumps(report, indent=1)}\n```\n"
    )
