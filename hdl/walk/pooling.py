"""pooling: the largest or the sum of each channel's codes in a patch."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.walk.layouts import chunk_layout
from hdl.walk.scaler import OPERAND_BITS

POOLING_LATENCY = 4
"""Cycles from a channel's last chunk to its result."""


class Pooling(wiring.Component):
    """``largest`` and ``total`` of a channel's chunks, ``valid`` for a cycle.

    ``patch_end`` comes with the patch's last.

    Latency: POOLING_LATENCY. Throughput: a chunk a cycle. Resources: about 250 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "chunk": In(chunk_layout()),
                "valid": Out(1),
                "largest": Out(8),
                "total": Out(OPERAND_BITS),
                "patch_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chunk = self.chunk
        largest, total = ([chunk.codes[i] for i in range(8)] for _ in range(2))
        valid, end, patch_end = chunk.valid, chunk.channel_end, chunk.patch_end
        stage = 0
        while len(largest) > 1:
            pairs = range(0, len(largest), 2)
            most = [Signal(8, name=f"largest_{stage}_{i}") for i in pairs]
            sums = [Signal(len(total[0]) + 1, name=f"total_{stage}_{i}") for i in pairs]
            for at, i in enumerate(pairs):
                a, b = largest[i], largest[i + 1]
                m.d.sync += [most[at].eq(Mux(a > b, a, b)), sums[at].eq(total[i] + total[i + 1])]
            late = [Signal(name=f"{n}_{stage}") for n in ("valid", "channel_end", "patch_end")]
            m.d.sync += [a.eq(b) for a, b in zip(late, (valid, end, patch_end), strict=True)]
            largest, total, stage = most, sums, stage + 1
            valid, end, patch_end = late
        begun = Signal()
        m.d.sync += [self.valid.eq(valid & end), self.patch_end.eq(patch_end)]
        with m.If(valid):
            better = ~begun | (largest[0] > self.largest)
            m.d.sync += [
                begun.eq(~end),
                self.largest.eq(Mux(better, largest[0], self.largest)),
                self.total.eq(Mux(begun, self.total, 0) + total[0]),
            ]
        return m
