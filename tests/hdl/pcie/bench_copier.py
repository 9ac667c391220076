"""cocotb: DMA reads and writes of every size code, alignment and length,
against a memory model."""

import os
from typing import Any, ClassVar

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId

from tests.hdl.pcie.hard_block import Tamper, changed, refused, untouched
from tests.hdl.pcie.host import CLOCK_NS, THOROUGH, Host
from tests.hdl.streams import pulse

SLOT_BYTES, TAGS = int(os.environ["SLOT_BYTES"]), int(os.environ["TAGS"])


class Copies:
    """Host memory of two arenas, one below and one beyond 4 GiB, and transfers between them."""

    def __init__(self, host: Host) -> None:
        self.host, self.block, self.dut, self.rng = host, host.block, host.dut, host.rng
        self.arenas = [host.memory(1 << 17, high=high) for high in (False, True)]
        for _, memory in self.arenas:
            memory[:] = host.random_bytes(len(memory))

    async def transfer(self, name: str, address: int, length: int) -> None:
        dut = self.dut
        getattr(dut, f"{name}_address").value = address
        getattr(dut, f"{name}_length").value = length
        getattr(dut, f"{name}_valid").value = 1
        await RisingEdge(dut.clk)
        while not int(getattr(dut, f"{name}_ready").value):
            await RisingEdge(dut.clk)
        getattr(dut, f"{name}_valid").value = 0

    async def copy(self, source: tuple[int, int], target: tuple[int, int], length: int) -> None:
        """Copy between (arena, offset) places; nothing else in memory may change."""
        before = [bytes(memory) for _, memory in self.arenas]
        await self.transfer("read", self.arenas[source[0]][0] + source[1], length)
        await self.transfer("write", self.arenas[target[0]][0] + target[1], length)
        await self.quiet()
        data = before[source[0]][source[1] : source[1] + length]
        old = before[target[0]]
        wanted = old[: target[1]] + data + old[target[1] + length :]
        assert bytes(self.arenas[target[0]][1]) == wanted, f"copy of {length} bytes {source} -> {target}"
        other = 1 - target[0]
        assert bytes(self.arenas[other][1]) == before[other]

    async def ask(self, offset: int, length: int) -> None:
        """Have ``length`` bytes go from there in the first arena to the
        beginning of the second."""
        await self.transfer("read", self.arenas[0][0] + offset, length)
        await self.transfer("write", self.arenas[1][0], length)

    async def arrived(self, offset: int, length: int) -> None:
        """What was asked for is there once all is quiet."""
        await self.quiet()
        assert bytes(self.arenas[1][1][:length]) == bytes(self.arenas[0][1][offset : offset + length])

    async def quiet(self, cycles: int = 60_000) -> None:
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
            if not int(self.dut.busy.value):
                await self.host.drain()  # the last write is still on its way
                return
        raise AssertionError("the writer does not come to rest")

    async def cancel(self) -> None:
        """Drop all that is under way; completions come as they are again."""
        await pulse(self.dut, "cancel")
        await RisingEdge(self.dut.clk)
        self.block.tamper = untouched

    def held(self, parts: Tamper = untouched) -> list[Tlp]:
        """Completions, which do not come from now on, each as ``parts`` makes it."""
        tlps: list[Tlp] = []
        self.block.tamper = lambda tlp: tlps.extend(parts(Tlp(tlp))) or []
        return tlps

    async def unanswered(self, length: int = 128 * TAGS) -> None:
        """A read that takes all tags, whose completions do not all come."""
        await self.transfer("read", self.arenas[0][0], length)
        await self.host.cycles(600)

    def place(self, length: int, *, arena: int | None = None) -> tuple[int, int]:
        """A random place; half of the time just before a 4 KiB boundary."""
        chosen = int(self.rng.integers(2)) if arena is None else arena
        if self.rng.random() < 0.5:
            offset = 4096 * int(self.rng.integers(1, 8)) - 8 * int(self.rng.integers(0, 20))
        else:
            offset = 8 * int(self.rng.integers(8, 4096))
        return chosen, offset


async def begin(dut: Any, **how: int) -> Copies:
    cocotb.start_soon(Clock(dut.clk, CLOCK_NS, "ns").start())
    for name in ("read_valid", "write_valid", "cancel", "msi_taken"):
        getattr(dut, name).value = 0
    dut.timeout.value = 50_000
    return Copies(await Host.attach(dut, 1 << 16, **how))


def length_of(rng: np.random.Generator, most: int) -> int:
    """Short, odd and long lengths."""
    return int(rng.choice([rng.integers(1, 17), rng.integers(1, 300), rng.integers(1, most)]))


@cocotb.test()
async def every_size_code(dut: Any) -> None:
    """Max payload x max read request, with lengths that end anywhere."""
    copies = await begin(dut, max_payload=5)
    host, block = copies.host, copies.block
    codes = range(6) if THOROUGH else (0, 1, 5)
    for max_payload in codes:
        for max_read in codes:
            await host.device.set_mps(max_payload)
            await host.device.set_readrq(max_read)
            host.rc.max_payload_size = max_payload
            await host.cycles(10)
            block.sent.clear()
            for length in (1, 4, 8, 127, 4096 + 5, int(host.rng.integers(600, 9000))):
                await copies.copy(copies.place(length, arena=0), copies.place(length, arena=1), length)
            # From a 4 KiB boundary, so that the largest parts do occur.
            await copies.copy((0, 8192), (1, 8192), 4096 + 5)
            reads = [4 * t.length for t in block.sent if not t.has_data()]
            writes = [4 * t.length for t in block.sent if t.has_data()]
            assert max(reads) == min(128 << max_read, SLOT_BYTES)
            assert max(writes) == min(128 << max_payload, SLOT_BYTES)


@cocotb.test()
@cocotb.parametrize(trial=list(range(8 if THOROUGH else 3)))
async def random_copies(dut: Any, trial: int) -> None:
    """Stalls on both sides, every RCB split, completions out of order."""
    copies = await begin(dut, seed=100 + trial, max_payload=trial % 3, max_read=trial % 4)
    host = copies.host
    host.rc.split_on_all_rcb = trial % 2 == 0
    host.rc.read_completion_boundary = trial % 4 == 2
    host.block.shuffle = trial > 0
    host.block.stall, host.block.idle = (0.0, 0.0) if trial == 1 else (0.4, 0.3)
    for _ in range(40 if THOROUGH else 12):
        length = length_of(host.rng, 6000)
        source, target = copies.place(length), copies.place(length)
        while source[0] == target[0] and abs(source[1] - target[1]) < length:
            target = copies.place(length)  # it would read what it has just written
        await copies.copy(source, target, length)


def parted(tlp: Tlp, at: int) -> list[Tlp]:
    """A completion in two, the first of ``at`` bytes."""
    first, rest = Tlp(tlp), Tlp(tlp)
    first.set_data(tlp.data[:at])
    rest.set_data(tlp.data[at:])
    rest.byte_count -= at
    return [first, rest]


def lengthened(tlp: Tlp) -> list[Tlp]:
    """A completion with more data than its byte count says."""
    longer = Tlp(tlp)
    longer.set_data(bytes(tlp.data) + bytes(8))
    return [longer]


BAD: dict[str, Tamper] = {
    "longer than its byte count": lengthened,
    "split off a word's boundary": lambda tlp: parted(tlp, 12),
    "parts in the wrong order": lambda tlp: parted(tlp, 64)[::-1],
    "unsupported": refused,
    "abort": lambda tlp: refused(tlp, CplStatus.CA),
    "poisoned": lambda tlp: changed(tlp, ep=True),
    "short": lambda tlp: changed(tlp, byte_count=tlp.byte_count - 4),
    "lost": lambda tlp: [],
}


@cocotb.test()
async def errors_and_cancel(dut: Any) -> None:
    """Every kind of failed read is reported once; after cancel everything works and
    old data is dropped."""
    copies = await begin(dut, max_read=0)
    host, block = copies.host, copies.block
    dut.timeout.value = 3000
    for kind, bad in BAD.items():
        block.tamper_once(bad)
        events = Events(dut)
        await copies.ask(0, 5000)
        await host.cycles(6000)
        event = "timed_out" if kind == "lost" else "failed"
        assert await events.seen() == Events.NONE | {event: 1}, kind
        await copies.cancel()
        await copies.quiet()
        await copies.copy((0, 16), (1, 32), 3001)


@cocotb.test()
@cocotb.parametrize(kind=["of another requester or tag", "locked"])
async def completions_for_others(dut: Any, kind: str) -> None:
    """What answers another requester, tag or kind of request is nobody's,
    however well it fits."""
    copies = await begin(dut, max_read=0)
    host, block = copies.host, copies.block
    bad = 0

    def foreign(tlp: Tlp) -> list[Tlp]:
        nonlocal bad
        (other,) = changed(tlp)
        if kind == "locked":
            other.fmt_type = TlpType.CPL_LOCKED_DATA
        elif bad % 2:
            other.tag += 32
        else:
            other.requester_id = PcieId.from_int(int(tlp.requester_id) ^ 1 << bad // 2 % 16)
        other.set_data(host.random_bytes(len(tlp.data)))
        bad += 1
        return [other, tlp]

    block.tamper = foreign
    events = Events(dut)
    await copies.copy((0, 64), (1, 8), 128 * 32 + 5)
    assert bad == 33
    assert await events.seen() == Events.NONE | {"unexpected": bad}


@cocotb.test()
@cocotb.parametrize(lost=[0, 1])
async def a_lost_completion_holds_up_its_own_tag_only(dut: Any, lost: int) -> None:
    """Behind a reset the tags that are owed nothing are used at once."""
    copies = await begin(dut, max_read=0)
    block = copies.block
    dut.timeout.value = 100_000
    block.tamper = lambda tlp: [] if tlp.tag == lost else [tlp]
    await copies.unanswered()
    await copies.cancel()
    block.sent.clear()
    length = 128 * 3 * TAGS + 9
    await copies.ask(4096, length)
    await copies.arrived(4096, length)
    assert {t.tag for t in block.sent if not t.has_data()} == {*range(TAGS)} - {lost}


@cocotb.test()
@cocotb.parametrize(cancels=[1, 2, 3], late=["whole", "in parts", "never"])
async def stale_completions(dut: Any, cancels: int, late: str) -> None:
    """A tag is not used again before its read of any number of resets ago is
    answered, or long overdue."""
    copies = await begin(dut, max_read=0)
    host, block = copies.host, copies.block
    dut.timeout.value = 4000
    held = copies.held((lambda tlp: parted(tlp, 64)) if late == "in parts" else untouched)
    await copies.unanswered()
    assert len({tlp.tag for tlp in held}) == TAGS
    for _ in range(cancels):
        await copies.cancel()
        await host.cycles(50)
    fresh = copies.held() if late == "whole" else []
    length = 128 * TAGS + 77
    events = Events(dut)
    await copies.ask(8192, length)
    before = len(block.sent)
    if late == "never":
        await host.cycles(2000)
        assert len(block.sent) == before, "a read under a tag that is not free"
    elif late == "whole":
        await host.cycles(600)
        block.waiting += held + fresh
        block.tamper = untouched
    else:
        for i, tlp in enumerate(held):
            block.waiting.append(tlp)
            await host.cycles(50)
            if i == 0:
                assert len(block.sent) == before, "a tag is free with half of its answer"
    await copies.arrived(8192, length)
    expected = 0 if late == "never" else len(held)
    assert await events.seen() == Events.NONE | {"unexpected": expected}


@cocotb.test()
async def quarantine_of_reads_since(dut: Any) -> None:
    """The end of one reset's quarantine is not that of reads issued meanwhile, which
    another reset drops."""
    copies = await begin(dut, max_read=0)
    host, block = copies.host, copies.block
    dut.timeout.value = 2000
    await copies.cancel()
    await host.cycles(1500)
    held = copies.held()
    await copies.unanswered()
    await host.cycles(400)
    assert len(held) == TAGS
    await copies.cancel()
    sent = len(block.sent)
    await copies.ask(8192, 999)
    await host.cycles(300)
    assert len(block.sent) == sent, "a read under a tag that is not free"
    block.waiting += held
    await copies.arrived(8192, 999)


@cocotb.test()
async def no_bus_master(dut: Any) -> None:
    """Once software has switched bus mastering off nothing is sent, and after it is
    on again all works."""
    copies = await begin(dut, max_read=0)
    host, block = copies.host, copies.block
    block.stall = 0.5
    for offset in range(0, 24, 8):
        await copies.transfer("read", copies.arenas[0][0] + offset, 20_000)
        await copies.transfer("write", copies.arenas[1][0] + offset, 20_000)
        await host.cycles(700)
        await host.device.set_master(False)
        await host.drain()
        sent = len(block.sent)
        await host.cycles(500)
        assert len(block.sent) == sent > 0
        await copies.cancel()
        await copies.quiet()
        await host.device.set_master()
        await host.cycles(60)
        assert len(block.sent) == sent, "a request from before was sent after all"
        await copies.copy((0, 4000), (1, 8), 999)


class Events:
    """Counts what the copier reports, from now until ``seen``."""

    NONE: ClassVar = {"failed": 0, "timed_out": 0, "unexpected": 0}

    def __init__(self, dut: Any) -> None:
        self._dut, self._seen, self._over = dut, dict(self.NONE), False
        self._task = cocotb.start_soon(self._count())

    async def _count(self) -> None:
        while not self._over:
            await RisingEdge(self._dut.clk)
            for name in self._seen:
                self._seen[name] += int(getattr(self._dut, name).value)

    async def seen(self) -> dict[str, int]:
        self._over = True
        await self._task
        return self._seen
