"""sim_top: the endpoint with one plain port for each signal, as benches and the simulated board drive it."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.parts.ports import by_name
from hdl.pcie.endpoint import Endpoint
from hdl.pcie.signature import BEAT_LAYOUT, CONFIG_LAYOUT

CONFIG = CONFIG_LAYOUT.members


def plain_ports() -> dict[str, wiring.Member]:
    """Streams of transaction-layer packets and what the hard block says, one port for each signal."""
    fields = BEAT_LAYOUT.members
    return (
        {f"rx_{name}": In(width) for name, width in fields.items()}
        | {f"tx_{name}": Out(width) for name, width in fields.items()}
        | {"rx_valid": In(1), "rx_ready": Out(1), "tx_valid": Out(1), "tx_ready": In(1)}
        | {name: In(width) for name, width in CONFIG.items()}
        | {"msi": Out(1), "msi_taken": In(1)}
    )


class PcieSimTop(wiring.Component):
    """``Endpoint`` with its streams and sideband taken apart."""

    def __init__(
        self, geometry: Geometry, *, build_id: int = 0, tags: int = 16, slot_bytes: int = 512
    ) -> None:
        self.endpoint = Endpoint(geometry, build_id=build_id, tags=tags, slot_bytes=slot_bytes)
        super().__init__(plain_ports())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.endpoint = self.endpoint
        link = self.endpoint.link
        for name in BEAT_LAYOUT.members:
            m.d.comb += [
                link.rx.payload[name].eq(getattr(self, f"rx_{name}")),
                getattr(self, f"tx_{name}").eq(link.tx.payload[name]),
            ]
        m.d.comb += [
            *by_name(link.config, self, *CONFIG),
            link.rx.valid.eq(self.rx_valid),
            self.rx_ready.eq(link.rx.ready),
            self.tx_valid.eq(link.tx.valid),
            link.tx.ready.eq(self.tx_ready),
            self.msi.eq(link.interrupt),
            link.interrupt_taken.eq(self.msi_taken),
        ]
        return m
