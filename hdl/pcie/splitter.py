"""splitter: cuts a DMA transfer into requests that PCIe allows."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.hdl.pcie.signature import TRANSFER_LAYOUT

LARGEST = 4096
CHUNK_LAYOUT = StructLayout({"address": 64, "length": 13, "last": 1})
"""One request's part of a transfer: address, bytes (1..4096), and whether it is the last."""


class Splitter(wiring.Component):
    """Parts end where the address reaches a multiple of min(128 << ``code``, ``most``): none crosses 4 KiB.

    ``cancel`` drops the transfer under way. Throughput: a part every 4 cycles. Resources: about 200 LUTs and
    120 flip-flops.
    """

    def __init__(self, most: int) -> None:
        if not (128 <= most <= LARGEST and most & (most - 1) == 0):
            raise ValueError(f"most is {most}; accepted: a power of two, 128..{LARGEST}")
        self.most = most
        super().__init__(
            {
                "transfer": In(stream.Signature(TRANSFER_LAYOUT)),
                "code": In(3),
                "cancel": In(1),
                "chunk": Out(stream.Signature(CHUNK_LAYOUT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address, left = Signal(64), Signal(32)
        room, length, last = Signal(13), Signal(13), Signal()
        # Bits that may change within one part: 7 and those the size code and ``most`` add.
        wide = [(self.code > i) if self.most > 128 << i else Const(0, 1) for i in range(5)]
        mask = Cat(Const(127, 7), *wide)
        m.d.comb += [
            self.chunk.payload.address.eq(address),
            self.chunk.payload.length.eq(length),
            self.chunk.payload.last.eq(last),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.transfer.ready.eq(~self.cancel)
                m.d.sync += [address.eq(self.transfer.payload.address), left.eq(self.transfer.payload.length)]
                with m.If(self.transfer.valid & self.transfer.ready):
                    m.next = "measure"
            with m.State("measure"):
                m.d.sync += room.eq((~address[:12] & mask) + 1)
                m.next = "limit"
                with m.If(self.cancel):
                    m.next = "idle"
            with m.State("limit"):
                m.d.sync += [length.eq(room), last.eq(left <= room)]
                with m.If(left <= room):
                    m.d.sync += length.eq(left)
                m.next = "offer"
                with m.If(self.cancel):
                    m.next = "idle"
            with m.State("offer"):
                m.d.comb += self.chunk.valid.eq(1)
                with m.If(self.chunk.ready):
                    m.d.sync += [address.eq(address + length), left.eq(left - length)]
                    m.next = "measure"
                    with m.If(last):
                        m.next = "idle"
                with m.If(self.cancel):
                    m.next = "idle"
        return m
