"""arbiter: two masters of the register bus, one access at a time."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.parts.bus import BusSignature


class BusArbiter(wiring.Component):
    """Whichever asks first; ``first`` where both do. Latency: one cycle more an access."""

    def __init__(self) -> None:
        super().__init__(
            {"first": In(BusSignature()), "second": In(BusSignature()), "bus": Out(BusSignature())}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn, busy = Signal(), Signal()
        chosen = Mux(turn, self.second.request, self.first.request)
        m.d.comb += [
            self.bus.request.eq(busy & chosen),
            self.bus.write.eq(Mux(turn, self.second.write, self.first.write)),
            self.bus.address.eq(Mux(turn, self.second.address, self.first.address)),
            self.bus.write_data.eq(Mux(turn, self.second.write_data, self.first.write_data)),
        ]
        for number, master in enumerate((self.first, self.second)):
            m.d.comb += [
                master.done.eq(busy & (turn == number) & self.bus.done),
                master.error.eq(self.bus.error),
                master.read_data.eq(self.bus.read_data),
            ]
        with m.If(~busy):
            # ``done`` may still be up from the access before.
            m.d.sync += [turn.eq(~self.first.request), busy.eq(self.first.request | self.second.request)]
        with m.Elif(self.bus.done):
            m.d.sync += busy.eq(0)
        return m
