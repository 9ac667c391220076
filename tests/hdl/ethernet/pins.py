"""Tops for benches: Ethernet alone, and a whole device, behind the RGMII pins of an ECP5."""

from amaranth import ClockDomain, ClockSignal, Module, ResetSignal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from boards.fpga.rgmii import Rgmii
from emulator.spec import Geometry
from hdl.ethernet.addresses import Addresses
from hdl.ethernet.ethernet import Ethernet
from hdl.udp_top import UdpTop

OWN = Addresses(mac=0x02_6E_64_72_00_05, address=0xC0A8_0132)
SECOND_CYCLES = 5000
"""A second of the lease, short enough to be simulated."""
PINS = {
    "rx_clk": In(1),
    "rx_ctl": In(1),
    "rx_data": In(4),
    "tx_clk": Out(1),
    "tx_ctl": Out(1),
    "tx_data": Out(4),
}


def behind_pins(m: Module, top: wiring.Component, inside: Ethernet | UdpTop) -> None:
    """``top``'s pins to the GMII of what is inside."""
    # Reset with the other domain, as ECP5's global set/reset does it.
    m.domains += ClockDomain("eth", async_reset=True)
    m.d.comb += [ClockSignal("eth").eq(top.rx_clk), ResetSignal("eth").eq(ResetSignal("sync"))]
    m.submodules.rgmii = rgmii = Rgmii(receive_delay_ps=2000, transmit_delay_ps=0)
    m.submodules.inside = inside
    for name, flow in PINS.items():
        if name == "rx_clk":
            continue
        ours, theirs = getattr(top, name), getattr(rgmii, name)
        m.d.comb += ours.eq(theirs) if flow.flow is Out else theirs.eq(ours)
    for name in ("gmii_rx_valid", "gmii_rx", "gmii_rx_error"):
        m.d.comb += getattr(inside, name).eq(getattr(rgmii, name))
    for name in ("gmii_tx_valid", "gmii_tx"):
        m.d.comb += getattr(rgmii, name).eq(getattr(inside, name))


class EthernetPins(wiring.Component):
    """``Ethernet``, with its stream at ports."""

    def __init__(self) -> None:
        super().__init__(
            PINS | {"stream_valid": Out(1), "stream_data": Out(8), "answers": In(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inside = Ethernet(OWN, second_cycles=SECOND_CYCLES)
        behind_pins(m, self, inside)
        wiring.connect(m, wiring.flipped(self.answers), inside.answers)
        m.d.comb += [
            self.stream_valid.eq(inside.stream_valid),
            self.stream_data.eq(inside.stream_data),
        ]
        return m


class DevicePins(wiring.Component):
    """A whole device."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(PINS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        behind_pins(m, self, UdpTop(self.geometry, OWN, build_id=0x1234, second_cycles=SECOND_CYCLES))
        return m
