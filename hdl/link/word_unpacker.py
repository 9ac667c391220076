"""word_unpacker: a payload's codes into words of eight, a byte a cycle, whether sparse or not."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from emulator.spec.sparse import GROUP
from hdl.parts.ports import Ports, Sized


class WordUnpacker(Sized):
    """What ``hdl.link.unpacker`` does, where memories take the eight codes of a word in one cycle.

    ``load`` marks the codes of word ``word`` that become ``code``. A payload that is not ``sparse`` has a
    code a byte. In a sparse one a byte of bits writes the zeros of its group at once, and each code that is
    not 0 follows in a cycle of its own. ``clear`` begins a payload; ``wrong``, behind its last byte, says
    that a sparse one of ``length`` bytes is not of ``inputs`` codes or has bits set behind the last code.
    Nine codes of which the first is 7, the third 9 and the last 5::

        { "signal": [
          {"name": "clear",  "wave": "10......."},
          {"name": "sparse", "wave": "1........"},
          {"name": "inputs", "wave": "=........", "data": "9"},
          {"name": "length", "wave": "=........", "data": "5"},
          {"name": "valid",  "wave": "01...10.."},
          {"name": "data",   "wave": "x=====xxx", "data": "5 7 9 1 5"},
          {"name": "load",   "wave": "0.=====0.", "data": "fa 1 4 fe 1"},
          {"name": "word",   "wave": "xx=..=.=.", "data": "0 1 2"},
          {"name": "code",   "wave": "xx=====xx", "data": "0 7 9 0 5"},
          {"name": "wrong",  "wave": "xxxxxxx0."}
        ] }

    Latency: one cycle to the codes, two to ``wrong``. Resources: about 60 LUTs and 50 flip-flops.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "clear": In(1),
            "sparse": In(1),
            "inputs": In(16),
            "length": In(16),
            "valid": In(1),
            "data": In(8),
            "load": Out(GROUP),
            "word": Out(bits_for(g.packet_bytes)),
            "code": Out(8),
            "wrong": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        every = Const(0xFF, GROUP)
        # The packet's memory is slow and far away.
        valid, data = Signal(), Signal(8)
        m.d.sync += [valid.eq(self.valid), data.eq(self.data)]
        # Codes of the word that are still to come, and the bits that the last group of a sparse payload had.
        bits, last = Signal(GROUP), Signal(GROUP)
        at_bits, ended = Signal(), Signal()
        lowest, rest = Signal(GROUP), Signal(GROUP)
        m.d.comb += [
            at_bits.eq(self.sparse & ~bits.any()),
            lowest.eq(Cat(bits[i] & ~bits[:i].any() for i in range(GROUP))),
            rest.eq(Mux(at_bits, data, bits & ~lowest)),
            ended.eq(~rest.any()),
            self.load.eq(Mux(at_bits, ~data, lowest) & valid.replicate(GROUP)),
            self.code.eq(data & ~at_bits.replicate(8)),
        ]
        with m.If(valid):
            m.d.sync += bits.eq(Mux(ended & ~self.sparse, every, rest))
            with m.If(ended):
                m.d.sync += self.word.eq(self.word + 1)
            with m.If(at_bits):
                m.d.sync += last.eq(data)
        with m.If(self.clear):
            m.d.sync += [bits.eq(Mux(self.sparse, 0, every)), self.word.eq(0)]
        words, behind = Signal.like(self.word), Signal(GROUP)
        m.d.sync += [
            words.eq((self.inputs + (GROUP - 1)) >> 3),
            behind.eq(Mux(self.inputs[:3].any(), (every << self.inputs[:3])[:GROUP], 0)),
        ]
        other = ~self.length.any() | (self.word != words) | bits.any() | (last & behind).any()
        m.d.comb += self.wrong.eq(self.sparse & other)
        return m
