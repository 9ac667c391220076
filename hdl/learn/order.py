"""order: what an update does when, layer by layer."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.answers import ANSWER_LATENCY
from ndrite.hdl.learn.converter import CONVERT_LATENCY, VALUE_STAGE
from ndrite.hdl.learn.errors import ENERGY_LATENCY, LARGEST_LATENCY
from ndrite.hdl.learn.lanes import total_stage
from ndrite.hdl.learn.layouts import INDEX_BITS
from ndrite.hdl.learn.pulses import MADE_LATENCY
from ndrite.hdl.noise.sigma import sigma_latency
from ndrite.hdl.parts.memory import READ_LATENCY


class Order(wiring.Component):
    """Forward, from the first layer to the last: ``fetch`` the record of layer ``number``, ``forward``; when
    its sums are there (``summed``) ``answer``, which lasts while ``answering``. The next layer begins with
    the first answers. Backward: ``scale`` of the read noise, ``backward`` rows (``visit``, ``row``), then
    ``pulse`` the layer, when nothing is ``weighing``, while errors of the one before are made (``normalise``
    until ``normal``). Where that one's neurons are tuned (``behind_tuned``), errors of their ECRAMs come
    first, and these are pulsed, with ``ecrams`` up and by the ``record`` behind the layers'. In the first
    layer nothing but pulses. Where there are records of layers' own devices, from ``carries`` on, they follow
    layer by layer: ``carry``, with ``carrying`` up, and where a row is ``due`` when that has ``carried``, its
    pulses. ``ready`` when all is done.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        ins = (
            "start", "known", "all_known", "summed", "answering", "normal", "pulsing", "pulsed",
            "behind_tuned", "weighing", "carried", "due",
        )  # fmt: skip
        outs = (
            "fetch", "forward", "answer", "scale", "backward", "visit", "pulse", "normalise", "ecrams",
            "carry", "carrying",
        )  # fmt: skip
        super().__init__(
            {
                "depth": In(bits_for(g.layers)),
                "inputs": In(INDEX_BITS),
                "carries": In(range(geometry.layers)),
                "ready": Out(1),
                "number": Out(range(g.layers)),
                "record": Out(range(g.layers)),
                "final": Out(1),
                "row": Out(INDEX_BITS),
                **{name: In(1) for name in ins},
                **{name: Out(1) for name in outs},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number, row = self.number, self.row
        # Known a cycle late: pulses of a layer are asked for long after those of the one before.
        pulsing = Signal()
        m.d.sync += pulsing.eq(self.pulsing)
        wait = Signal(range(64))
        m.d.comb += [
            self.final.eq(number == self.depth - 1),
            self.record.eq(number + Mux(self.carrying, self.carries, Mux(self.ecrams, self.depth, 0))),
        ]

        def waited(then: str, *done: object) -> None:
            with m.If(wait == 0):
                m.d.sync += done
                m.next = then

        def following() -> None:
            m.d.sync += number.eq(number + 1)
            m.next = "OWN"
            with m.If(self.final):
                m.next = "IDLE"

        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM() as fsm:
            m.d.comb += self.ready.eq(fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [number.eq(0), self.backward.eq(0), wait.eq(READ_LATENCY + 1)]
                m.d.sync += [self.ecrams.eq(0), self.carrying.eq(0)]
                with m.If(self.start):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.fetch.eq(wait == 0)
                waited("BEGIN")
            with m.State("BEGIN"):
                # The first layer's rows take longer to their trains than its key takes.
                m.d.comb += self.forward.eq(self.known | (number == 0))
                with m.If(self.forward):
                    m.next = "FORWARD"
            with m.State("FORWARD"):
                m.d.comb += self.answer.eq(self.summed)
                m.d.sync += wait.eq(ANSWER_LATENCY - READ_LATENCY - 2)
                with m.If(self.summed):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                # The next layer's rows are those answers that have come.
                with m.If(~self.final & (wait == 0)):
                    m.d.sync += [number.eq(number + 1), wait.eq(READ_LATENCY + 1)]
                    m.next = "FETCH"
                with m.Elif(self.final & ~self.answering & self.all_known):
                    m.d.sync += wait.eq(ANSWER_LATENCY + ENERGY_LATENCY + 2)
                    m.next = "ERRORS"
            with m.State("ERRORS"):
                m.d.comb += self.scale.eq((wait == 0) & ~pulsing)
                m.d.sync += [self.backward.eq(1), row.eq(0)]
                with m.If(self.scale):
                    with m.If(number == 0):
                        m.d.sync += wait.eq(MADE_LATENCY)
                        m.next = "PULSES"
                    with m.Else():
                        m.d.sync += wait.eq(max(0, sigma_latency(self.geometry) - VALUE_STAGE))
                        m.next = "SCALE"
            with m.State("SCALE"):
                waited("ROWS")
            with m.State("ROWS"):
                m.d.comb += self.visit.eq(1)
                m.d.sync += [row.eq(row + 1), wait.eq(MADE_LATENCY)]
                with m.If(row == self.inputs - 1):
                    m.next = "READ"
            with m.State("READ"):
                # All rows are read; trains of columns have been made meanwhile.
                m.d.comb += self.pulse.eq((wait == 0) & ~self.weighing)
                late = max(0, total_stage(self.geometry) - VALUE_STAGE)
                remaining_wait = late + CONVERT_LATENCY + LARGEST_LATENCY - MADE_LATENCY - 2
                with m.If(self.pulse):
                    m.d.sync += [
                        number.eq(number - 1),
                        wait.eq(remaining_wait),
                        self.ecrams.eq(self.behind_tuned),
                    ]
                    m.next = "CONVERT"
            with m.State("CONVERT"):
                m.d.comb += [self.normalise.eq(wait == 0), self.fetch.eq(wait == 0)]
                waited("NORMAL")
            with m.State("NORMAL"):
                is_ready = (number == 0) | self.ecrams
                m.d.sync += wait.eq(Mux(is_ready, MADE_LATENCY + 1, ENERGY_LATENCY + 1))
                with m.If(self.normal):
                    m.next = "ERRORS"
                    with m.If(number == 0):
                        m.next = "PULSES"
                    with m.If(self.ecrams):
                        m.next = "ECRAMS"
            with m.State("ECRAMS"):
                # Lanes have these trains from now on: those of the layer itself may come.
                m.d.comb += self.pulse.eq((wait == 0) & ~pulsing)
                with m.If(self.pulse):
                    m.d.sync += [self.ecrams.eq(0), wait.eq(READ_LATENCY + 1)]
                    m.next = "CONVERT"
            with m.State("PULSES"):
                m.d.comb += self.pulse.eq((wait == 0) & ~pulsing & ~self.weighing)
                with m.If(self.pulse):
                    m.next = "PULSED"
            with m.State("PULSED"):
                m.d.sync += wait.eq(READ_LATENCY + 1)
                with m.If(self.pulsed & self.carrying):
                    following()
                with m.Elif(self.pulsed & (self.carries != 0)):
                    m.d.sync += self.carrying.eq(1)
                    m.next = "OWN"
                with m.Elif(self.pulsed):
                    m.next = "IDLE"
            with m.State("OWN"):
                m.d.comb += self.fetch.eq(wait == 0)
                waited("CARRY")
            with m.State("CARRY"):
                m.d.comb += self.carry.eq(1)
                m.next = "CARRYING"
            with m.State("CARRYING"):
                m.d.sync += wait.eq(Mux(self.due, 0, READ_LATENCY + 1))
                with m.If(self.carried & self.due):
                    m.next = "PULSES"
                with m.Elif(self.carried):
                    following()
        return m
