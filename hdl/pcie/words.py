"""words: 64-bit words to elements of 2 or 4 bytes, and 32-bit words to 64-bit ones."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Unpacker(wiring.Component):
    """Elements of four bytes, or two if ``short``, lowest address first, zero extended; one a cycle.

    ``clear`` forgets what is left of a word. Resources: about 110 LUTs and 70 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "words": In(stream.Signature(64)),
                "elements": Out(stream.Signature(32)),
                "short": In(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, left = Signal(64), Signal(4)  # bytes
        step, size = Signal(), Mux(self.short, 2, 4)
        out = self.elements
        m.d.comb += [
            out.valid.eq(left != 0),
            step.eq(out.valid & out.ready),
            self.words.ready.eq(((left == 0) | (step & (left == size))) & ~self.clear),
        ]
        m.d.comb += out.payload.eq(Mux(self.short, held[:16], held[:32]))
        with m.If(step):
            m.d.sync += [held.eq(Mux(self.short, held >> 16, held >> 32)), left.eq(left - size)]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += [held.eq(self.words.payload), left.eq(8)]
        with m.If(self.clear):
            m.d.sync += left.eq(0)
        return m


class Packer(wiring.Component):
    """Pairs of 32-bit words; ``flush`` (held until ``empty``) sends a lone one with an upper half of 0.

    Resources: about 70 LUTs and 35 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "elements": In(stream.Signature(32)),
                "words": Out(stream.Signature(64)),
                "flush": In(1),
                "clear": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, half = Signal(32), Signal()
        words, elements = self.words, self.elements
        m.d.comb += [
            words.valid.eq(half & (elements.valid | self.flush)),
            words.payload.eq(Cat(held, elements.payload & elements.valid.replicate(32))),
            elements.ready.eq(~half | words.ready),
            self.empty.eq(~half),
        ]
        with m.If(words.valid & words.ready):
            m.d.sync += half.eq(0)
        with m.Elif(elements.valid & elements.ready):
            m.d.sync += [half.eq(1), held.eq(elements.payload)]
        with m.If(self.clear):
            m.d.sync += half.eq(0)
        return m
