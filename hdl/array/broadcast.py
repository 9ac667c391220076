"""broadcast: copies, one for a few lane groups, of what the whole array hears of."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.layouts import peek_layout, poke_layout
from ndrite.hdl.parts.target import unmerged
from ndrite.hdl.parts.waiting_sums import waiting_sums

REGION_GROUPS = 4
"""Lane groups that share a copy, where sums may wait."""


class Broadcast(wiring.Component):
    """Registered copies of the ports for some lane groups; memory accesses also a cycle early.

    Where sums may wait, every region has registers of its own, so that no wire spans the chip: ``shift`` and
    ``close`` are announced a cycle ahead. Otherwise one copy serves all groups.
    Latency: a cycle to ``_early``, two to ``_heard``. Resources: two registers of an access.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        peek, poke = peek_layout(geometry), poke_layout(geometry)
        waits = waiting_sums(geometry)
        super().__init__(
            {
                "peek": In(peek),
                "poke": In(poke),
                "peek_early": Out(peek),
                "poke_early": Out(poke),
                "peek_heard": Out(peek),
                "poke_heard": Out(poke),
                "shift": Out(1),
            }
            | ({"shift_next": In(1), "close_next": In(1), "close": Out(1)} if waits else {"shift_now": In(1)})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in ("peek", "poke"):
            early, heard = getattr(self, f"{name}_early"), getattr(self, f"{name}_heard")
            if waiting_sums(self.geometry):
                m.d.comb += early.eq(unmerged(m, platform, getattr(self, name), f"{name}_1"))
                m.d.comb += heard.eq(unmerged(m, platform, early, f"{name}_2"))
            else:
                m.d.sync += [early.eq(getattr(self, name)), heard.eq(early)]
        if waiting_sums(self.geometry):
            m.d.comb += self.shift.eq(unmerged(m, platform, self.shift_next, "shift_1"))
            m.d.comb += self.close.eq(unmerged(m, platform, self.close_next, "close_1"))
        else:
            m.d.comb += self.shift.eq(self.shift_now)
        return m
