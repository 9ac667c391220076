"""top: a device on UART pins."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.device.device import Device
from hdl.link.uart import QUIET_BITS, QuietLine, UartReceiver, UartTransmitter


class Top(wiring.Component):
    """The device, 8N1 at ``divisor`` clocks a bit on ``uart_rx`` and ``uart_tx``; idle lines are high.

    A frame that stops half way is given up when the line has been quiet for QUIET_BITS.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0, divisor: int) -> None:
        self.device = Device(geometry, build_id=build_id)
        self.divisor = divisor
        super().__init__({"uart_rx": In(1, init=1), "uart_tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.device = device = self.device
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.quiet = quiet = QuietLine(QUIET_BITS * self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        wiring.connect(m, device.tx, transmitter.i)
        m.d.comb += [
            receiver.pin.eq(self.uart_rx),
            quiet.valid.eq(receiver.valid),
            quiet.data.eq(receiver.data),
            device.rx_valid.eq(quiet.out_valid),
            device.rx_data.eq(quiet.out_data),
            device.line_error.eq(receiver.framing),
            self.uart_tx.eq(transmitter.pin),
        ]
        return m
