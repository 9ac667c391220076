"""sim_udp: the device behind datagrams, as the simulated board drives it, one plain port for each signal."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.device.device import Device
from hdl.ethernet.datagrams import Datagrams
from hdl.parts.ports import by_name

AGE_CYCLES = 128
"""Shorter than on a board: a simulated cycle takes a microsecond."""


class SimUdp(wiring.Component):
    """``Device`` and ``Datagrams`` without what makes Ethernet frames of them."""

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
