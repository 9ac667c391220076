"""The board's top: clock and reset, the device on its UART or its Ethernet, two LEDs."""

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga.clocking import clocking
from ndrite.boards.fpga.rgmii import PhyStart, Rgmii, eth_domain
from ndrite.boards.fpga.target import RgmiiPins, Target
from ndrite.hdl.tops import Top, UdpTop

BLINK_S = 0.05
"""Time for which an LED stays lit after the last edge on its line, seconds."""


PHY_RESET_S = 0.02
"""Time for which a PHY is held in reset, seconds: twice what the slowest
data sheet requires."""
OUTPUTS = ("tx", "eth_tx_clk", "eth_tx_ctl", "eth_tx_data", "eth_reset", "link_led", "activity_led", "high_")


class BoardTop(wiring.Component):
    """Top component of a board, with one port per pin: a device on UART or Ethernet at
    the board's clock. Ports have the levels of the pins."""

    def __init__(self, board: Target, *, build_id: int) -> None:
        self.board = board
        self.build_id = build_id
        super().__init__(
            {
                port: Out(1, init=port == "tx") if port.startswith(OUTPUTS) else In(1, init=port == "rx")
                for port in board.pins
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        board = self.board
        reset = Signal()
        if board.reset is not None:
            m.d.comb += reset.eq(self.reset ^ board.reset.active_low)
        m.submodules.clocking = clocking(board, self.clk, reset)
        m.d.comb += [getattr(self, f"high_{name}").eq(not pin.active_low) for name, pin in board.held_high]
        events = self._uart(m) if board.ethernet is None else self._ethernet(m, board.ethernet)
        led_pins = ((self.link_led, board.link_led), (self.activity_led, board.activity_led))
        wrap: Signal | None = None
        for (led, pin), event in zip(led_pins, events, strict=True):
            lit, wrap = _stretched(m, event, board, wrap if board.small else None)
            m.d.comb += led.eq(lit ^ pin.active_low)
        return m

    def _uart(self, m: Module) -> tuple[Value, Value]:
        """Connect the UART; return two signals for the LEDs: a byte was
        received, a byte was sent."""
        board = self.board
        m.submodules.top = top = Top(board.geometry, build_id=self.build_id, divisor=board.divisor)
        m.d.comb += [top.uart_rx.eq(self.rx), self.tx.eq(top.uart_tx)]
        return ~self.rx, ~top.uart_tx

    def _ethernet(self, m: Module, pins: RgmiiPins) -> tuple[Value, Value]:
        """Connect the Ethernet PHY; return two signals for the LEDs: a frame is
        received, a frame is sent."""
        board = self.board
        cycles = round(board.clock_mhz * 1e6)
        m.submodules.top = top = UdpTop(
            board.geometry,
            board.addresses,
            build_id=self.build_id,
            second_cycles=cycles,
            learns=board.learns,
        )
        m.submodules.start = start = PhyStart(round(cycles * PHY_RESET_S))
        eth_domain(m, self.eth_rx_clk, start.eth)
        rx_data = Cat(self.eth_rx_data_0, self.eth_rx_data_1, self.eth_rx_data_2, self.eth_rx_data_3)
        tx_data = Cat(self.eth_tx_data_0, self.eth_tx_data_1, self.eth_tx_data_2, self.eth_tx_data_3)
        m.submodules.rgmii = rgmii = Rgmii(
            receive_delay_ps=pins.receive_delay_ps, transmit_delay_ps=pins.transmit_delay_ps
        )
        m.d.comb += [
            rgmii.rx_ctl.eq(self.eth_rx_ctl),
            rgmii.rx_data.eq(rx_data),
            self.eth_tx_clk.eq(rgmii.tx_clk),
            self.eth_tx_ctl.eq(rgmii.tx_ctl),
            tx_data.eq(rgmii.tx_data),
            top.gmii_rx_valid.eq(rgmii.gmii_rx_valid),
            top.gmii_rx.eq(rgmii.gmii_rx),
            top.gmii_rx_error.eq(rgmii.gmii_rx_error),
            rgmii.gmii_tx_valid.eq(top.gmii_tx_valid),
            rgmii.gmii_tx.eq(top.gmii_tx),
            self.eth_reset.eq(start.phy ^ pins.reset.active_low),
        ]
        return rgmii.gmii_rx_valid, top.gmii_tx_valid


def _stretched(m: Module, event: Signal, board: Target, wrap: Signal | None) -> tuple[Signal, Signal]:
    """Return ``event`` stretched to ``BLINK_S`` so that an LED shows it, and a pulse at
    the end of each period of ``BLINK_S``. ``wrap`` is that pulse from another LED; if
    it is None, a timer is built.

    A prescaler keeps the counter short and off the fast paths.
    """
    activity, lit = Signal(), Signal()
    timer = Signal(range(round(board.clock_mhz * 1e6 * BLINK_S)))
    late = Signal(2)
    m.d.sync += late.eq((late << 1) | event)  # two registers: the event may come from another clock
    if wrap is None:
        m.d.sync += timer.eq(timer + 1)
        wrap = Signal()
        m.d.sync += wrap.eq(timer.all())
    with m.If(wrap):
        m.d.sync += [lit.eq(activity), activity.eq(late[1])]
    with m.Elif(late[1]):
        m.d.sync += activity.eq(1)
    return lit, wrap
