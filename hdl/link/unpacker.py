"""unpacker: unpacks the codes of a payload, dense or sparse, one at a time or
in words of eight."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.packets import GROUP
from ndrite.hdl.parts.layouts import Ports, Sized


class Unpacker(wiring.Component):
    """Unpacks the ``inputs`` codes of a payload of ``length`` bytes in the format of
    ``ndrite.emulator.spec.packets``.

    While ``run``, it takes ``data``, the payload's next byte, with ``advance``; the
    next one stands there three cycles later. Each code is on ``code`` with ``valid``.
    ``done`` once all are: ``wrong`` then says that the payload was longer or shorter
    than necessary, or had bits set after the last code. The codes 7, 0, 9, 0::

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

    Latency: three cycles a byte taken, one a code that is 0. Resources: about 90 LUTs
    and 70 flip-flops.
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
        # ``remaining`` is one bit wider than ``length``: bits and codes may ask for
        # more bytes than the payload has.
        left, remaining = Signal(16), Signal(17)
        moved, moved_before, ended, settled = (
            Signal(name=n) for n in ("moved", "moved_before", "ended", "settled")
        )
        one_left, emits, byte_ready = Signal(), Signal(), Signal()
        m.d.comb += [
            byte_ready.eq(self.run & ~ended & ~moved & ~moved_before),
            emits.eq(self.run & ~ended & ~at_bits & (byte_ready | ~bits[0])),
            self.advance.eq(byte_ready & (at_bits | bits[0])),
        ]
        m.d.sync += [
            moved.eq(self.advance),
            moved_before.eq(moved),
            # ``one_left`` is computed a cycle ahead.
            one_left.eq(~left[2:].any() & (left[:2] == Mux(emits, 2, 1))),
            self.valid.eq(emits),
            self.code.eq(self.data & bits[0].replicate(8)),
            settled.eq(ended),
            self.done.eq(settled & self.run),
        ]
        with m.If(ended):
            m.d.sync += self.wrong.eq(remaining.any() | bits.any())
        with m.If(~self.run):
            m.d.sync += [
                left.eq(self.inputs),
                remaining.eq(self.length),
                at_bits.eq(1),
                ended.eq(0),
                settled.eq(0),
            ]
        with m.If(self.advance):
            m.d.sync += remaining.eq(remaining - 1)
        with m.If(byte_ready & at_bits):
            m.d.sync += [bits.eq(self.data), place.eq(0), at_bits.eq(0)]
        with m.If(emits):
            m.d.sync += [bits.eq(bits >> 1), place.eq(place + 1), left.eq(left - 1)]
            with m.If(place == GROUP - 1):
                m.d.sync += at_bits.eq(1)
            with m.If(one_left):
                m.d.sync += ended.eq(1)
        return m


class WordUnpacker(Sized):
    """Unpacks codes as ``Unpacker`` does, for memories that take the eight codes of a
    word in one cycle.

    ``load`` marks the codes of word ``word`` that become ``code``. A payload that is
    not ``sparse`` has a code a byte. In a sparse one a byte of bits writes the zeros
    of its group at once, and each code that is not 0 follows in a cycle of its own.
    Each of several samples begins a new word. ``clear`` begins a payload. After its
    last byte, ``samples`` is the number of samples; ``wrong`` says that the payload
    does not hold 1 to ``samples_max`` samples of ``inputs`` codes each, or that a
    sparse one has bits set after a sample's last code. Nine codes of which the first
    is 7, the third 9 and the last 5::

        { "signal": [
          {"name": "clear",  "wave": "10........"},
          {"name": "sparse", "wave": "1........."},
          {"name": "inputs", "wave": "=.........", "data": "9"},
          {"name": "samples_max", "wave": "=.........", "data": "1"},
          {"name": "length", "wave": "=.........", "data": "5"},
          {"name": "valid",  "wave": "01...10..."},
          {"name": "data",   "wave": "x=====xxxx", "data": "5 7 9 1 5"},
          {"name": "load",   "wave": "0.=====0..", "data": "fa 1 4 fe 1"},
          {"name": "word",   "wave": "xx=..=.=..", "data": "0 1 2"},
          {"name": "code",   "wave": "xx=====xxx", "data": "0 7 9 0 5"},
          {"name": "wrong",  "wave": "xxxxxxxx0."}
        ] }

    Latency: one cycle to the codes, three to ``wrong``. Resources: about 60 LUTs
    and 50 flip-flops.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "clear": In(1),
            "sparse": In(1),
            "inputs": In(16),
            "samples_max": In(16),
            "length": In(16),
            "valid": In(1),
            "data": In(8),
            "load": Out(GROUP),
            "word": Out(bits_for(g.packet_bytes)),
            "code": Out(8),
            "samples": Out(16),
            "wrong": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        every = Const(0xFF, GROUP)
        # Registered: the packet's memory is slow and far away on the die.
        valid, data = Signal(), Signal(8)
        m.d.sync += [valid.eq(self.valid), data.eq(self.data)]
        # ``bits``: codes of the group that are still to come, one bit each.
        bits = Signal(GROUP)
        at_bits, ended = Signal(), Signal()
        lowest, bits_left = Signal(GROUP), Signal(GROUP)
        # Codes of the last word that lie ``behind`` the end of a sample; ``excess``:
        # such a bit was set.
        word_of_sample, last_word = Signal.like(self.word), Signal.like(self.word)
        whole, behind, excess = Signal(16), Signal(GROUP), Signal()
        m.d.comb += [
            at_bits.eq(self.sparse & ~bits.any()),
            lowest.eq(Cat(bits[i] & ~bits[:i].any() for i in range(GROUP))),
            bits_left.eq(Mux(at_bits, data, bits & ~lowest)),
            ended.eq(~bits_left.any()),
            self.load.eq(Mux(at_bits, ~data, lowest) & valid.replicate(GROUP)),
            self.code.eq(data & ~at_bits.replicate(8)),
        ]
        with m.If(valid):
            m.d.sync += bits.eq(Mux(ended & ~self.sparse, every, bits_left))
            with m.If(ended):
                m.d.sync += [self.word.eq(self.word + 1), word_of_sample.eq(word_of_sample + 1)]
                with m.If(word_of_sample == last_word):
                    m.d.sync += [word_of_sample.eq(0), whole.eq(whole + 1)]
            with m.If(at_bits & (word_of_sample == last_word) & (data & behind).any()):
                m.d.sync += excess.eq(1)
        with m.If(self.clear):
            m.d.sync += [bits.eq(Mux(self.sparse, 0, every)), self.word.eq(0)]
            m.d.sync += [word_of_sample.eq(0), whole.eq(0), excess.eq(0)]
        m.d.sync += [
            last_word.eq((self.inputs - 1) >> 3),
            behind.eq(Mux(self.inputs[:3].any(), (every << self.inputs[:3])[:GROUP], 0)),
        ]
        # The last sample of a payload that is not sparse may end within a word.
        ends_within, complete, more, most = (
            Signal(name=n) for n in ("ends_within", "complete", "more", "most")
        )
        cut = ~self.sparse & (word_of_sample == last_word) & (bits == behind)
        m.d.sync += [
            ends_within.eq(cut),
            complete.eq((word_of_sample == 0) & (bits == Mux(self.sparse, 0, every)) & whole.any()),
            # Both are compared before the last sample is counted: the sum would come too late.
            more.eq(whole > self.samples_max),
            most.eq(whole == self.samples_max),
            self.samples.eq(whole + cut),
        ]
        m.d.comb += self.wrong.eq(
            ~self.length.any() | excess | ~(ends_within | complete) | more | (most & ends_within)
        )
        return m
