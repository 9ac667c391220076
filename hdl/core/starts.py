"""starts: when an inference's first pass is issued."""

from amaranth import Module, Signal
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.parts.layouts import feed_layout
from hdl.parts.ports import Ports, Sized


class Starts(Sized):
    """``started`` with the first pass that is ``issued`` of an inference, whose ``feed`` says what it reads.

    One by one an inference's first pass is the next one after its ``start`` was taken. Where inferences
    overlap passes say so themselves: ``opened`` with a layer's first, ``input_layer`` if of a sample's codes.
    Latency: none. Resources: a flip-flop.
    """

    def ports(self, g: Geometry) -> Ports:
        return {"start": In(1), "issued": In(1), "feed": In(feed_layout(g)), "started": Out(1)} | (
            {"opened": Out(1), "input_layer": Out(1)} if g.overlap else {}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.geometry.overlap:
            m.d.comb += [
                self.opened.eq(self.issued & self.feed.layer_first),
                self.input_layer.eq(self.feed.from_input),
                self.started.eq(self.opened & self.input_layer),
            ]
            return m
        first = Signal(init=1)
        with m.If(self.start):
            m.d.sync += first.eq(1)
        with m.If(self.issued):
            m.d.sync += first.eq(0)
            m.d.comb += self.started.eq(first)
        return m
