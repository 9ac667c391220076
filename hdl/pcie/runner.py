"""runner: carries out one descriptor at a time on the accelerator, words coming and going by DMA."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from emulator.spec.packets import Opcode, Status
from emulator.spec.pcie import ALIGNMENT
from hdl.link.crc import CRC_INIT, crc32_step
from hdl.parts.bus import BusSignature
from hdl.parts.host_interface import host_interface
from hdl.parts.ports import Ports, Sized, by_name
from hdl.pcie.inference import GIVEN, HEARD, Inference
from hdl.pcie.signature import JOB_SIGNATURE, TRANSFER_LAYOUT


class BusArbiter(wiring.Component):
    """Whichever asks first; ``first`` where both do. Latency: one cycle more an access."""

    def __init__(self) -> None:
        super().__init__(
            {"first": In(BusSignature()), "second": In(BusSignature()), "bus": Out(BusSignature())}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn, busy = Signal(), Signal()
        chosen = Mux(turn, self.second.request, self.first.request)
        m.d.comb += [
            self.bus.request.eq(busy & chosen),
            self.bus.write.eq(Mux(turn, self.second.write, self.first.write)),
            self.bus.address.eq(Mux(turn, self.second.address, self.first.address)),
            self.bus.write_data.eq(Mux(turn, self.second.write_data, self.first.write_data)),
        ]
        for number, master in enumerate((self.first, self.second)):
            m.d.comb += [
                master.done.eq(busy & (turn == number) & self.bus.done),
                master.error.eq(self.bus.error),
                master.read_data.eq(self.bus.read_data),
            ]
        with m.If(~busy):
            # ``done`` may still be up from the access before.
            m.d.sync += [turn.eq(~self.first.request), busy.eq(self.first.request | self.second.request)]
        with m.Elif(self.bus.done):
            m.d.sync += busy.eq(0)
        return m


class Unpacker(wiring.Component):
    """Elements of four bytes, or two if ``short``, lowest address first, zero extended; one a cycle.

    ``clear`` forgets what is left of a word. Resources: about 110 LUTs and 70 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "words": In(stream.Signature(64)),
                "elements": Out(stream.Signature(32)),
                "short": In(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, left = Signal(64), Signal(4)  # bytes
        step, size = Signal(), Mux(self.short, 2, 4)
        out = self.elements
        m.d.comb += [
            out.valid.eq(left != 0),
            step.eq(out.valid & out.ready),
            self.words.ready.eq(((left == 0) | (step & (left == size))) & ~self.clear),
        ]
        m.d.comb += out.payload.eq(Mux(self.short, held[:16], held[:32]))
        with m.If(step):
            m.d.sync += [held.eq(Mux(self.short, held >> 16, held >> 32)), left.eq(left - size)]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += [held.eq(self.words.payload), left.eq(8)]
        with m.If(self.clear):
            m.d.sync += left.eq(0)
        return m


class Packer(wiring.Component):
    """Pairs of 32-bit words; ``flush`` (held until ``empty``) sends a lone one with an upper half of 0.

    Resources: about 70 LUTs and 35 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "elements": In(stream.Signature(32)),
                "words": Out(stream.Signature(64)),
                "flush": In(1),
                "clear": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, half = Signal(32), Signal()
        words, elements = self.words, self.elements
        m.d.comb += [
            words.valid.eq(half & (elements.valid | self.flush)),
            words.payload.eq(Cat(held, elements.payload & elements.valid.replicate(32))),
            elements.ready.eq(~half | words.ready),
            self.empty.eq(~half),
        ]
        with m.If(words.valid & words.ready):
            m.d.sync += half.eq(0)
        with m.Elif(elements.valid & elements.ready):
            m.d.sync += [half.eq(1), held.eq(elements.payload)]
        with m.If(self.clear):
            m.d.sync += half.eq(0)
        return m


EACH_BITS = 16


class Runner(Sized):
    """The opcodes of ``emulator.spec.pcie``, one job at a time.

    A job is checked first; one that cannot be done ends with its status and moves no data. A write or read
    beyond a memory runs to its end and is then reported.

    Latency: 20 cycles before the first transfer; then per word READ 20, WRITE 12, CHECK 22 cycles, per
    inference see ``Inference``. Resources: about 900 LUTs and 700 flip-flops.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "port": In(JOB_SIGNATURE),
            "master": Out(host_interface(g)),
            "bus": Out(BusSignature()),
            "fetch": Out(stream.Signature(TRANSFER_LAYOUT)),
            "fetched": In(stream.Signature(64)),
            "put": Out(stream.Signature(TRANSFER_LAYOUT)),
            "words": Out(stream.Signature(64)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port, job, master = self.port, self.port.job, self.master
        m.submodules.unpacker = unpacker = Unpacker()
        m.submodules.packer = packer = Packer()
        m.submodules.inference = inference = Inference(self.geometry)
        wiring.connect(m, packer.words, wiring.flipped(self.words))
        infers = job.opcode == Opcode.INFER
        short = job.opcode == Opcode.WRITE_SHORT
        inferring, reading = Signal(), Signal()
        elements, results = unpacker.elements, packer.elements
        word, left, cursor, crc, byte = Signal(32), Signal(24), Signal(32), Signal(32), Signal(2)
        status, bad = port.status, Signal()
        m.d.comb += [
            port.value.eq(~crc),
            unpacker.short.eq(short),
            unpacker.words.valid.eq(self.fetched.valid & ~infers),
            unpacker.words.payload.eq(self.fetched.payload),
            self.fetched.ready.eq(Mux(infers, inference.words.ready, unpacker.words.ready)),
            inference.run.eq(inferring),
            *by_name(inference, job, "count", "inputs", "outputs"),
            inference.first_index.eq(job.address),
            inference.words.valid.eq(self.fetched.valid & inferring),
            inference.words.payload.eq(self.fetched.payload),
            *by_name(inference, master, *HEARD),
            inference.results.ready.eq(results.ready),
            results.valid.eq(Mux(inferring, inference.results.valid, reading)),
            results.payload.eq(Mux(inferring, inference.results.payload, word)),
            *by_name(master, inference, *GIVEN),
            self.bus.address.eq(cursor),
            self.bus.write_data.eq(word),
            self.fetch.payload.address.eq(job.source),
            self.put.payload.address.eq(job.destination),
        ]
        wiring.connect(m, inference.start, wiring.flipped(master.start))

        # Lengths in bytes: count times what each element takes, added up bit by bit.
        source_each, result_each = Signal(EACH_BITS), Signal(EACH_BITS + 2)
        source_bytes, result_bytes = Signal(40), Signal(42)
        shifted = Signal(42)
        m.d.comb += [
            self.fetch.payload.length.eq(source_bytes),
            self.put.payload.length.eq(result_bytes),
        ]
        cancelled = Signal()
        with m.If(port.cancel):
            m.d.sync += cancelled.eq(1)

        def end(code: Status) -> None:
            m.d.sync += status.eq(code)
            m.next = "end"

        with m.FSM() as fsm:
            m.d.comb += port.idle.eq(fsm.ongoing("idle") & inference.idle)
            with m.State("idle"):
                m.d.comb += [unpacker.clear.eq(1), packer.clear.eq(1)]
                m.d.sync += [
                    cancelled.eq(0),
                    status.eq(Status.OK),
                    bad.eq(0),
                    left.eq(job.count),
                    cursor.eq(job.address),
                    crc.eq(CRC_INIT),
                    byte.eq(0),
                    shifted.eq(job.count),
                    source_bytes.eq(0),
                    result_bytes.eq(0),
                    source_each.eq(0),
                    result_each.eq(0),
                ]
                with m.If(port.run & ~port.cancel):
                    m.next = "check"
            with m.State("check"):
                aligned = 0
                for address in (job.source, job.destination):
                    aligned |= address[: (ALIGNMENT - 1).bit_length()]
                wrong_shape = (job.inputs != master.inputs) | (job.outputs > self.geometry.max_outputs)
                m.next = "measure"
                with m.Switch(job.opcode):
                    with m.Case(Opcode.READ):
                        m.d.sync += result_each.eq(4)
                    with m.Case(Opcode.WRITE):
                        m.d.sync += source_each.eq(4)
                    with m.Case(Opcode.WRITE_SHORT):
                        m.d.sync += source_each.eq(2)
                    with m.Case(Opcode.CHECK):
                        pass
                    with m.Case(Opcode.INFER):
                        m.d.sync += [source_each.eq(job.inputs), result_each.eq(job.outputs << 2)]
                        with m.If(~master.programmed):
                            end(Status.NOT_PROGRAMMED)
                        with m.Elif(wrong_shape | (job.outputs == 0)):
                            end(Status.BAD_LENGTH)
                    with m.Default():
                        end(Status.BAD_OPCODE)
                with m.If((job.count == 0) | job.count[24:].any()):
                    end(Status.BAD_LENGTH)
                with m.If(aligned != 0):
                    end(Status.BAD_ADDRESS)
                with m.If(master.campaign_busy):
                    end(Status.BUSY)
            with m.State("measure"):
                m.d.sync += [
                    source_each.eq(source_each >> 1),
                    result_each.eq(result_each >> 1),
                    shifted.eq(shifted << 1),
                ]
                with m.If(source_each[0]):
                    m.d.sync += source_bytes.eq(source_bytes + shifted)
                with m.If(result_each[0]):
                    m.d.sync += result_bytes.eq(result_bytes + shifted)
                with m.If((source_each == 0) & (result_each == 0)):
                    m.next = "fetch"
                    with m.If(source_bytes[32:].any() | result_bytes[32:].any()):
                        end(Status.BAD_LENGTH)
            with m.State("fetch"):
                m.d.comb += self.fetch.valid.eq(source_bytes != 0)
                with m.If(self.fetch.ready | (source_bytes == 0)):
                    m.next = "put"
                with m.Elif(cancelled):
                    m.next = "cancelled"
            with m.State("put"):
                m.d.comb += self.put.valid.eq(result_bytes != 0)
                with m.If(self.put.ready | (result_bytes == 0)):
                    with m.Switch(job.opcode):
                        with m.Case(Opcode.INFER):
                            m.next = "infer"
                        with m.Case(Opcode.WRITE, Opcode.WRITE_SHORT):
                            m.next = "element"
                        with m.Default():
                            m.next = "read"
                with m.Elif(cancelled):
                    m.next = "cancelled"

            with m.State("infer"):
                m.d.comb += inferring.eq(1)
                with m.If(cancelled):
                    m.next = "cancelled"
                with m.Elif(inference.finished):
                    m.next = "flush"
            with m.State("flush"):
                m.d.comb += packer.flush.eq(1)
                with m.If(packer.empty):
                    m.next = "end"
                with m.Elif(cancelled):
                    m.next = "cancelled"

            with m.State("element"):
                m.d.comb += elements.ready.eq(1)
                m.d.sync += word.eq(
                    Mux(short, elements.payload[:16].as_signed(), elements.payload.as_signed())
                )
                with m.If(cancelled):
                    m.next = "cancelled"
                with m.Elif(elements.valid):
                    m.next = "write"
            with m.State("write"):
                m.d.comb += [self.bus.request.eq(1), self.bus.write.eq(1)]
                with m.If(self.bus.done):
                    m.next = "element"
                    self._next_word(m, left, cursor, bad, "end")
            with m.State("read"):
                m.d.comb += self.bus.request.eq(1)
                with m.If(self.bus.done):
                    m.d.sync += [word.eq(self.bus.read_data), bad.eq(bad | self.bus.error)]
                    m.next = "give"
                    with m.If(job.opcode == Opcode.CHECK):
                        m.next = "sum"
            with m.State("give"):
                m.d.comb += reading.eq(1)
                with m.If(cancelled):
                    m.next = "cancelled"
                with m.Elif(results.ready):
                    m.next = "read"
                    self._next_word(m, left, cursor, bad, "flush", judge=False)
            with m.State("sum"):
                m.d.sync += [word.eq(word >> 8), byte.eq(byte + 1), crc.eq(crc32_step(crc, word[:8]))]
                with m.If(byte == 3):
                    m.next = "read"
                    self._next_word(m, left, cursor, bad, "end", judge=False)
                    with m.If(cancelled):
                        m.next = "cancelled"

            with m.State("end"):
                with m.If(bad):
                    m.d.sync += status.eq(Status.BAD_ADDRESS)
                m.next = "done"
                with m.If(cancelled):
                    m.next = "cancelled"
            with m.State("done"):
                m.d.comb += port.done.eq(~cancelled)
                m.next = "idle"
            with m.State("cancelled"):
                m.next = "idle"
        return m

    def _next_word(
        self, m: Module, left: Signal, cursor: Signal, bad: Signal, after: str, *, judge: bool = True
    ) -> None:
        """One word less; to state ``after`` when it was the last."""
        m.d.sync += [left.eq(left - 1), cursor.eq(cursor + 1)]
        if judge:
            m.d.sync += bad.eq(bad | self.bus.error)
        with m.If(left == 1):
            m.next = after
