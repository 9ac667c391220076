"""queue: a FIFO whose two ends are streams of any shape."""

from __future__ import annotations

from amaranth import Module, Shape
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for


class Queue(wiring.Component):
    """``depth`` payloads, first in first out; ``level`` counts those stored.

    Latency: 2 cycles from ``i`` to ``o``. Resources: a memory of depth * width bits and two counters.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "level": Out(bits_for(depth)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = Shape.cast(self.i.signature.members["payload"].shape).width
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=width, depth=self.depth)
        m.d.comb += [
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(fifo.r_data),
            self.o.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.o.ready),
            self.level.eq(fifo.level),
        ]
        return m
