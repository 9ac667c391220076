"""sim_top: the device as the simulated board drives it, by byte stream or by UART pins."""

from amaranth import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.device.device import Device
from hdl.link.uart import UartReceiver, UartTransmitter


class SimTop(wiring.Component):
    """The same device as ``Top`` with a byte-wide way around the UART, chosen by ``direct``."""

    def __init__(
        self, geometry: Geometry, *, build_id: int = 0, divisor: int = 4, learns: bool = False
    ) -> None:
        self.device = Device(geometry, build_id=build_id, learns=learns)
        self.divisor = divisor
        super().__init__(
            {
                "direct": In(1),
                "rx_data": In(8),
                "rx_valid": In(1),
                "rx_ready": Out(1),
                "tx_data": Out(8),
                "tx_valid": Out(1),
                "tx_ready": In(1),
                "uart_rx": In(1, init=1),
                "uart_tx": Out(1, init=1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.device = device = self.device
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.d.comb += [
            receiver.pin.eq(self.uart_rx),
            device.rx_valid.eq(Mux(self.direct, self.rx_valid, receiver.valid)),
            device.rx_data.eq(Mux(self.direct, self.rx_data, receiver.data)),
            device.line_error.eq(receiver.framing & ~self.direct),
            self.rx_ready.eq(1),
            self.tx_data.eq(device.tx.payload),
            self.tx_valid.eq(device.tx.valid & self.direct),
            transmitter.i.payload.eq(device.tx.payload),
            transmitter.i.valid.eq(device.tx.valid & ~self.direct),
            device.tx.ready.eq(Mux(self.direct, self.tx_ready, transmitter.i.ready)),
            self.uart_tx.eq(transmitter.pin),
        ]
        return m
