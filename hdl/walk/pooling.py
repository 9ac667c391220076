"""pooling: the largest and the sum of each channel's codes in a patch, eight channels at a time."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import WORD_ROWS
from ndrite.hdl.walk.records import CHUNK_LAYOUT
from ndrite.hdl.walk.scaler import OPERAND_BITS

POOLING_LATENCY = 2 + WORD_ROWS
"""Cycles from a group's last chunk to the last of its results."""


class Pooling(wiring.Component):
    """``largest`` and ``total`` of each channel of a group's chunks, one after the other, each ``valid``.

    ``patch_end`` comes with the patch's last. A group takes as many cycles, at least, as it has channels.

    Latency: POOLING_LATENCY. Throughput: a chunk, and a result, a cycle. Resources: about 500 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "chunk": In(CHUNK_LAYOUT),
                "valid": Out(1),
                "largest": Out(8),
                "total": Out(OPERAND_BITS),
                "patch_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chunk = self.chunk
        channel_layout = StructLayout({"largest": 8, "total": OPERAND_BITS})
        channels, results = (
            Signal(ArrayLayout(channel_layout, WORD_ROWS), name=n, reset_less=True)
            for n in ("channels", "results")
        )
        begun, ended, ends_patch, closing = Signal(), Signal(), Signal(), Signal()
        count, left = Signal(4), Signal(4)
        m.d.sync += ended.eq(chunk.valid & chunk.group_end)
        with m.If(chunk.valid):
            m.d.sync += [begun.eq(~chunk.group_end), count.eq(chunk.count), ends_patch.eq(chunk.patch_end)]
            for i in range(WORD_ROWS):
                code, channel = chunk.codes[i], channels[i]
                with m.If(~begun | (code > channel.largest)):
                    m.d.sync += channel.largest.eq(code)
                m.d.sync += channel.total.eq(Mux(begun, channel.total, 0) + code)
        m.d.comb += [
            self.valid.eq(left != 0),
            self.largest.eq(results[0].largest),
            self.total.eq(results[0].total),
            self.patch_end.eq(closing & (left == 1)),
        ]
        with m.If(ended):
            m.d.sync += [results.eq(channels), left.eq(count), closing.eq(ends_patch)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [results[i].eq(results[i + 1]) for i in range(WORD_ROWS - 1)]
        return m
