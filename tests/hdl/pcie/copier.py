"""copier: reader and writer back to back, as a bench drives them: host
memory to host memory."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.pcie.endpoint import CONFIG
from ndrite.hdl.pcie.reader import Reader
from ndrite.hdl.pcie.writer import Framer, Writer

FIELDS = {"address": 64, "length": 32, "valid": 1}
BEAT = {"data": 64, "half": 1, "last": 1, "valid": 1}
SAID = ("msi", "read_ready", "write_ready", "busy", "unexpected", "failed", "timed_out", "moved")


class Copier(wiring.Component):
    """Ports as those of ``ndrite.hdl.pcie.endpoint.PcieSimTop``, and the two transfers."""

    def __init__(self, *, tags: int, slot_bytes: int) -> None:
        self.tags, self.slot_bytes = tags, slot_bytes
        super().__init__(
            {f"rx_{name}": In(width) for name, width in BEAT.items()}
            | {f"tx_{name}": Out(width) for name, width in BEAT.items()}
            | {"rx_ready": Out(1), "tx_ready": In(1)}
            | {name: In(width) for name, width in CONFIG.items()}
            | {f"{name}_{field}": In(width) for name in ("read", "write") for field, width in FIELDS.items()}
            | {"msi_taken": In(1), "timeout": In(32), "cancel": In(1)}
            | {name: Out(1) for name in SAID}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = Reader(tags=self.tags, slot_bytes=self.slot_bytes)
        m.submodules.writer = writer = Writer(most_bytes=self.slot_bytes)
        m.submodules.framer = framer = Framer(3)
        wiring.connect(m, framer.sender_1, reader.sender)
        wiring.connect(m, framer.sender_2, writer.sender)
        wiring.connect(m, reader.words, writer.words)
        for name in CONFIG:
            m.d.comb += [part.config[name].eq(getattr(self, name)) for part in (reader, writer)]
        for target, name in ((reader.transfer, "read"), (writer.transfer, "write")):
            m.d.comb += [
                target.payload.address.eq(getattr(self, f"{name}_address")),
                target.payload.length.eq(getattr(self, f"{name}_length")),
                target.valid.eq(getattr(self, f"{name}_valid")),
                getattr(self, f"{name}_ready").eq(target.ready),
            ]
        for field in ("data", "half", "last"):
            m.d.comb += [
                reader.completion.payload[field].eq(getattr(self, f"rx_{field}")),
                getattr(self, f"tx_{field}").eq(framer.tx.payload[field]),
            ]
        m.d.comb += [
            reader.completion.valid.eq(self.rx_valid),
            self.rx_ready.eq(reader.completion.ready),
            self.tx_valid.eq(framer.tx.valid),
            framer.tx.ready.eq(self.tx_ready),
            framer.bus_master.eq(self.bus_master),
            reader.timeout_cycles.eq(self.timeout),
            reader.cancel.eq(self.cancel),
            writer.cancel.eq(self.cancel),
            self.busy.eq(writer.busy | ~framer.flushed),
            self.unexpected.eq(reader.events.unexpected),
            self.failed.eq(reader.events.failed),
            self.timed_out.eq(reader.events.timeout),
            self.moved.eq(reader.words.valid & reader.words.ready),
        ]
        return m
