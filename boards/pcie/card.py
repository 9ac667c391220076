"""card: endpoint and hard block, up to the PIPE interface of a transceiver."""

from __future__ import annotations

from amaranth import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.pcie.hard_block import HardBlock, PipeSignature
from emulator.spec.geometry import Geometry
from hdl.pcie.endpoint import Endpoint


class Card(wiring.Component):
    """A card of one lane. ``user_clock`` 62.5 MHz, ``pipe_clock`` 125 or 250 MHz, both from the transceiver.

    The transceiver (GTPE2_CHANNEL and GTPE2_COMMON) with its reset and rate-change logic is not part of it.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0) -> None:
        self.endpoint = Endpoint(geometry, build_id=build_id)
        self.hard_block = HardBlock(geometry)
        super().__init__(
            {
                "user_clock": In(1),
                "pipe_clock": In(1),
                "reset": In(1),
                "pipe": Out(PipeSignature()),
                "up": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.domains.pipe = pipe = ClockDomain(reset_less=True)
        m.d.comb += [sync.clk.eq(self.user_clock), sync.rst.eq(self.reset), pipe.clk.eq(self.pipe_clock)]
        m.submodules.endpoint = self.endpoint
        m.submodules.hard_block = self.hard_block
        wiring.connect(m, self.endpoint.link, self.hard_block.link)
        wiring.connect(m, self.hard_block.pipe, wiring.flipped(self.pipe))
        m.d.comb += self.up.eq(self.hard_block.up)
        return m
