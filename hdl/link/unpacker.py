"""unpacker: the codes of an INFER_SPARSE, one after the other."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.sparse import GROUP


class Unpacker(wiring.Component):
    """The ``inputs`` codes of a payload of ``length`` bytes, as ``emulator.spec.sparse`` writes them.

    While ``run``, it takes ``data``, the payload's next byte, with ``advance``; the next one stands
    there three cycles later. Each code is on ``code`` with ``valid``. ``done`` once all are: ``wrong`` then
    says that the payload was longer, shorter or had bits set behind the last code.
    The codes 7, 0, 9, 0::

        { "signal": [
          {"name": "run",     "wave": "01............0"},
          {"name": "inputs",  "wave": "=..............", "data": "4"},
          {"name": "length",  "wave": "=..............", "data": "3"},
          {"name": "data",    "wave": "=...=..=.......", "data": "5 7 9"},
          {"name": "advance", "wave": "010.10.10......"},
          {"name": "valid",   "wave": "0....1.01.0...."},
          {"name": "code",    "wave": "xxxxx==x==xxxxx", "data": "7 0 9 0"},
          {"name": "done",    "wave": "0..........1..."},
          {"name": "wrong",   "wave": "xxxxxxxxxxx0..."}
        ] }

    Latency: three cycles a byte taken, one a code that is 0. Resources: about 90 LUTs and 70 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "run": In(1),
                "inputs": In(16),
                "length": In(16),
                "data": In(8),
                "advance": Out(1),
                "valid": Out(1),
                "code": Out(8),
                "done": Out(1),
                "wrong": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, place, at_bits = Signal(GROUP), Signal(range(GROUP)), Signal()
        # One bit more than ``length`` has: as many bytes as bits and codes ask for may be taken.
        left, rest = Signal(16), Signal(17)
        moved, moved_before, ended, settled = (
            Signal(name=n) for n in ("moved", "moved_before", "ended", "settled")
        )
        one_left, emits, there = Signal(), Signal(), Signal()
        m.d.comb += [
            there.eq(self.run & ~ended & ~moved & ~moved_before),
            emits.eq(self.run & ~ended & ~at_bits & (there | ~bits[0])),
            self.advance.eq(there & (at_bits | bits[0])),
        ]
        m.d.sync += [
            moved.eq(self.advance),
            moved_before.eq(moved),
            # Known a cycle ahead.
            one_left.eq(~left[2:].any() & (left[:2] == Mux(emits, 2, 1))),
            self.valid.eq(emits),
            self.code.eq(self.data & bits[0].replicate(8)),
            settled.eq(ended),
            self.done.eq(settled & self.run),
        ]
        with m.If(ended):
            m.d.sync += self.wrong.eq(rest.any() | bits.any())
        with m.If(~self.run):
            m.d.sync += [
                left.eq(self.inputs),
                rest.eq(self.length),
                at_bits.eq(1),
                ended.eq(0),
                settled.eq(0),
            ]
        with m.If(self.advance):
            m.d.sync += rest.eq(rest - 1)
        with m.If(there & at_bits):
            m.d.sync += [bits.eq(self.data), place.eq(0), at_bits.eq(0)]
        with m.If(emits):
            m.d.sync += [bits.eq(bits >> 1), place.eq(place + 1), left.eq(left - 1)]
            with m.If(place == GROUP - 1):
                m.d.sync += at_bits.eq(1)
            with m.If(one_left):
                m.d.sync += ended.eq(1)
        return m
