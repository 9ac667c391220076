"""device: the accelerator behind a byte stream, the same on every board and in simulation."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.device.accelerator import Accelerator
from ndrite.hdl.device.learning_machine import LearningMachine
from ndrite.hdl.link.executor import Executor
from ndrite.hdl.link.receiver import Receiver
from ndrite.hdl.link.transmitter import Transmitter
from ndrite.hdl.parts.layouts import by_name


class Device(wiring.Component):
    """Device on a byte stream: receiver, executor and transmitter of packets in front
    of the accelerator.

    Takes a byte in every cycle on ``rx_*``; ``line_error`` marks the frame under way as
    damaged. Answers on ``tx``. One that ``learns`` has a learning core. Resources:
    those of its parts; the core dominates.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0, learns: bool = False) -> None:
        self.geometry = geometry
        self.learns = learns
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
        machine = LearningMachine if self.learns else Accelerator
        m.submodules.machine = accelerator = machine(g, build_id=self.build_id)
        wiring.connect(m, executor.master, accelerator.master)
        wiring.connect(m, transmitter.o, wiring.flipped(self.tx))
        m.d.comb += [
            receiver.valid.eq(self.rx_valid),
            receiver.data_in.eq(self.rx_data),
            receiver.line_error.eq(self.line_error),
            receiver.address.eq(executor.packet_address),
            receiver.release.eq(executor.packet_release),
            executor.packet_ready.eq(receiver.ready),
            executor.packet_data.eq(receiver.data),
            accelerator.link.eq(receiver.events),
            accelerator.sequence_error.eq(executor.sequence_error),
            *by_name(transmitter, executor, "begin", "put"),
            transmitter.data.eq(executor.put_data),
            *by_name(transmitter, executor, "finish", "repeat"),
            executor.busy.eq(transmitter.busy),
        ]
        return m
