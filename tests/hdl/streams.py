"""Drives a component's streams, inputs and memories from cocotb, with random idling
and backpressure."""

from collections.abc import Iterable
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ndrite.emulator.spec.memory_map import REGION_SHIFT, REGIONS, Section


async def reset(dut: Any) -> None:
    """Start the clock, set every input to 0 and pulse reset."""
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for handle in dut:
        if handle._name in ("clk", "rst"):
            continue
        try:
            handle.value = 0
        except (AttributeError, TypeError, ValueError):
            continue
    await pulse(dut, "rst", 3)
    await RisingEdge(dut.clk)


async def pulse(dut: Any, name: str, cycles: int = 1, **given: int) -> None:
    """Input ``name`` is 1 for so many cycles, in which others are as
    ``given``; they stay so."""
    for other, value in given.items():
        getattr(dut, other).value = value
    getattr(dut, name).value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    getattr(dut, name).value = 0


class End:
    """One of a stream, which pauses with probability ``pause``."""

    def __init__(self, dut: Any, name: str, rng: np.random.Generator, pause: float = 0.0) -> None:
        self.clk, self.name, self.rng, self.pause = dut.clk, name, rng, pause
        self.valid, self.ready, self.payload = (
            getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload")
        )
        self.taken: list[int] = []


class Source(End):
    """Offers payloads, pausing before each."""

    async def send(self, payloads: Iterable[int]) -> None:
        for payload in payloads:
            while self.rng.random() < self.pause:
                await RisingEdge(self.clk)
            self.valid.value = 1
            self.payload.value = payload
            await RisingEdge(self.clk)
            while not int(self.ready.value):
                await RisingEdge(self.clk)
            self.valid.value = 0


class Sink(End):
    """Takes payloads, pausing in any cycle.

    Also checks the stream contract: an offer stays, unchanged, until it is taken.
    """

    async def run(self) -> None:
        offered: int | None = None
        while True:
            self.ready.value = int(self.rng.random() >= self.pause)
            await RisingEdge(self.clk)
            valid = int(self.valid.value)
            if not valid:
                assert offered is None, f"stream {self.name} withdrew its offer"
                continue
            value = int(self.payload.value)
            assert offered is None or offered == value, f"stream {self.name} changed a stalled payload"
            if int(self.ready.value):
                self.taken.append(value)
                offered = None
            else:
                offered = value

    async def wait(self, count: int, cycles: int = 200_000) -> list[int]:
        """The first ``count`` payloads, once they have come."""
        for _ in range(cycles):
            if len(self.taken) >= count:
                return self.taken
            await RisingEdge(self.clk)
        raise AssertionError(
            f"stream {self.name}: {len(self.taken)} of {count} payloads after {cycles} cycles"
        )


async def write_memory(dut: Any, window: str, offset: int, words: Iterable[int]) -> None:
    """Write words through a bus window, one every two cycles as the decoder
    guarantees at least."""
    getattr(dut, f"{window}__select").value = 1
    for i, word in enumerate(words):
        given = {f"{window}__address": offset + i, f"{window}__write_data": int(word) & 0xFFFFFFFF}
        await pulse(dut, f"{window}__write", **given)
        await RisingEdge(dut.clk)
    getattr(dut, f"{window}__select").value = 0
    await RisingEdge(dut.clk)


async def load(dut: Any, sections: Iterable[Section], **windows: str) -> None:
    """Write the sections of regions that have one of the ``windows``; without any,
    each has its own."""
    names = windows or {name: name for name in REGIONS}
    for section in sections:
        for region, window in names.items():
            if section.address >> REGION_SHIFT == REGIONS[region]:
                await write_memory(dut, window, section.address & ((1 << REGION_SHIFT) - 1), section.words)
