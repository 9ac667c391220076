"""udp_top: a device on the bytes of gigabit Ethernet."""

from amaranth import Module
from amaranth.lib import wiring

from emulator.spec.geometry import Geometry
from hdl.device.device import Device
from hdl.ethernet.addresses import Addresses
from hdl.ethernet.ethernet import GMII, Ethernet
from hdl.parts.ports import by_name


class UdpTop(wiring.Component):
    """The device behind ``Ethernet``: ``second_cycles`` of ``sync`` a second, ``gmii_*`` in ``eth``."""

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
