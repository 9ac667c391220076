"""The host's side of the benches: a root complex, its memory, the rings, and BAR0."""

from __future__ import annotations

import logging
import os
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Timer
from cocotbext.pcie.core import RootComplex

from ndrite.boards.sim.pcie_block import UP_CYCLES
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core
from ndrite.emulator.spec import Geometry, Program, pcie
from ndrite.emulator.spec.memory_map import REGION_SHIFT
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.hdl.pcie.user_side import HOLD_CYCLES, SETTLE_CYCLES
from tests.hdl.pcie.hard_block import HardBlock
from tests.hdl.streams import pulse
from tests.stimulus import random_inputs

THOROUGH = bool(os.environ.get("THOROUGH"))
CLOCK_NS = 16
ARRAY_CLOCK_NS = 9.7
"""Of an array with a clock of its own; no multiple of the other."""
LINK_UP_CYCLES = UP_CYCLES + HOLD_CYCLES + SETTLE_CYCLES + 10
DRAIN_CYCLES = 1000
SETTING_CYCLES = 20
"""Until configuration has reached the endpoint, whatever is between."""
RING_LOG2 = 3
HIGH_MEMORY = 0x12_3456_0000
"""Beyond 4 GiB: needs four-double-word headers."""

JOB = ("source", "destination", "first_index", "inputs", "outputs")


class Host:
    """A booted machine with one card in it. Make with ``await Host.boot(dut, geometry)``."""

    geometry: Geometry
    device: Any
    bar: Any
    ring: tuple[int, Any]
    records: tuple[int, Any]
    interrupts: int
    shape: dict[str, int]
    """Inputs and outputs of the program, as fields of a job."""

    def __init__(self, dut: Any, bar_size: int, seed: int) -> None:
        self.dut = dut
        self.rng = np.random.default_rng(seed)
        self.rc = RootComplex()
        self.block = HardBlock(dut, bar_size, self.rng)
        for part in (self.rc, self.block, self.block.function):
            part.log.setLevel(logging.ERROR)
        self.rc.make_port().connect(self.block)
        self.high_pool = self.rc.mem_address_space.create_pool(HIGH_MEMORY, 1 << 24)
        self.producer = 0
        self.targets: list[Any] = []
        """Where the results of ``job`` go."""

    @classmethod
    async def boot(cls, dut: Any, geometry: Geometry, *, high: bool = False, **how: int) -> Host:
        """Attach, then point the engine at fresh rings and start it; ``how``
        as for ``attach``."""
        cocotb.start_soon(Clock(dut.clk, CLOCK_NS, "ns").start())
        if hasattr(dut, "array_clk"):
            cocotb.start_soon(Clock(dut.array_clk, ARRAY_CLOCK_NS, "ns").start())
        host = await cls.attach(dut, pcie.bar_bytes(geometry), **how)
        host.geometry = geometry
        host.ring = host.memory(32 << RING_LOG2, high=high)
        host.records = host.memory(16 << RING_LOG2, high=high)
        await host.start()
        return host

    @classmethod
    async def attach(
        cls, dut: Any, bar_size: int, *, seed: int = 1, max_payload: int = 0, max_read: int = 2
    ) -> Host:
        """Reset, enumerate and enable what is behind the TLP ports of ``dut``,
        whose clock runs."""
        host = cls(dut, bar_size, seed)
        await pulse(dut, "rst", 4)
        if host.behind:  # its link comes up later
            await host.cycles(LINK_UP_CYCLES)
        host.block.function.pcie_cap.max_payload_size_supported = max_payload
        host.rc.max_payload_size = max_payload
        host.rc.max_payload_size_supported = max_payload
        await host.rc.enumerate()
        host.device = host.rc.find_device(host.block.function.pcie_id)
        await host.device.enable_device()
        await host.device.set_master()
        assert await host.device.alloc_irq_vectors(1, 1) == 1
        await host.device.set_mps(max_payload)
        await host.device.set_readrq(max_read)
        host.bar = host.device.bar_window[0]
        await host.cycles(SETTING_CYCLES)
        host.interrupts = 0
        host.device.request_irq(0, host._interrupted)
        return host

    async def _interrupted(self) -> None:
        self.interrupts += 1

    async def start(self) -> None:
        """(Re)start the engine with empty rings."""
        await self.set("control", pcie.CONTROL_RESET)
        for _ in range(1000):
            if not await self.get("state"):
                break
            await self.cycles(20)
        else:
            raise AssertionError(f"the engine does not come to rest: state {await self.get('state'):#x}")
        self.producer = 0
        self.records[1][:] = b"\xff" * len(self.records[1])
        for name, address in (("ring", self.ring[0]), ("records", self.records[0])):
            await self.set(f"{name}_low", address & 0xFFFFFFFF)
            await self.set(f"{name}_high", address >> 32)
        await self.set("ring_log2", RING_LOG2)
        await self.set("control", pcie.CONTROL_RUN)

    # -- memory

    def memory(self, size: int, *, high: bool = False) -> tuple[int, Any]:
        """Bus address and bytes of fresh host memory, aligned to at least 4 KiB."""
        pool = self.high_pool if high else self.rc.mem_pool
        region = pool.alloc_region(max(size, 4096))
        return region.get_absolute_address(0), memoryview(region.mem)[:size]

    def random_bytes(self, size: int) -> bytes:
        return bytes(self.rng.integers(0, 256, size, dtype=np.uint8))

    # -- BAR0

    def offset(self, word_address: int) -> int:
        """Byte in BAR0 of a word of the memory map."""
        region, word = word_address >> REGION_SHIFT, word_address & ((1 << REGION_SHIFT) - 1)
        return region * pcie.region_bytes(self.geometry) + 4 * word

    async def get(self, name: str) -> int:
        return int(await self.bar.read_dword(pcie.engine_offset(name)))

    async def set(self, name: str, value: int) -> None:
        await self.bar.write_dword(pcie.engine_offset(name), value)

    async def register(self, name: str) -> int:
        return int(await self.bar.read_dword(4 * BY_NAME[name].address))

    async def set_register(self, name: str, value: int) -> None:
        await self.bar.write_dword(4 * BY_NAME[name].address, value)

    # -- jobs

    def post(self, count: int, *, interrupt: bool = True, **fields: int) -> int:
        """Put a descriptor in the ring; its index. ``fields`` are those of ``JOB``,
        0 where not given."""
        index, flags = self.producer, pcie.FLAG_INTERRUPT * interrupt
        job = dict.fromkeys(JOB, 0) | fields
        place = (index % (1 << RING_LOG2)) * 32
        self.ring[1][place : place + 32] = pcie.DESCRIPTOR_LAYOUT.pack(flags, count, *job.values())
        self.producer += 1
        return index

    def job(self, count: int, **how: bool) -> int:
        """Put ``count`` inferences of whatever lies in fresh memory in the ring; the
        descriptor's index."""
        source, _ = self.memory(count * self.shape["inputs"])
        destination, target = self.memory(4 * count * self.shape["outputs"])
        self.targets.append(target)
        return self.post(count, source=source, destination=destination, **self.shape, **how)

    def record(self, index: int) -> int | None:
        """Status of a descriptor, once its record stands."""
        place = (index % (1 << RING_LOG2)) * 16
        first, status, last = pcie.RECORD_LAYOUT.unpack(self.records[1][place : place + 16])
        return int(status) if first == last == index else None

    async def ring_bell(self) -> None:
        await self.set("producer", self.producer)

    async def wait(self, index: int, cycles: int = 100_000) -> int:
        """Status of a descriptor when its record has come."""
        for _ in range(cycles // 16):
            record = self.record(index)
            if record is not None:
                return record
            await self.cycles(16)
        state, consumer = await self.get("state"), await self.get("consumer")
        raise AssertionError(f"descriptor {index} not done: state {state:#x}, consumer {consumer}")

    async def run(self, count: int, **fields: Any) -> int:
        """Post one descriptor and wait for its record."""
        index = self.post(count, **fields)
        await self.ring_bell()
        return await self.wait(index)

    async def program(self, program: Program) -> None:
        """Every section of a program through BAR0."""
        await self.set_register("program_tag", 0)
        for section in lay_out(program, self.geometry):
            await self.bar.write(self.offset(section.address), section.words.astype("<i4").tobytes())
        await self.set_register("program_tag", program.tag)
        assert await self.register("program_tag") == program.tag  # all writes before it have arrived
        self.shape = {"inputs": program.inputs, "outputs": program.outputs}

    async def infers_as_golden(self, program: Program, count: int, *, seed: int = 5, first: int = 0) -> None:
        """Random samples by one descriptor, with read noise: every output is
        the golden model's."""
        x = random_inputs(program, self.rng, count)
        source, inputs = self.memory(x.size)
        destination, outputs = self.memory(4 * count * program.outputs)
        inputs[:] = x.tobytes()
        await self.set_register("noise_enable", 1)
        await self.set_register("seed_low", seed)
        fields = {"source": source, "destination": destination, "first_index": first}
        assert await self.run(count, **fields, **self.shape) == Status.OK
        got = np.frombuffer(bytes(outputs), "<i4").reshape(count, program.outputs)
        np.testing.assert_array_equal(got, Core(program).infer(x, seed=seed, first_index=first))

    @property
    def behind(self) -> bool:
        """Whether the model of a hard block is between, which stores packets."""
        return hasattr(self.dut, "link_down")

    async def drain(self) -> None:
        """Let what was sent arrive."""
        await self.cycles(DRAIN_CYCLES if self.behind else 60)

    async def cycles(self, count: int) -> None:
        await Timer(count * CLOCK_NS, "ns")
