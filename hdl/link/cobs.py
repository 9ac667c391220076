"""cobs: consistent-overhead byte stuffing, so that 0x00 only ever ends a frame.

Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999, doi 10.1109/90.769765.
"""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for


class CobsDecoder(wiring.Component):
    """Body bytes of each frame, then ``end`` with ``bad`` set when the frame stopped inside a block.

    Always ready. A lone delimiter gives no ``end``. Latency: one cycle. Resources: about 40 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "data": In(8),
                "out_valid": Out(1),
                "out_data": Out(8),
                "end": Out(1),
                "bad": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(8)
        started = Signal()
        zero_due = Signal()
        m.d.sync += [self.out_valid.eq(0), self.end.eq(0)]
        with m.If(self.valid):
            with m.If(self.data == 0):
                m.d.sync += [self.end.eq(started), self.bad.eq(left != 0)]
                m.d.sync += [left.eq(0), started.eq(0), zero_due.eq(0)]
            with m.Elif(left == 0):
                # A code byte; the zero of the block before is due now that another block follows.
                m.d.sync += [
                    left.eq(self.data - 1),
                    started.eq(1),
                    zero_due.eq(self.data != 0xFF),
                    self.out_valid.eq(zero_due),
                    self.out_data.eq(0),
                ]
            with m.Else():
                m.d.sync += [left.eq(left - 1), self.out_valid.eq(1), self.out_data.eq(self.data)]
        return m


class CobsSender(wiring.Component):
    """Sends ``length`` bytes of a memory as one frame: COBS, then 0x00.

    ``start`` for one cycle while ``busy`` is down. The memory answers ``address`` with ``data`` two cycles
    later. Latency: two memory passes over each block of up to 254 bytes, 3 cycles a byte read.
    Resources: about 90 LUTs.
    """

    def __init__(self, depth: int) -> None:
        bits = bits_for(depth)
        super().__init__(
            {
                "start": In(1),
                "length": In(bits),
                "busy": Out(1),
                "address": Out(bits),
                "data": In(8),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begin, scan = Signal.like(self.length), Signal.like(self.length)
        end = Signal.like(self.length)
        run = Signal(8)
        closed_by_zero = Signal()
        m.d.comb += self.busy.eq(1)
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += [begin.eq(0), scan.eq(0), run.eq(0), end.eq(self.length)]
                with m.If(self.start):
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.comb += self.address.eq(scan)
                m.next = "fetched"
            with m.State("fetched"):
                m.d.comb += self.address.eq(scan)
                m.next = "scan"
            with m.State("scan"):
                m.d.comb += self.address.eq(scan)
                m.d.sync += closed_by_zero.eq(0)
                with m.If((scan == end) | (run == 254)):
                    m.next = "code"
                with m.Elif(self.data == 0):
                    m.d.sync += closed_by_zero.eq(1)
                    m.next = "code"
                with m.Else():
                    m.d.sync += [scan.eq(scan + 1), run.eq(run + 1)]
                    m.next = "fetch"
            with m.State("code"):
                m.d.comb += [self.address.eq(begin), self.o.valid.eq(1), self.o.payload.eq(run + 1)]
                with m.If(self.o.ready):
                    m.next = "step"
            with m.State("copy"):
                m.d.comb += [self.address.eq(begin), self.o.payload.eq(self.data), self.o.valid.eq(run != 0)]
                with m.If(run == 0):
                    with m.If(closed_by_zero):
                        # The zero itself is implied by the next block's code byte, empty as it may be.
                        m.d.sync += [begin.eq(scan + 1), scan.eq(scan + 1)]
                        m.next = "fetch"
                    with m.Elif(scan == end):
                        m.next = "delimiter"
                    with m.Else():
                        m.next = "fetch"
                with m.Elif(self.o.ready):
                    m.d.sync += [begin.eq(begin + 1), run.eq(run - 1)]
                    m.next = "step"
            with m.State("step"):
                m.d.comb += self.address.eq(begin)
                m.next = "stepped"
            with m.State("stepped"):
                m.d.comb += self.address.eq(begin)
                m.next = "copy"
            with m.State("delimiter"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(0)]
                with m.If(self.o.ready):
                    m.next = "idle"
        return m
