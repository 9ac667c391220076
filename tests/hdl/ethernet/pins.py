"""Tops for benches: Ethernet alone, and a whole device, behind the RGMII pins of an ECP5."""

from amaranth import Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga.rgmii import Rgmii, eth_domain
from ndrite.emulator.spec import Geometry
from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.hdl.ethernet.ethernet import Ethernet
from ndrite.hdl.tops import UdpTop

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


class Pins(wiring.Component):
    """What is ``inside``, with its GMII behind pins; ``others`` of its ports
    are the top's own."""

    def __init__(self, inside: Ethernet | UdpTop, *others: str) -> None:
        self.inside, self.others = inside, others
        super().__init__(PINS | {name: inside.signature.members[name] for name in others})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        eth_domain(m, self.rx_clk, ResetSignal("sync"))
        m.submodules.rgmii = rgmii = Rgmii(receive_delay_ps=2000, transmit_delay_ps=0)
        m.submodules.inside = inside = self.inside
        for name, flow in PINS.items():
            if name != "rx_clk":
                ours, theirs = getattr(self, name), getattr(rgmii, name)
                m.d.comb += ours.eq(theirs) if flow.flow is Out else theirs.eq(ours)
        for name in ("gmii_rx_valid", "gmii_rx", "gmii_rx_error"):
            m.d.comb += getattr(inside, name).eq(getattr(rgmii, name))
        for name in ("gmii_tx_valid", "gmii_tx"):
            m.d.comb += getattr(rgmii, name).eq(getattr(inside, name))
        for name in self.others:
            ours, theirs = getattr(self, name), getattr(inside, name)
            if inside.signature.members[name].is_signature:
                wiring.connect(m, wiring.flipped(ours), theirs)
            else:
                m.d.comb += ours.eq(theirs)
        return m


def ethernet() -> Pins:
    """Ethernet alone, with its stream at ports."""
    return Pins(Ethernet(OWN, second_cycles=SECOND_CYCLES), "stream_valid", "stream_data", "answers")


def device(geometry: Geometry) -> Pins:
    """A whole device."""
    return Pins(UdpTop(geometry, OWN, build_id=0x1234, second_cycles=SECOND_CYCLES))
