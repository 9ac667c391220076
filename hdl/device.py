"""device: everything behind the byte stream, the same on every board and in simulation."""

from __future__ import annotations

from amaranth import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from emulator.spec.memory_map import region_words
from hdl.bus import Decoder
from hdl.core import Core
from hdl.layouts import start_layout
from hdl.link.executor import Executor
from hdl.link.receiver import Receiver
from hdl.link.transmitter import Transmitter
from hdl.queue import Queue
from hdl.registers import Registers


class Device(wiring.Component):
    """Receiver, executor, transmitter, bus, registers and core.

    Takes a byte in every cycle on ``rx_*``; ``line_error`` marks the frame under way as damaged. Answers
    on ``tx``. Resources: those of its parts; the core dominates.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0) -> None:
        self.geometry = geometry
        self.build_id = build_id
        super().__init__(
            {
                "rx_valid": In(1),
                "rx_data": In(8),
                "line_error": In(1),
                "tx": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.receiver = receiver = Receiver(g)
        m.submodules.executor = executor = Executor(g)
        m.submodules.transmitter = transmitter = Transmitter(g)
        m.submodules.decoder = decoder = Decoder(g)
        m.submodules.registers = registers = Registers(g, self.build_id)
        m.submodules.starts = starts = Queue(start_layout(), 2)
        m.submodules.core = core = Core(g)
        wiring.connect(m, executor.bus, decoder.bus)
        wiring.connect(m, decoder.registers, registers.window)
        for name in region_words(g):
            wiring.connect(m, getattr(decoder, name), getattr(core, name))
        wiring.connect(m, executor.start, starts.i)
        wiring.connect(m, starts.o, core.start)
        wiring.connect(m, transmitter.o, wiring.flipped(self.tx))
        m.d.comb += [
            receiver.valid.eq(self.rx_valid),
            receiver.data_in.eq(self.rx_data),
            receiver.line_error.eq(self.line_error),
            receiver.address.eq(executor.packet_address),
            receiver.release.eq(executor.packet_release),
            executor.packet_ready.eq(receiver.ready),
            executor.packet_data.eq(receiver.data),
            transmitter.begin.eq(executor.begin),
            transmitter.put.eq(executor.put),
            transmitter.data.eq(executor.put_data),
            transmitter.finish.eq(executor.finish),
            transmitter.repeat.eq(executor.repeat),
            executor.busy.eq(transmitter.busy),
            executor.done.eq(core.done),
            executor.inputs.eq(core.inputs),
            executor.outputs.eq(core.outputs),
            executor.result_data.eq(core.result_data),
            executor.programmed.eq(registers.program_tag.any()),
            core.load.eq(executor.load),
            core.load_address.eq(executor.load_address),
            core.load_data.eq(executor.load_data),
            core.result_address.eq(executor.result_address),
            core.noise_enable.eq(registers.noise_enable[0]),
            core.seed.eq(Cat(registers.seed_low, registers.seed_high)),
            registers.events.eq(core.events),
            registers.link.eq(receiver.events),
            registers.sequence_error.eq(executor.sequence_error),
        ]
        return m
