"""order: the order in which a training update works on the layers, and the forward
passes over the lanes."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.answers import ANSWER_LATENCY, ENERGY_LATENCY, LARGEST_LATENCY
from ndrite.hdl.learn.columns import ADDED_LATENCY, CONVERT_LATENCY, VALUE_STAGE
from ndrite.hdl.learn.events import EVENT_LATENCY
from ndrite.hdl.learn.lanes import SUM_STAGE, total_stage
from ndrite.hdl.learn.pulses import MADE_LATENCY, SETTLED, THRESHOLD_LATENCY
from ndrite.hdl.learn.words import (
    INDEX_BITS,
    KEY_LATENCY,
    TILES,
    layer_layout,
    live_layout,
    row_layout,
    trained_row_layout,
)
from ndrite.hdl.noise.pass_schedule import sigma_latency
from ndrite.hdl.parts.layouts import energy_shape
from ndrite.hdl.parts.memory import READ_LATENCY
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import delayed


class Order(wiring.Component):
    """State machine of one training update: decides which layer does what, and when.
    ``start`` begins an update; ``ready`` is high while none runs. ``number`` is the
    layer being processed.

    - Record: ``fetch`` reads record ``record``. That is the record of layer ``number``;
      while ``ecrams`` is high, that of its neurons' ECRAMs, ``depth`` records later;
      while ``carrying`` is high, that of its own devices, ``carries`` records later.
    - Forward, from the first layer to the last: ``forward`` starts the passes of the
      layer. When their sums are complete (``summed``), ``answer`` starts the layer's
      outputs, which are computed while ``answering`` is high. The next layer starts
      when the first outputs have arrived.
    - Backward, from the last layer to the second: ``scale`` starts the computation of
      the read noise's scale. Then ``visit`` is high while the rows ``row`` are read
      backward. ``pulse`` pulses the layer's devices, once ``weighing`` is low.
      Meanwhile ``normalise`` starts the computation of the previous layer's errors,
      until ``normal``.
    - ECRAMs: if the previous layer's neurons are tuned (``behind_tuned``), their errors
      are computed first, and ``pulse`` pulses the ECRAMs while ``ecrams`` is high.
    - First layer: it is pulsed without a backward read.
    - Transfer, if ``carries`` is not 0, from the first layer to the last: ``carry``
      starts the read of a row of fast devices while ``carrying`` is high. When this has
      ended (``carried``) and the row needs pulses (``due``), ``pulse`` pulses the row.
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
        # A cycle of delay is harmless: a layer's pulses are requested long after the
        # previous layer's pulses.
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
                # The first layer need not wait for its noise key: it is ready before
                # the first pulse train.
                m.d.comb += self.forward.eq(self.known | (number == 0))
                with m.If(self.forward):
                    m.next = "FORWARD"
            with m.State("FORWARD"):
                m.d.comb += self.answer.eq(self.summed)
                m.d.sync += wait.eq(ANSWER_LATENCY - READ_LATENCY - 2)
                with m.If(self.summed):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                # The next layer starts as soon as the first outputs of this layer, its
                # inputs, have arrived.
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
                # All rows have been read; the columns' pulse trains were computed
                # during the reads.
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
                # The lanes have taken the trains of the ECRAMs, so the trains of the
                # layer's weights may follow.
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


SHORTEST = 32
"""Fewest cycles of a pass: the square root (``Sigma``) and the key (``PassKey``) of
a pass take less."""
SHORTEST_LAST = ADDED_LATENCY - VALUE_STAGE
"""Fewest cycles of a layer's last pass: its sums are written before the
outputs are computed."""
ECRAM_INPUT, ECRAM_TIMES = 128, 4
"""Input of the row of neurons' ECRAMs, and how often it is added: 512 times the row in all."""
ROW_STAGE = READ_LATENCY + 1
"""Cycles from the issue of a row until its input is known."""
ENERGY_STAGE = ROW_STAGE + MULTIPLY_LATENCY
"""Cycles from the end of a pass to ``passed``, at which ``energy`` is that of the pass."""


def row_delay(g: Geometry) -> int:
    """Return the number of cycles by which rows are delayed. Before a row arrives, the
    previous update's states must be written and the key of pulse trains known; before
    its sums, the scale of the noise."""
    noise = ENERGY_STAGE + sigma_latency(g) - ROW_STAGE - SUM_STAGE + 1
    key, written = KEY_LATENCY - THRESHOLD_LATENCY, EVENT_LATENCY - SETTLED
    return max(noise, key - 2 * ROW_STAGE + 1, written - 2 * ROW_STAGE + 1)


class Forward(wiring.Component):
    """Issues the passes of a layer back to back, one per row tile and input slice:
    while a pass's sums are converted, the next pass's rows are added. An empty row
    between two passes ends the first of them.

    ``start`` begins; ``layer`` must not change from then until ``answer``.

    - ``listed`` is the live row (input not 0) at ``address``. The list of the first
      layer is complete, and ``end`` is the end of each tile in it; the list of a
      ``hidden`` layer has the ``count`` rows that have arrived so far.
    - ``row`` goes to the lanes, ``trained`` to the pulse trains, once per live row and
      for the row of biases.
    - ``passed``: ``energy`` is complete for a pass.
    - ``turn``: the conversion of the pass's sums begins one cycle later, with
      ``low`` and ``first``.
    - ``renew``: the noise key of (``tile``, ``part``) is needed next.
    - ``answer``: the columns contain the row of biases, plus 512 times the row of
      ECRAMs if there is one.

    Throughput: one row per cycle. A pass takes as many cycles as it has live rows or as
    its columns take to be converted, at least SHORTEST. Latency: from the last pass to
    ``answer`` as many cycles as its columns take, plus row_delay + 11. Resources: a
    multiplier, 30 flip-flops for each cycle of row_delay.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "start": In(1),
                "layer": In(layer_layout(g)),
                "hidden": In(1),
                "address": Out(INDEX_BITS),
                "listed": In(live_layout()),
                "count": In(INDEX_BITS),
                "whole": In(1),
                "next_tile": Out(range(TILES)),
                "end": In(INDEX_BITS),
                "row": Out(row_layout(g)),
                "trained": Out(trained_row_layout(g)),
                "passed": Out(1),
                "energy": Out(energy_shape(g)),
                "turn": Out(1),
                "low": Out(3),
                "first": Out(1),
                "renew": Out(1),
                "tile": Out(range(TILES)),
                "part": Out(3),
                "answer": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, layer = self.geometry, self.layer

        def after(value: Value, cycles: int, name: str) -> Value:
            return delayed(m, value, cycles, name)

        low, mask, last_part = Signal(3), Signal(8), Signal()
        with m.Switch(layer.dac_bits):
            for bits in (1, 2, 4, 8):
                with m.Case(bits):
                    m.d.comb += [low.eq(self.part * bits), last_part.eq(self.part == 8 // bits - 1)]
                    m.d.sync += mask.eq((1 << bits) - 1)
        last_tile, beyond = Signal(), Signal(INDEX_BITS + 1)
        m.d.sync += last_tile.eq(beyond >= layer.inputs)
        count, begin, end = (Signal(INDEX_BITS, name=n) for n in ("at", "begin", "end_now"))
        shortest, ending, hold = (Signal(INDEX_BITS, name=n) for n in ("shortest", "ending", "hold"))
        steps = (layer.outputs + (g.readouts - 1))[exact_log2(g.readouts) :]
        for cycles, shortest_pass in ((shortest, SHORTEST), (ending, SHORTEST_LAST)):
            m.d.sync += cycles.eq(Mux(steps > shortest_pass, steps, shortest_pass) - 1)
        with m.If(hold != 0):
            m.d.sync += hold.eq(hold - 1)

        visit, bias, ecram, ends, ends_bias = (
            Signal(name=n) for n in ("visit", "bias", "ecram", "ends", "ends_bias")
        )
        times = Signal(range(ECRAM_TIMES))
        m.d.comb += [self.address.eq(count), self.next_tile.eq(self.tile + last_part)]
        limit = Mux(self.hidden, self.count, end)
        fresh = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.tile.eq(0), self.part.eq(0), beyond.eq(g.rows), count.eq(0), begin.eq(0)]
                m.d.sync += fresh.eq(1)
                m.d.comb += self.next_tile.eq(0)
                with m.If(self.start):
                    m.d.sync += hold.eq(SHORTEST)
                    m.next = "END"
            with m.State("END"):
                # SHORTEST cycles are enough to look up where the first tile ends
                # among the live rows.
                m.d.comb += self.next_tile.eq(0)
                m.d.sync += end.eq(self.end)
                with m.If(hold == SHORTEST - READ_LATENCY - 1):
                    m.next = "ROWS"
            with m.State("ROWS"):
                with m.If(count != limit):
                    m.d.comb += visit.eq(1)
                    m.d.sync += count.eq(count + 1)
                with m.Elif((~self.hidden | self.whole) & (hold == 0)):
                    m.d.comb += ends.eq(1)
                    m.d.sync += [
                        hold.eq(Mux(last_tile & last_part, ending, shortest)),
                        self.low.eq(low),
                        self.first.eq(fresh),
                        fresh.eq(0),
                    ]
                    m.d.sync += self.part.eq(Mux(last_part, 0, self.part + 1))
                    with m.If(~last_part):
                        m.d.sync += count.eq(begin)
                    with m.Else():
                        m.d.sync += [self.tile.eq(self.tile + 1), beyond.eq(beyond + g.rows), begin.eq(end)]
                        with m.If(last_tile):
                            m.next = "BIAS"
                    m.d.sync += end.eq(self.end)
            with m.State("BIAS"):
                m.d.comb += bias.eq(1)
                m.next = "LAST"
                with m.If(layer.tuned_bits != 0):
                    m.next = "ECRAMS"
            with m.State("ECRAMS"):
                m.d.comb += ecram.eq(1)
                m.d.sync += times.eq(times + 1)
                with m.If(times == ECRAM_TIMES - 1):
                    m.next = "LAST"
            with m.State("LAST"):
                with m.If(hold == 0):
                    m.d.comb += ends_bias.eq(1)
                    m.next = "IDLE"

        # Row signals, delayed by the time that the list of live rows takes to return a
        # row and its input.
        row_read, of_bias = after(visit, READ_LATENCY, "come"), after(bias, READ_LATENCY, "of_bias")
        of_ecram = after(ecram, READ_LATENCY, "of_ecram")
        ended = after(ends | ends_bias, READ_LATENCY, "ended")
        train = after((visit & (self.part == 0)) | bias, READ_LATENCY, "train")
        low_2 = after(low, READ_LATENCY, "low")
        row = Signal(
            StructLayout({"end": 1, "add": 1, "train": 1, "x": 8, "code": 8, "row": len(self.row.address)}),
            reset_less=True,
        )
        m.d.sync += [
            row.end.eq(ended),
            row.add.eq(row_read | of_bias | of_ecram),
            row.train.eq(train),
            row.x.eq(Mux(of_bias, 1, Mux(of_ecram, ECRAM_INPUT, (self.listed.x >> low_2) & mask))),
            row.code.eq(Mux(of_bias, INPUT_MAX, self.listed.x)),
            row.row.eq(Mux(of_bias | of_ecram, layer.inputs + of_ecram, self.listed.row)),
        ]
        m.submodules.square = square = Multiplier(8, 8)
        m.d.comb += [square.a.eq(row.x), square.b.eq(row.x)]
        squared = after(row.add, MULTIPLY_LATENCY, "squared")
        m.d.comb += self.passed.eq(after(ends, ENERGY_STAGE, "passed"))
        with m.If(after(row.end, MULTIPLY_LATENCY, "emptied")):
            m.d.sync += self.energy.eq(0)
        with m.Elif(squared):
            m.d.sync += self.energy.eq(self.energy + square.product)

        delay = row_delay(g)
        late = after(row, delay - 1, "row")
        m.d.sync += [
            self.row.end.eq(late.end),
            self.row.add.eq(late.add),
            self.row.x.eq(late.x),
            self.row.address.eq(layer.at_state + late.row),
            self.trained.valid.eq(late.train),
            self.trained.x.eq(late.code),
            self.trained.row.eq(late.row),
        ]
        summed = ROW_STAGE + delay + SUM_STAGE
        m.d.comb += [
            self.turn.eq(after(ends, summed - VALUE_STAGE - 1, "turn")),
            self.answer.eq(after(ends_bias, summed, "answer")),
            self.renew.eq(self.turn | after(self.start, 1, "started")),
        ]
        return m
