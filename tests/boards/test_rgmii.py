"""The resets of a PHY and of the registers that its receive clock moves."""

from typing import Any

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga.rgmii import PhyStart, eth_domain
from tests.hdl.interpreted import followed, simulated


class Counted(wiring.Component):
    """How many clocks domain ``eth`` had since its reset."""

    def __init__(self) -> None:
        super().__init__({"clock": In(1), "reset": In(1), "count": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        eth_domain(m, self.clock, self.reset)
        m.d.eth += self.count.eq(self.count + 1)
        return m


def test_the_receive_clock_s_registers_can_be_reset() -> None:
    """As often as is asked for, and not by power-on alone; the clock may stand
    still when it is."""
    counted, seen = Counted(), []

    async def bench(ctx: Any) -> None:
        for reset, edges in ((0, 5), (1, 0), (0, 6), (1, 3), (0, 9)):
            ctx.set(counted.reset, reset)
            await ctx.delay(1e-8)
            for _ in range(edges):
                for level in (1, 0):
                    ctx.set(counted.clock, level)
                    await ctx.delay(1e-8)
            seen.append(ctx.get(counted.count))

    simulated(counted, bench)
    # A reset is let go two edges after its end; one more resets, if it came while the
    # clock stood still.
    assert seen[1:] == [seen[0], 4, 0, 7], seen


def test_the_receive_clock_s_registers_are_reset_once_the_phy_runs() -> None:
    seen = followed(PhyStart(10), [{}] * 30, "phy", "eth")
    assert [sum(values) for values in zip(*seen, strict=True)] == [11, 21]
