"""The adapter to a hard block's user side, packet by packet, against a model of the
block; no compiler."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from amaranth import ClockDomain, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.sim import Simulator, SimulatorContext

from ndrite.boards.sim.pcie_block import RULES, Block
from ndrite.hdl.pcie.user_side import Adapter

BLOCK_NS = 16.0
Packet = list[int]
"""Double words of a TLP."""


def write_of(rng: random.Random, length: int) -> Packet:
    """A write of ``length`` double words with a header of three."""
    return [0x40000000 | length, 0xFF, 0x1000, *(rng.getrandbits(32) for _ in range(length))]


def beats(packet: Packet) -> list[tuple[int, int, int]]:
    """(data, half, last) of a packet."""
    pairs = [packet[i : i + 2] for i in range(0, len(packet), 2)]
    return [
        (p[0] | (p[1] << 32 if len(p) == 2 else 0), int(len(p) == 1), int(i == len(pairs) - 1))
        for i, p in enumerate(pairs)
    ]


class Bench:
    """Adapter and model in Amaranth's simulator, the array's clock ``array_ns`` long."""

    def __init__(self, array_ns: float, seed: int) -> None:
        self.rng, self.pace = random.Random(seed), 0.7
        self.adapter, self.block = Adapter(), Block(throttle=True)
        m = Module()
        m.domains += [ClockDomain("block"), ClockDomain("pcie"), ClockDomain("sync")]
        m.submodules.adapter, m.submodules.block = self.adapter, self.block
        wiring.connect(m, self.adapter.block, self.block.user)
        m.d.comb += ResetSignal("pcie").eq(self.adapter.held)
        m.submodules.array_reset = ResetSynchronizer(self.adapter.held, domain="sync")
        self.simulator = Simulator(m)
        for name, period in (("block", BLOCK_NS), ("pcie", BLOCK_NS), ("sync", array_ns)):
            self.simulator.add_clock(period * 1e-9, domain=name)
        self.sent: list[Packet] = []
        """Packets that left the block."""
        self.received: list[Packet] = []
        """Packets that reached the endpoint."""
        self.simulator.add_process(self._from_block)
        self.simulator.add_process(self._to_endpoint)

    def run(self, script: Callable[[SimulatorContext], Any]) -> None:
        self.simulator.add_testbench(script)
        self.simulator.run()

    async def _from_block(self, ctx: SimulatorContext) -> None:
        block, packet = self.block, list[int]()
        ctx.set(block.tx_ready, 1)
        names = (block.tx_valid, block.tx_data, block.tx_half, block.tx_last)
        async for _, _, valid, data, half, last in ctx.tick("block").sample(*names):
            if valid:
                packet += [data & 0xFFFFFFFF] + ([] if half else [data >> 32])
                if last:
                    self.sent.append(packet)
                    packet = []

    async def _to_endpoint(self, ctx: SimulatorContext) -> None:
        rx, packet = self.adapter.link.rx, list[int]()
        ready = 0
        names = (rx.valid, rx.payload.data, rx.payload.half, rx.payload.last)
        async for _, reset, valid, data, half, last in ctx.tick("sync").sample(*names):
            if reset:
                packet = []
            elif valid and ready:
                packet += [data & 0xFFFFFFFF] + ([] if half else [data >> 32])
                if last:
                    self.received.append(packet)
                    packet = []
            ready = int(self.rng.random() < self.pace)
            ctx.set(rx.ready, ready)

    async def up(self, ctx: SimulatorContext) -> None:
        """Wait for the link and the endpoint behind it."""
        await ctx.tick("block").repeat(150)

    async def send(self, ctx: SimulatorContext, packet: Packet, count: int | None = None) -> None:
        """Send the beats of a packet as the endpoint does, or the first ``count`` of them."""
        tx = self.adapter.link.tx
        for data, half, last in beats(packet)[:count]:
            ctx.set(tx.payload, {"data": data, "half": half, "last": last})
            ctx.set(tx.valid, 1)
            await ctx.tick("sync").until(tx.ready)
            ctx.set(tx.valid, 0)

    async def deliver(self, ctx: SimulatorContext, packet: Packet) -> None:
        """Hand a packet to the block as the link does."""
        block = self.block
        for data, half, last in beats(packet):
            for port, value in ((block.rx_data, data), (block.rx_half, half), (block.rx_last, last)):
                ctx.set(port, value)
            ctx.set(block.rx_valid, 1)
            await ctx.tick("block").until(block.rx_ready)
            ctx.set(block.rx_valid, 0)

    def check(self, ctx: SimulatorContext) -> None:
        broken = ctx.get(self.block.broken)
        assert not broken, [rule for i, rule in enumerate(RULES) if broken >> i & 1]


CLOCKS = [BLOCK_NS, 9.7, 23.3]
"""The block's own, a faster and a slower one, of no common multiple."""


@pytest.mark.parametrize("array_ns", CLOCKS)
def test_packets_pass_both_ways_whole_and_in_order(array_ns: float) -> None:
    bench = Bench(array_ns, seed=3)
    packets = [write_of(bench.rng, length) for length in (1, 2, 7, 32, 33, 128)]

    async def script(ctx: SimulatorContext) -> None:
        await bench.up(ctx)
        for packet in packets:
            await bench.send(ctx, packet)
            await bench.deliver(ctx, packet)
        await ctx.tick("block").repeat(500)
        bench.check(ctx)

    bench.run(script)
    assert bench.sent == packets
    assert bench.received == packets


@pytest.mark.parametrize("pin", ["link_down", "hot_reset"])
@pytest.mark.parametrize("pause", [3, 20])
def test_a_lost_link_costs_the_packets_under_way_and_no_later_one(pin: str, pause: int) -> None:
    """After the loss both ways carry whole packets again; none is made of the parts of two."""
    bench = Bench(9.7, seed=pause)
    early, late = ([write_of(bench.rng, n) for n in lengths] for lengths in ((40, 50), (5, 60)))

    async def script(ctx: SimulatorContext) -> None:
        await bench.up(ctx)
        await bench.send(ctx, early[0], 20)
        for packet in early:
            await bench.deliver(ctx, packet)
        await ctx.tick("block").repeat(pause)
        level = getattr(bench.block, pin)
        ctx.set(level, 1)
        await ctx.tick("block").repeat(2)
        ctx.set(level, 0)
        await bench.up(ctx)
        for packet in late:
            await bench.send(ctx, packet)
            await bench.deliver(ctx, packet)
        await ctx.tick("block").repeat(500)
        bench.check(ctx)

    bench.run(script)
    assert bench.sent == late
    assert bench.received[-2:] == late
    assert bench.received[:-2] in ([], early[:1], early)


def test_an_interrupt_leaves_after_the_packets_before_it_and_is_answered_once() -> None:
    bench = Bench(9.7, seed=8)
    link, block = bench.adapter.link, bench.block
    packets = [write_of(bench.rng, 30) for _ in range(2)]

    async def interrupt(ctx: SimulatorContext) -> None:
        ctx.set(link.interrupt, 1)
        await ctx.tick("sync").until(link.interrupt_taken)
        ctx.set(link.interrupt, 0)

    async def take(ctx: SimulatorContext) -> None:
        await ctx.tick("block").until(block.msi)
        assert bench.sent[-1] == packets[-1]
        ctx.set(block.msi_taken, 1)
        await ctx.tick("block")
        ctx.set(block.msi_taken, 0)

    async def script(ctx: SimulatorContext) -> None:
        ctx.set(block.msi_enable, 1)
        await bench.up(ctx)
        for packet in packets:
            await bench.send(ctx, packet)
        ctx.set(link.interrupt, 1)
        await take(ctx)
        taken = await ctx.tick("sync").sample(link.interrupt_taken).until(link.interrupt_taken)
        ctx.set(link.interrupt, 0)
        assert taken
        # Withdrawn before it is taken: the answer is none for the next one.
        await ctx.tick("sync").repeat(10)
        ctx.set(link.interrupt, 1)
        await ctx.tick("sync").repeat(30)
        ctx.set(link.interrupt, 0)
        await ctx.tick("sync").repeat(30)
        ctx.set(link.interrupt, 1)
        await take(ctx)
        for _ in range(20):
            await ctx.tick("sync")
            assert not ctx.get(link.interrupt_taken)
        await take(ctx)
        await ctx.tick("sync").until(link.interrupt_taken)
        ctx.set(link.interrupt, 0)
        await ctx.tick("sync").repeat(50)
        assert not ctx.get(block.msi)
        bench.check(ctx)

    bench.run(script)


def test_a_packet_that_the_block_dropped_resets_the_endpoint() -> None:
    """``tx_err_drop`` alone tells of it; a result would be missing, with its record there."""
    bench = Bench(BLOCK_NS, seed=1)

    async def script(ctx: SimulatorContext) -> None:
        await bench.up(ctx)
        assert not ctx.get(bench.adapter.held)
        ctx.set(bench.block.user.tx_err_drop, 1)
        await ctx.tick("block")
        ctx.set(bench.block.user.tx_err_drop, 0)
        await ctx.tick("block").repeat(3)
        assert ctx.get(bench.adapter.held)

    bench.run(script)


def test_more_completions_than_the_block_holds_are_noticed() -> None:
    """The model tells what an endpoint with too many reads does to a real block."""
    bench = Bench(BLOCK_NS, seed=1)
    bench.pace = 0.1  # the endpoint takes them slower than they come
    block, parts = bench.block, itertools.cycle(beats([0x4A000001, 4, 0, 7]))

    async def script(ctx: SimulatorContext) -> None:
        await bench.up(ctx)
        ctx.set(block.rx_valid, 1)
        for _ in range(200):
            data, half, last = next(parts)
            for port, value in ((block.rx_data, data), (block.rx_half, half), (block.rx_last, last)):
                ctx.set(port, value)
            await ctx.tick("block")
        assert ctx.get(block.broken) == 1 << RULES.index("completions")

    bench.run(script)
