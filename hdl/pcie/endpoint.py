"""endpoint: the accelerator with an interface of raw TLPs; also with a plain port for
each signal, for simulation."""

import dataclasses

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.device.accelerator import Accelerator
from ndrite.hdl.parts.bus import host_interface
from ndrite.hdl.parts.layouts import by_name
from ndrite.hdl.pcie.bridge import Bridge
from ndrite.hdl.pcie.reader import Reader
from ndrite.hdl.pcie.ring import Ring
from ndrite.hdl.pcie.runner import Runner
from ndrite.hdl.pcie.signature import BEAT_LAYOUT, CONFIG_LAYOUT, TLP_SIGNATURE, TYPE_COMPLETION
from ndrite.hdl.pcie.writer import Framer, Writer


class Endpoint(wiring.Component):
    """PCIe card except for the FPGA's PCIe hard block: bridge, DMA engine
    and accelerator, connected to the hard block by ``link`` and all in its
    user clock domain.

    The accelerator's inferences overlap, whatever the geometry says.

    Requests beyond the bridge's queue hold up what comes after them, completions
    included, until the bridge has worked some off; it waits for no completion, so
    this always ends.

    Resources: those of its parts; the accelerator's core dominates.
    """

    def __init__(
        self, geometry: Geometry, *, build_id: int = 0, tags: int = 16, slot_bytes: int = 512
    ) -> None:
        # A PCIe link is so fast that the inference rate rises if inferences overlap.
        self.geometry = dataclasses.replace(geometry, overlap=True)
        self.build_id = build_id
        self.tags = tags
        self.slot_bytes = slot_bytes
        super().__init__({"link": Out(TLP_SIGNATURE)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        link, config = self.link, self.link.config
        m.submodules.bridge = bridge = Bridge(self.geometry)
        m.submodules.reader = reader = Reader(tags=self.tags, slot_bytes=self.slot_bytes)
        m.submodules.writer = writer = Writer(most_bytes=self.slot_bytes)
        m.submodules.ring = ring = Ring()
        m.submodules.runner = runner = Runner(self.geometry)
        m.submodules.framer = framer = Framer(3)
        m.submodules.machine = accelerator = Accelerator(self.geometry, build_id=self.build_id)
        wiring.connect(m, framer.sender_0, bridge.sender)
        wiring.connect(m, framer.sender_1, reader.sender)
        wiring.connect(m, framer.sender_2, writer.sender)
        wiring.connect(m, framer.tx, wiring.flipped(link.tx))
        wiring.connect(m, bridge.engine, ring.window)
        wiring.connect(m, ring.job, runner.port)
        self._route(m, bridge, reader)
        self._share(m, reader, writer, ring, runner)

        master = accelerator.master
        wiring.connect(m, bridge.bus, master.bus)
        for name, member in host_interface(self.geometry).members.items():
            if name == "bus":
                continue
            if name == "start":
                wiring.connect(m, runner.master.start, master.start)
            elif member.flow == Out:
                m.d.comb += by_name(master, runner.master, name)
            else:
                m.d.comb += by_name(runner.master, master, name)
        m.d.comb += [
            bridge.config.eq(config),
            reader.config.eq(config),
            writer.config.eq(config),
            ring.config.eq(config),
            framer.bus_master.eq(config.bus_master),
            reader.timeout_cycles.eq(ring.read_timeout),
            reader.cancel.eq(ring.cancel),
            writer.cancel.eq(ring.cancel),
            ring.writer_busy.eq(writer.busy),
            ring.hung.eq(master.hung),
            ring.flushed.eq(framer.flushed),
            bridge.occupied.eq(ring.active | master.campaign_busy),
            link.interrupt.eq(ring.interrupt),
            ring.interrupt_taken.eq(link.interrupt_taken),
            *by_name(ring.counted, bridge.events, "bad_posted", "bad_nonposted"),
            ring.counted.bad_completions.eq(reader.events.unexpected),
            ring.counted.failed_reads.eq(reader.events.failed),
            ring.counted.timeouts.eq(reader.events.timeout),
        ]
        return m

    def _route(self, m: Module, bridge: Bridge, reader: Reader) -> None:
        """Route completions to the reader and every other packet to the bridge."""
        rx = self.link.rx
        begun, completion, was_completion = Signal(), Signal(), Signal()
        m.d.comb += completion.eq(Mux(begun, was_completion, rx.payload.data[25:29] == TYPE_COMPLETION >> 1))
        for target, chosen in ((reader.completion, completion), (bridge.requests, ~completion)):
            m.d.comb += [target.valid.eq(rx.valid & chosen), target.payload.eq(rx.payload)]
        m.d.comb += rx.ready.eq(Mux(completion, reader.completion.ready, bridge.requests.ready))
        with m.If(rx.valid & rx.ready):
            m.d.sync += [begun.eq(~rx.payload.last), was_completion.eq(completion)]

    def _share(self, m: Module, reader: Reader, writer: Writer, ring: Ring, runner: Runner) -> None:
        """Give the DMA streams to the runner while a job runs, and to the
        descriptor ring otherwise."""
        running = ring.running
        for target, of_ring, of_runner in (
            (reader.transfer, ring.fetch, runner.fetch),
            (writer.transfer, ring.put, runner.put),
            (writer.words, ring.words, runner.words),
        ):
            for source, selected in ((of_ring, ~running), (of_runner, running)):
                m.d.comb += source.ready.eq(target.ready & selected)
                with m.If(selected):
                    m.d.comb += [target.valid.eq(source.valid), target.payload.eq(source.payload)]
        for owner, selected in ((ring, ~running), (runner, running)):
            m.d.comb += [
                owner.fetched.valid.eq(reader.words.valid & selected),
                owner.fetched.payload.eq(reader.words.payload),
            ]
        m.d.comb += reader.words.ready.eq(Mux(running, runner.fetched.ready, ring.fetched.ready))


CONFIG = CONFIG_LAYOUT.members


def plain_ports() -> dict[str, wiring.Member]:
    """Ports for the streams of transaction-layer packets and the status of the hard
    block, one port per signal."""
    fields = BEAT_LAYOUT.members
    return (
        {f"rx_{name}": In(width) for name, width in fields.items()}
        | {f"tx_{name}": Out(width) for name, width in fields.items()}
        | {"rx_valid": In(1), "rx_ready": Out(1), "tx_valid": Out(1), "tx_ready": In(1)}
        | {name: In(width) for name, width in CONFIG.items()}
        | {"msi": Out(1), "msi_taken": In(1)}
    )


class PcieSimTop(wiring.Component):
    """Simulated ``Endpoint``, with its streams and sideband signals as plain ports."""

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
