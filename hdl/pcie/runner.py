"""runner: carries out one descriptor at a time on the accelerator; samples and results
are transferred by DMA."""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.pcie import ALIGNMENT
from ndrite.hdl.parts.bus import host_interface
from ndrite.hdl.parts.layouts import Ports, Sized, by_name
from ndrite.hdl.pcie.inference import GIVEN, HEARD, Inference
from ndrite.hdl.pcie.signature import JOB_SIGNATURE, TRANSFER_LAYOUT


class Packer(wiring.Component):
    """Packs 32-bit words in pairs into 64-bit words. ``flush``, held until ``empty``,
    sends a remaining single word with an upper half of 0.

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
        low_half, half = Signal(32), Signal()
        words, elements = self.words, self.elements
        m.d.comb += [
            words.valid.eq(half & (elements.valid | self.flush)),
            words.payload.eq(Cat(low_half, elements.payload & elements.valid.replicate(32))),
            elements.ready.eq(~half | words.ready),
            self.empty.eq(~half),
        ]
        with m.If(words.valid & words.ready):
            m.d.sync += half.eq(0)
        with m.Elif(elements.valid & elements.ready):
            m.d.sync += [half.eq(1), low_half.eq(elements.payload)]
        with m.If(self.clear):
            m.d.sync += half.eq(0)
        return m


class Runner(Sized):
    """Runs the jobs that the descriptors of ``ndrite.emulator.spec.pcie``
    describe, one at a time.

    A job is checked first; a job that cannot be done ends with its status and moves no
    data. The number of outputs of the program is known only with its first result: a
    job that asks for another number is run, its results are dropped, and it ends with
    its status. Latency: 20 cycles before the first transfer, then as ``Inference``.
    Resources: about 400 LUTs and 300 flip-flops in addition to ``Inference``.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "port": In(JOB_SIGNATURE),
            "master": Out(host_interface(g)),
            "fetch": Out(stream.Signature(TRANSFER_LAYOUT)),
            "fetched": In(stream.Signature(64)),
            "put": Out(stream.Signature(TRANSFER_LAYOUT)),
            "words": Out(stream.Signature(64)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port, job, master = self.port, self.port.job, self.master
        m.submodules.packer = packer = Packer()
        m.submodules.inference = inference = Inference(self.geometry)
        wiring.connect(m, packer.words, wiring.flipped(self.words))
        sends, drops = Signal(), Signal()
        m.d.comb += [
            packer.elements.valid.eq(inference.results.valid & sends),
            packer.elements.payload.eq(inference.results.payload),
            inference.results.ready.eq(drops | (sends & packer.elements.ready)),
        ]
        wiring.connect(m, inference.start, wiring.flipped(master.start))
        # Lengths of the transfers in bytes: the number of samples times the bytes per
        # sample, by shift and add.
        source_each, result_each = Signal.like(job.inputs), Signal(len(job.outputs) + 2)
        source_bytes, result_bytes, shifted = Signal(40), Signal(42), Signal(42)
        m.d.comb += [
            inference.words.valid.eq(self.fetched.valid & inference.run),
            inference.words.payload.eq(self.fetched.payload),
            self.fetched.ready.eq(inference.words.ready),
            *by_name(inference, job, "count", "inputs", "outputs", "first_index"),
            *by_name(inference, master, *HEARD),
            *by_name(master, inference, *GIVEN),
            self.fetch.payload.address.eq(job.source),
            self.fetch.payload.length.eq(source_bytes),
            self.put.payload.address.eq(job.destination),
            self.put.payload.length.eq(result_bytes),
        ]
        cancelled = Signal()
        with m.If(port.cancel):
            m.d.sync += cancelled.eq(1)

        def end(code: Status) -> None:
            m.d.sync += port.status.eq(code)
            m.next = "done"

        with m.FSM() as fsm:
            m.d.comb += port.idle.eq(fsm.ongoing("idle") & inference.idle)
            with m.State("idle"):
                m.d.comb += packer.clear.eq(1)
                m.d.sync += [
                    cancelled.eq(0),
                    port.status.eq(Status.OK),
                    shifted.eq(job.count),
                    source_each.eq(job.inputs),
                    result_each.eq(job.outputs << 2),
                    source_bytes.eq(0),
                    result_bytes.eq(0),
                ]
                with m.If(port.run & ~port.cancel):
                    m.next = "check"
            with m.State("check"):
                low = (ALIGNMENT - 1).bit_length()
                wrong_shape = (job.inputs != master.inputs) | (job.outputs > self.geometry.max_outputs)
                m.next = "measure"
                with m.If(master.campaign_busy):
                    end(Status.BUSY)
                with m.Elif(job.source[:low].any() | job.destination[:low].any()):
                    end(Status.BAD_ADDRESS)
                with m.Elif((job.count == 0) | job.count[24:].any()):
                    end(Status.BAD_LENGTH)
                with m.Elif(~master.programmed):
                    end(Status.NOT_PROGRAMMED)
                with m.Elif(wrong_shape | (job.outputs == 0)):
                    end(Status.BAD_LENGTH)
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
                m.d.comb += self.fetch.valid.eq(1)
                with m.If(self.fetch.ready):
                    m.next = "first"
                with m.Elif(cancelled):
                    m.next = "idle"
            with m.State("first"):
                m.d.comb += inference.run.eq(1)
                with m.If(cancelled):
                    m.next = "idle"
                with m.Elif(inference.results.valid):
                    m.next = "put"
                    with m.If(job.outputs != master.outputs):
                        m.d.sync += port.status.eq(Status.BAD_LENGTH)
                        m.next = "dismiss"
            with m.State("dismiss"):
                m.d.comb += [inference.run.eq(1), drops.eq(1)]
                with m.If(cancelled):
                    m.next = "idle"
                with m.Elif(inference.finished):
                    m.next = "done"
            with m.State("put"):
                m.d.comb += [inference.run.eq(1), self.put.valid.eq(1)]
                with m.If(self.put.ready):
                    m.next = "infer"
                with m.Elif(cancelled):
                    m.next = "idle"
            with m.State("infer"):
                m.d.comb += [inference.run.eq(1), sends.eq(1)]
                with m.If(cancelled):
                    m.next = "idle"
                with m.Elif(inference.finished):
                    m.next = "flush"
            with m.State("flush"):
                m.d.comb += packer.flush.eq(1)
                with m.If(packer.empty):
                    m.next = "done"
                with m.Elif(cancelled):
                    m.next = "idle"
            with m.State("done"):
                m.d.comb += port.done.eq(~cancelled)
                m.next = "idle"
        return m
