"""The board's top: clock and reset, the device on its UART, two LEDs."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.fpga.clocking import clocking
from boards.fpga.target import Target
from hdl.top import Top

BLINK_S = 0.05
"""How long an LED stays lit after the last edge on its line."""


class BoardTop(wiring.Component):
    """``hdl.top.Top`` at the board's clock; one port per pin, levels as on the pins."""

    def __init__(self, board: Target, *, build_id: int) -> None:
        self.board = board
        self.build_id = build_id
        ports = {"clk": In(1), "rx": In(1, init=1), "tx": Out(1, init=1)}
        ports |= {"link_led": Out(1), "activity_led": Out(1)}
        if board.reset is not None:
            ports["reset"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        board = self.board
        reset = Signal()
        if board.reset is not None:
            m.d.comb += reset.eq(self.reset ^ board.reset.active_low)
        m.submodules.clocking = clocking(board, self.clk, reset)
        m.submodules.top = top = Top(board.geometry, build_id=self.build_id, divisor=board.divisor)
        m.d.comb += [top.uart_rx.eq(self.rx), self.tx.eq(top.uart_tx)]
        led_pins = ((self.link_led, board.link_led), (self.activity_led, board.activity_led))
        wrap: Signal | None = None
        for (led, pin), line in zip(led_pins, (self.rx, top.uart_tx), strict=True):
            lit, wrap = _stretched(m, ~line, board, wrap if board.compact else None)
            m.d.comb += led.eq(lit ^ pin.active_low)
        return m


def _stretched(m: Module, event: Signal, board: Target, wrap: Signal | None) -> tuple[Signal, Signal]:
    """``event``, seen for ``BLINK_S`` longer; and when such a time ends, by ``wrap`` or a timer of its own.

    A prescaler keeps the counter short and off the fast paths.
    """
    seen, lit = Signal(), Signal()
    timer = Signal(range(round(board.clock_mhz * 1e6 * BLINK_S)))
    late = Signal(2)
    m.d.sync += late.eq((late << 1) | event)
    if wrap is None:
        m.d.sync += timer.eq(timer + 1)
        wrap = Signal()
        m.d.sync += wrap.eq(timer.all())
    with m.If(wrap):
        m.d.sync += [lit.eq(seen), seen.eq(late[1])]
    with m.Elif(late[1]):
        m.d.sync += seen.eq(1)
    return lit, wrap
