"""A simulated card that only reads host memory, without end: what the DMA
reader makes of a link."""

from dataclasses import dataclass
from pathlib import Path

from amaranth import Module
from amaranth.lib import wiring

from ndrite.boards.sim.build import cached_library
from ndrite.boards.sim.pcie import HARNESS, MEMORY_BASE, SimCard
from ndrite.hdl.pcie.endpoint import CONFIG, plain_ports
from ndrite.hdl.pcie.reader import Reader
from ndrite.hdl.pcie.writer import Framer

TRANSFER_BYTES = 1 << 20
COMPLETION_HEADER_BYTES = 12
FRAMING_BYTES = 8
"""Bytes that frame each TLP on the link: sequence number, LCRC, framing symbols."""
TIMEOUT_CYCLES = 100_000


class Meter(wiring.Component):
    """A DMA ``Reader`` whose data is always taken, to measure its rate. Ports as those
    of ``ndrite.hdl.pcie.endpoint.PcieSimTop``."""

    def __init__(self, *, tags: int, slot_bytes: int) -> None:
        self.tags, self.slot_bytes = tags, slot_bytes
        super().__init__(plain_ports())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = Reader(tags=self.tags, slot_bytes=self.slot_bytes)
        m.submodules.framer = framer = Framer(1)
        wiring.connect(m, framer.sender_0, reader.sender)
        for name in ("data", "half", "last"):
            m.d.comb += [
                reader.completion.payload[name].eq(getattr(self, f"rx_{name}")),
                getattr(self, f"tx_{name}").eq(framer.tx.payload[name]),
            ]
        m.d.comb += [reader.config[name].eq(getattr(self, name)) for name in CONFIG]
        m.d.comb += [
            reader.transfer.valid.eq(self.bus_master),
            reader.transfer.payload.address.eq(MEMORY_BASE),
            reader.transfer.payload.length.eq(TRANSFER_BYTES),
            reader.words.ready.eq(1),
            reader.timeout_cycles.eq(TIMEOUT_CYCLES),
            reader.completion.valid.eq(self.rx_valid),
            self.rx_ready.eq(reader.completion.ready),
            self.tx_valid.eq(framer.tx.valid),
            framer.tx.ready.eq(self.tx_ready),
            framer.bus_master.eq(self.bus_master),
        ]
        return m


class MeterCard(SimCard):
    """A simulated card whose design is the meter."""

    def __init__(self, *, tags: int = 16, slot_bytes: int = 512) -> None:
        self._power_on(_library(tags, slot_bytes))


@dataclass(frozen=True)
class Rate:
    """Payload bytes per clock, and the limit that the link and the headers of
    completions allow."""

    payload: float
    limit: float

    @property
    def efficiency(self) -> float:
        """Share of the limit that was reached."""
        return self.payload / self.limit


def payload_limit(rate: float, payload_bytes: int) -> float:
    """Return the payload bytes per clock of a link of ``rate`` bytes per clock, with
    completions of ``payload_bytes``."""
    return rate * payload_bytes / (payload_bytes + COMPLETION_HEADER_BYTES + FRAMING_BYTES)


def read_rate(
    *, rate: float, latency: float, max_payload: int, max_read: int = 2, tags: int = 16, cycles: int = 40_000
) -> Rate:
    """Simulate reads without end, and return their rate.

    Parameters
    ----------
    rate:
        Bytes a clock of each direction of the link.
    latency:
        Clocks from a read's arrival at the root complex to its answer.
    max_payload, max_read:
        Size codes: 128 << code bytes.
    tags:
        Reads that may be under way, 2, 4, 8 or 16.
    cycles:
        Clocks counted, after a quarter of them to fill the pipes.
    """
    card = MeterCard(tags=tags)
    try:
        card.link(rate=rate, latency=latency)
        card.configure(max_payload=max_payload, max_read=max_read)
        card.run(cycles // 4)
        before = card.counters()
        card.run(cycles)
        after = card.counters()
    finally:
        card.close()
    # Counted where it enters the link: over this many clocks what is still on its
    # way does not matter.
    payload = (after["rx_payload"] - before["rx_payload"]) / (after["cycles"] - before["cycles"])
    return Rate(payload=payload, limit=payload_limit(rate, 128 << max_payload))


def _library(tags: int, slot_bytes: int) -> Path:
    def make(_: int) -> Meter:
        return Meter(tags=tags, slot_bytes=slot_bytes)

    return cached_library(make, key=f"pcie meter {tags} {slot_bytes}", what="PCIe meter", harness=HARNESS)
