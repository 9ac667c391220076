"""tops: the device with UART pins, with the bytes of gigabit Ethernet, and as
simulations drive it."""

from amaranth import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.device.device import Device
from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.hdl.ethernet.datagrams import Datagrams
from ndrite.hdl.ethernet.ethernet import GMII, Ethernet
from ndrite.hdl.link.uart import QUIET_BITS, QuietLine, UartReceiver, UartTransmitter
from ndrite.hdl.parts.layouts import by_name


class Top(wiring.Component):
    """Device with a UART: 8N1 at ``divisor`` clock cycles per bit on ``uart_rx`` and
    ``uart_tx``; idle lines are high.

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


class UdpTop(wiring.Component):
    """Device with an Ethernet interface (``Ethernet``). ``second_cycles`` is the
    number of clock cycles of ``sync`` in a second; the ``gmii_*`` ports are in
    clock domain ``eth``."""

    def __init__(
        self,
        geometry: Geometry,
        own: Addresses,
        *,
        build_id: int = 0,
        second_cycles: int,
        learns: bool = False,
    ) -> None:
        self.device = Device(geometry, build_id=build_id, learns=learns)
        self.ethernet = Ethernet(own, second_cycles=second_cycles)
        super().__init__(GMII)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.device = device = self.device
        m.submodules.ethernet = ethernet = self.ethernet
        wiring.connect(m, device.tx, ethernet.answers)
        m.d.comb += [
            device.rx_valid.eq(ethernet.stream_valid),
            device.rx_data.eq(ethernet.stream_data),
            *by_name(ethernet, self, "gmii_rx_valid", "gmii_rx", "gmii_rx_error"),
            *by_name(self, ethernet, "gmii_tx_valid", "gmii_tx"),
        ]
        return m


class SimTop(wiring.Component):
    """``Top`` for simulation: if ``direct`` is high, bytes bypass the UART."""

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


AGE_CYCLES = 128
"""Cycles for which data waits to fill a datagram: fewer than on a board, since a
simulated cycle takes a microsecond."""


class SimUdp(wiring.Component):
    """Simulated device on datagrams: ``Device`` and ``Datagrams`` without Ethernet framing."""

    def __init__(self, geometry: Geometry, *, build_id: int = 0, learns: bool = False) -> None:
        self.device = Device(geometry, build_id=build_id, learns=learns)
        super().__init__(
            {"rx_valid": In(1), "rx_data": In(8), "rx_ready": Out(1), "rx_last": In(1)}
            | {"rx_length": In(16), "rx_address": In(32), "rx_port": In(16)}
            | {"tx_valid": Out(1), "tx_data": Out(8), "tx_ready": In(1), "tx_commit": Out(1)}
            | {"tx_address": Out(32), "tx_port": Out(16), "second": In(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.device = device = self.device
        m.submodules.datagrams = datagrams = Datagrams(age_cycles=AGE_CYCLES)
        wiring.connect(m, device.tx, datagrams.answers)
        m.d.comb += [
            device.rx_valid.eq(datagrams.stream_valid),
            device.rx_data.eq(datagrams.stream_data),
            datagrams.rx.valid.eq(self.rx_valid),
            datagrams.rx.payload.eq(self.rx_data),
            self.rx_ready.eq(datagrams.rx.ready),
            self.tx_valid.eq(datagrams.tx.valid),
            self.tx_data.eq(datagrams.tx.payload),
            datagrams.tx.ready.eq(self.tx_ready),
            *by_name(datagrams, self, "second"),
            *by_name(self, datagrams, "tx_commit"),
            *by_name(datagrams, self, "rx_last", "rx_length", "rx_address", "rx_port"),
            *by_name(self, datagrams, "tx_address", "tx_port"),
        ]
        return m
