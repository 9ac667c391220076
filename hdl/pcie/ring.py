"""ring: the DMA engine's registers, descriptors fetched and completion records written
in order, errors, interrupts."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec import pcie as spec
from ndrite.emulator.spec.pcie import EngineError
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.pcie.signature import CONFIG_LAYOUT, JOB_SIGNATURE, TRANSFER_LAYOUT

COUNTED = ("bad_posted", "bad_nonposted", "bad_completions", "failed_reads", "timeouts", "interrupts")
HELD = ("ring_low", "ring_high", "records_low", "records_high", "ring_log2", "producer", "read_timeout")
COUNTED_LAYOUT = StructLayout({name: 1 for name in COUNTED if name != "interrupts"})
"""One-cycle pulses that the registers of these names count, except for the pulses that
the ring makes itself."""


class Ring(wiring.Component):
    """Processes descriptors as in ``ndrite.emulator.spec.pcie``, one at a time: it
    fetches a descriptor, runs its job, writes its completion record, and
    interrupts the host.

    Before each descriptor it checks that ``producer`` is within the ring, and
    halts if it is not.

    ``active``: a job may be using the accelerator. ``running``: the DMA streams belong
    to the job. ``flushed``: everything that was sent has reached the hard block.
    ``cancel`` (one cycle) drops all DMA. Latency: about 25 cycles a descriptor and its
    read's round trip. Resources: about 900 LUTs and 900 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "window": In(WindowSignature()),
                "config": In(CONFIG_LAYOUT),
                "counted": In(COUNTED_LAYOUT),
                "job": Out(JOB_SIGNATURE),
                "fetch": Out(stream.Signature(TRANSFER_LAYOUT)),
                "fetched": In(stream.Signature(64)),
                "put": Out(stream.Signature(TRANSFER_LAYOUT)),
                "words": Out(stream.Signature(64)),
                "writer_busy": In(1),
                "hung": In(1),
                "flushed": In(1),
                "read_timeout": Out(32),
                "cancel": Out(1),
                "active": Out(1),
                "running": Out(1),
                "interrupt": Out(1),
                "interrupt_taken": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, job = self.config, self.job
        registers = {name: Signal(32, name=name) for name in HELD}
        registers["ring_log2"] = Signal(bits_for(spec.RING_LOG2_MAX), name="ring_log2")
        registers["read_timeout"] = Signal(32, init=spec.READ_TIMEOUT_CYCLES, name="read_timeout")
        run, resetting = Signal(), Signal()
        consumer, error = Signal(32), Signal(EngineError)
        halted, working, interrupted = Signal(), Signal(), Signal()
        limits = Cat(
            config.max_payload,
            Const(0, 1),
            config.max_read,
            Const(0, 1),
            config.bus_master,
            config.msi_enable,
        )
        values: dict[str, Value] = {
            "engine_magic": Const(spec.ENGINE_MAGIC, 32),
            "control": run,
            "state": Cat(working, halted, Const(0, 6), error),
            "consumer": consumer,
            "limits": limits,
        }
        values |= registers | self._counters(m, interrupted)
        self._registers(m, values, registers, run, resetting)

        mask = ((Const(1, spec.RING_LOG2_MAX + 1) << registers["ring_log2"]) - 1)[: spec.RING_LOG2_MAX]
        entry, ahead = Signal(spec.RING_LOG2_MAX), Signal(32)
        ring = Cat(registers["ring_low"], registers["ring_high"])
        records = Cat(registers["records_low"], registers["records_high"])
        m.d.sync += [entry.eq(consumer & mask), ahead.eq(registers["producer"] - consumer)]
        too_far = (ahead > mask + 1) | (registers["ring_log2"] > spec.RING_LOG2_MAX)
        index = Signal(2)
        failed = self.counted.failed_reads | self.counted.timeouts | self.hung | ~config.bus_master
        m.d.comb += [
            self.read_timeout.eq(registers["read_timeout"]),
            self.fetch.payload.address.eq(ring + Cat(Const(0, 5), entry)),
            self.fetch.payload.length.eq(spec.DESCRIPTOR_BYTES),
            self.put.payload.address.eq(records + Cat(Const(0, 4), entry)),
            self.put.payload.length.eq(spec.RECORD_BYTES),
            self.active.eq(working),
        ]
        assert spec.DESCRIPTOR_BYTES == 32
        assert spec.RECORD_BYTES == 16
        may_interrupt = config.msi_enable & config.bus_master
        fields = Signal(256)
        m.d.comb += job.job.eq(fields)
        status = Signal(8)

        def fail() -> None:
            """Handle link errors; call it in each state that uses the link."""
            with m.If(failed):
                m.d.sync += error.eq(
                    Mux(
                        self.counted.failed_reads,
                        EngineError.COMPLETION,
                        Mux(
                            self.counted.timeouts,
                            EngineError.TIMEOUT,
                            Mux(self.hung, EngineError.HUNG, EngineError.BUS_MASTER),
                        ),
                    )
                )
            with m.If(failed | resetting):
                m.next = "cancel"

        with m.FSM() as fsm:
            m.d.comb += [
                working.eq(~(fsm.ongoing("idle") | fsm.ongoing("halted"))),
                halted.eq(fsm.ongoing("halted")),
                self.running.eq(fsm.ongoing("running")),
            ]
            with m.State("idle"):
                m.d.sync += index.eq(0)
                with m.If(resetting):
                    m.next = "reset"
                with m.Elif(run & (registers["producer"] != consumer) & ~self.hung):
                    m.next = "look"
            with m.State("look"):
                m.next = "fetch"
                with m.If(too_far):
                    m.d.sync += error.eq(EngineError.PRODUCER)
                    m.next = "cancel"
            with m.State("fetch"):
                m.d.comb += self.fetch.valid.eq(1)
                with m.If(self.fetch.ready):
                    m.next = "descriptor"
                fail()
            with m.State("descriptor"):
                m.d.comb += self.fetched.ready.eq(1)
                with m.If(self.fetched.valid):
                    m.d.sync += [fields.eq(Cat(fields[64:], self.fetched.payload)), index.eq(index + 1)]
                    with m.If(index == 3):
                        m.next = "running"
                fail()
            with m.State("running"):
                m.d.comb += job.run.eq(~job.done)
                m.d.sync += status.eq(job.status)
                with m.If(job.done):
                    m.next = "results"
                fail()
            with m.State("results"):
                with m.If(~self.writer_busy):
                    m.next = "put"
                fail()
            with m.State("put"):
                m.d.comb += self.put.valid.eq(1)
                with m.If(self.put.ready):
                    m.next = "record"
                fail()
            with m.State("record"):
                m.d.comb += [
                    self.words.valid.eq(1),
                    self.words.payload.eq(
                        Mux(index[0], Cat(Const(0, 32), consumer), Cat(consumer, status, Const(0, 24)))
                    ),
                ]
                with m.If(self.words.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index[0]):
                        m.next = "written"
                fail()
            with m.State("written"):
                with m.If(~self.writer_busy & self.flushed):
                    m.d.sync += consumer.eq(consumer + 1)
                    m.next = "idle"
                    with m.If(job.job.flags[0] & may_interrupt):
                        m.next = "interrupt"
                with m.Else():
                    fail()
            with m.State("interrupt"):
                m.d.comb += self.interrupt.eq(1)
                with m.If(self.interrupt_taken | ~may_interrupt | resetting):
                    m.d.comb += interrupted.eq(self.interrupt_taken)
                    m.next = "idle"

            with m.State("cancel"):
                m.d.comb += [self.cancel.eq(1), job.cancel.eq(1)]
                m.next = "settle"
            with m.State("settle"):
                with m.If(job.idle & ~self.writer_busy & self.flushed):
                    m.next = "alarm"
            with m.State("alarm"):
                m.d.comb += self.interrupt.eq(may_interrupt & ~resetting)
                with m.If(~self.interrupt | self.interrupt_taken):
                    m.d.comb += interrupted.eq(self.interrupt_taken)
                    m.next = "halted"
            with m.State("halted"):
                with m.If(resetting):
                    m.next = "reset"
            with m.State("reset"):
                m.d.sync += [
                    consumer.eq(0),
                    registers["producer"].eq(0),
                    error.eq(0),
                    run.eq(0),
                    resetting.eq(0),
                ]
                m.next = "idle"
        return m

    def _registers(
        self, m: Module, values: dict[str, Value], held: dict[str, Signal], run: Signal, resetting: Signal
    ) -> None:
        window = self.window
        address = window.address[: bits_for(len(spec.ENGINE_REGISTERS) - 1)]
        with m.Switch(address):
            for register in spec.ENGINE_REGISTERS:
                with m.Case(register.address):
                    m.d.sync += window.read_data.eq(values[register.name])
                    if register.name in held:
                        with m.If(window.write):
                            m.d.sync += held[register.name].eq(window.write_data)
        with m.If(window.write & (address == spec.ENGINE_BY_NAME["control"].address)):
            m.d.sync += run.eq(window.write_data[0])
            with m.If(window.write_data[1]):
                m.d.sync += resetting.eq(1)

    def _counters(self, m: Module, interrupted: Signal) -> dict[str, Signal]:
        counters = {name: Signal(32, name=name) for name in COUNTED}
        for name, counter in counters.items():
            step = interrupted if name == "interrupts" else self.counted[name]
            with m.If(step):
                m.d.sync += counter.eq(counter + 1)
        return counters
