"""A component with the simulated board's ports that sends back what it
receives, one byte deep."""

from pathlib import Path

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.sim.build import cached_library


class Loopback(wiring.Component):  # type: ignore[misc]
    """Direct: a register between the streams. Pins: the line, one clock later."""

    rx_data: In(8)
    rx_valid: In(1)
    rx_ready: Out(1)
    tx_data: Out(8)
    tx_valid: Out(1)
    tx_ready: In(1)
    direct: In(1)
    uart_rx: In(1, init=1)
    uart_tx: Out(1, init=1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        data, full, line = Signal(8), Signal(), Signal(init=1)
        m.d.comb += [
            self.rx_ready.eq(~full & self.direct),
            self.tx_data.eq(data),
            self.tx_valid.eq(full),
            self.uart_tx.eq(line),
        ]
        m.d.sync += line.eq(self.uart_rx)
        with m.If(self.rx_valid & self.rx_ready):
            m.d.sync += [data.eq(self.rx_data), full.eq(1)]
        with m.Elif(self.tx_ready):
            m.d.sync += full.eq(0)
        return m


def loopback_library() -> Path:
    """It compiled, with the simulated board's harness around it."""
    return cached_library(
        lambda _: Loopback(), key=Path(__file__).read_text(), what="loopback test component"
    )
