"""A simulated PCIe card: the compiled endpoint connected to a simulated root
complex, in this process."""

import ctypes
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ndrite.boards.sim.build import cached_library, design
from ndrite.boards.sim.link import CYCLES_PER_SECOND
from ndrite.boards.sim.running import NUMBER, U64, Function, Running
from ndrite.emulator.spec import Geometry
from ndrite.hdl.pcie.user_side import READ_BYTES, READS
from ndrite.host.errors import LinkError
from ndrite.host.links.pcie.device import DmaMemory

HARNESS = Path(__file__).with_name("pcie_harness.cpp")
TAGS, SLOT_BYTES = 16, 512
"""Parameters of the endpoint's DMA reader."""
MEMORY_BYTES = 4 << 20
MEMORY_BASE = 0x8_0000_0000
READ_CYCLES = 100_000
"""Cycles for which a processor's read waits for an answer: the completion timeout of
the root complex."""
Loss = Literal["reset", "hot reset", "link down"]
"""Kinds of loss of a card or its link; the last two need the model of a hard block."""
LOSSES: tuple[Loss, ...] = get_args(Loss)
COUNTERS = ("cycles", "interrupts", "rx_payload", "tx_payload", "rx_beats", "tx_beats", "reads", "stray")


_BYTES, _REAL, _I64 = ctypes.POINTER(ctypes.c_uint8), ctypes.c_double, ctypes.c_int64
FUNCTIONS: dict[str, Function] = {
    "new": (ctypes.c_void_p, [_BYTES, U64, U64]),
    "link": (None, [_REAL, _REAL, NUMBER]),
    "config": (None, [ctypes.c_uint, ctypes.c_uint, NUMBER, NUMBER]),
    "read": (NUMBER, [U64, U64, ctypes.POINTER(ctypes.c_uint32)]),
    "write": (None, [U64, ctypes.c_uint32]),
    "fault": (None, [_I64, _I64, _I64]),
    "reset": (None, [U64, ctypes.c_uint, NUMBER]),
    "clocks": (None, [_REAL]),
    "counters": (None, [ctypes.POINTER(U64)]),
}


class SimCard(Running):
    """A freshly powered-on simulated PCIe card of a geometry, which is compiled if it
    is not in the cache.

    Satisfies ``ndrite.host.links.pcie.PciDevice``. A second is ``CYCLES_PER_SECOND``
    clocks. Raises SimulationBuildError when it cannot be built.

    Parameters
    ----------
    geometry:
        Shape of the array.
    """

    def __init__(self, geometry: Geometry) -> None:
        top = design("ndrite.hdl.pcie.endpoint:PcieSimTop", geometry, tags=TAGS, slot_bytes=SLOT_BYTES)
        title = f"PCIe card of geometry {geometry.name}"
        self._power_on(cached_library(**top, what=title, harness=HARNESS))

    def _power_on(self, library: Path) -> None:
        self._data = np.zeros(MEMORY_BYTES, np.uint8)
        self._taken = 0
        memory = self._data.ctypes.data_as(_BYTES)
        super().__init__(library, "ndrite_card_", FUNCTIONS, memory, MEMORY_BASE, MEMORY_BYTES)
        self.configure()

    name = "simulated card"

    def read(self, offset: int) -> int:
        """Read a word of BAR0; the result is all ones if the card refuses
        or does not answer."""
        value = ctypes.c_uint32()
        self.call("read", offset, READ_CYCLES, ctypes.byref(value))
        return value.value

    def write(self, offset: int, value: int) -> None:
        """Write a word of BAR0; the write reaches the card while the clock runs,
        before any later read."""
        self.call("write", offset, value)

    def memory(self, size: int) -> DmaMemory:
        """Allocate ``size`` bytes of the simulated host memory."""
        first = self._taken
        if first + size > MEMORY_BYTES:
            raise LinkError(f"simulated host memory is full ({MEMORY_BYTES} bytes)")
        self._taken = -(-(first + size) // 4096) * 4096
        return DmaMemory(self._data[first : first + size], MEMORY_BASE + first)

    def wait(self, seconds: float) -> None:
        """Run the clock until an MSI arrives, at most ``seconds *
        CYCLES_PER_SECOND`` cycles."""
        self.clock(max(1, round(seconds * CYCLES_PER_SECOND)))

    def run(self, cycles: int) -> None:
        """Run the clock for ``cycles`` cycles, even if interrupts arrive."""
        end = self.counters()["cycles"] + cycles
        while (left := end - self.counters()["cycles"]) > 0:
            self.call("run", left)

    def now(self) -> float:
        """Return the simulated seconds since power-on."""
        return self.counters()["cycles"] / CYCLES_PER_SECOND

    # -- settings for tests and benchmarks

    def configure(
        self, *, max_payload: int = 0, max_read: int = 2, bus_master: bool = True, msi: bool = True
    ) -> None:
        """Set the card's configuration space: the largest payload and read as
        size codes (a code means 128 << code bytes), and whether bus mastering
        and MSI are enabled."""
        self.call("config", max_payload, max_read, int(bus_master), int(msi))

    def link(self, *, rate: float, latency: float, every_boundary: bool = False) -> None:
        """Set the speed of the PCIe link: ``rate`` bytes per clock in each direction
        (0: unlimited); memory reads are answered after ``latency`` clocks."""
        self.call("link", rate, latency, int(every_boundary))

    def fault(self, *, refuse: int = -1, lose: int = -1, gone: int = -1) -> None:
        """Plan faults: a memory read is refused after ``refuse`` more reads,
        one gets no answer after ``lose`` more reads, and the card disappears
        after ``gone`` clocks.

        -1: never; the card comes back when ``gone`` is.
        """
        self.call("fault", refuse, lose, gone)

    def reset(self, *, after: int, cycles: int, kind: Loss = "reset") -> None:
        """Reset the card, or cut its link, for ``cycles`` clocks, starting ``after``
        clocks from now; both numbers are at least 1.

        Packets on the link are lost.
        """
        self.call("reset", after, cycles, LOSSES.index(kind))

    def counters(self) -> dict[str, int]:
        """Return counts since power-on: clocks, MSIs, payload bytes and beats in each
        direction, memory reads, and writes outside the memory."""
        values = (ctypes.c_uint64 * len(COUNTERS))()
        self.call("counters", values)
        return dict(zip(COUNTERS, values, strict=True))


class BlockCard(SimCard):
    """A simulated card with a model of a 7-series hard block between the PCIe link and
    the design; the array has a clock of its own.

    Clocks that it counts are the block's. Raises SimulationBuildError when it cannot be built.

    Parameters
    ----------
    geometry:
        Shape of the array.
    throttle:
        Whether the block pauses at random, both ways.
    """

    def __init__(self, geometry: Geometry, *, throttle: bool = True) -> None:
        how = {"tags": READS, "slot_bytes": READ_BYTES, "throttle": throttle}
        top = design("ndrite.boards.sim.pcie_block:behind_block", geometry, **how)
        title = f"PCIe card behind a hard block, geometry {geometry.name}"
        self._power_on(cached_library(**top, what=title, harness=HARNESS))

    def clocks(self, ratio: float) -> None:
        """Set the speed of the array's clock: it ticks ``ratio`` times per tick of the
        hard block's clock."""
        self.call("clocks", ratio)
