"""inference: streams of input codes through the machine, results out; up to two inferences under way."""

from __future__ import annotations

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import Geometry
from hdl.layouts import start_layout


class Inference(wiring.Component):
    """Runs ``count`` inferences of ``inputs`` codes from ``codes`` and sends their results to ``results``.

    The fields stand while ``run`` is up; ``finished`` when the last result has been taken. When ``run``
    falls early, inferences under way still end, unseen; ``idle`` once there are none.

    Latency: one cycle a code, beside the inference before; 3 cycles a result. Resources: about 250 LUTs and
    200 flip-flops.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "run": In(1),
                "count": In(24),
                "inputs": In(16),
                "outputs": In(16),
                "first_index": In(32),
                "codes": In(stream.Signature(8)),
                "results": Out(stream.Signature(32)),
                "finished": Out(1),
                "idle": Out(1),
                "load": Out(1),
                "load_address": Out(bits_for(2 * geometry.max_inputs - 1)),
                "load_data": Out(8),
                "start": Out(stream.Signature(start_layout())),
                "bank": Out(1),
                "done": In(1),
                "result_address": Out(bits_for(2 * geometry.max_outputs - 1)),
                "result_data": In(signed(32)),
                "campaign_started": In(1),
                "campaign_done": In(1),
                "hung": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        # Inferences alternate between the two banks, a campaign's too.
        bank, answer_bank = self.bank, Signal()
        begun, answered = Signal(), Signal()
        pending, ended = Signal(2), Signal(2)
        m.d.sync += [pending.eq(pending + begun - answered), ended.eq(ended + self.done - answered)]
        with m.If(begun | self.campaign_started):
            m.d.sync += bank.eq(~bank)
        with m.If(answered | self.campaign_done):
            m.d.sync += answer_bank.eq(~answer_bank)

        with m.If(self.hung):
            # The watchdog has reset the core: nothing is under way, and all begins with bank 0.
            m.d.sync += [pending.eq(0), ended.eq(0), bank.eq(0), answer_bank.eq(0)]

        started, collected = Signal(24), Signal(24)
        position, index = Signal(16), Signal(32)
        m.d.sync += [self.load.eq(0), self.load_data.eq(self.codes.payload)]
        m.d.sync += self.load_address.eq(Cat(position[: exact_log2(g.max_inputs)], bank))
        m.d.comb += [self.start.payload.bank.eq(bank), self.start.payload.inference.eq(index)]
        with m.FSM(name="loader"):
            with m.State("idle"):
                m.d.sync += [position.eq(0), started.eq(0), index.eq(self.first_index)]
                with m.If(self.run & ~self.finished & self.idle):
                    m.next = "wait"
            with m.State("wait"):
                m.d.sync += position.eq(0)
                with m.If(~self.run):
                    m.next = "idle"
                with m.Elif((pending < 2) & (started != self.count)):
                    m.next = "load"
            with m.State("load"):
                m.d.comb += self.codes.ready.eq(self.run)
                with m.If(~self.run):
                    m.next = "idle"
                with m.Elif(self.codes.valid):
                    m.d.sync += [self.load.eq(1), position.eq(position + 1)]
                    with m.If(position == self.inputs - 1):
                        m.next = "settle"
            with m.State("settle"):
                m.next = "start"
            with m.State("start"):
                m.d.comb += self.start.valid.eq(1)
                with m.If(self.start.ready):
                    m.d.comb += begun.eq(1)
                    m.d.sync += [started.eq(started + 1), index.eq(index + 1)]
                    m.next = "wait"

        column, waited = Signal(16), Signal(2)
        word = Signal(32)
        m.d.comb += [
            self.result_address.eq(Cat(column[: exact_log2(g.max_outputs)], answer_bank)),
            self.results.payload.eq(word),
            self.finished.eq(self.run & (collected == self.count)),
            self.idle.eq((pending == 0) & (ended == 0)),
        ]
        with m.If(~self.run):
            m.d.sync += collected.eq(0)
        with m.FSM(name="collector"):
            with m.State("idle"):
                m.d.sync += [column.eq(0), waited.eq(0)]
                with m.If(ended != 0):
                    m.next = "fetch"
            with m.State("fetch"):
                # The buffer answers two cycles behind the address.
                m.d.sync += [waited.eq(waited + 1), word.eq(self.result_data)]
                with m.If(waited == 2):
                    m.d.sync += waited.eq(0)
                    m.next = "give"
                with m.If(self.hung):
                    m.next = "idle"
            with m.State("give"):
                m.d.comb += self.results.valid.eq(self.run)
                with m.If(self.hung):
                    m.next = "idle"
                with m.Elif(self.results.ready | ~self.run):
                    m.d.sync += column.eq(column + 1)
                    m.next = "fetch"
                    with m.If(column == self.outputs - 1):
                        m.d.comb += answered.eq(1)
                        m.d.sync += collected.eq(collected + 1)
                        m.next = "idle"
        return m
