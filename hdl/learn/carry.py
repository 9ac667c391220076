"""carry: transfers the accumulated read-out of a row of fast devices to the layer's own
devices, as pulses (Tiki-Taka 2)."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import CODE_SHIFT, SLOTS_MAX, STATE_MAX, STATE_MIN, WEIGHT_MAX
from ndrite.hdl.learn.lanes import PEEK_LATENCY
from ndrite.hdl.learn.words import (
    INDEX_BITS,
    STATE_SHAPE,
    address_bits,
    error_layout,
    layer_layout,
    poke_layout,
    train_layout,
)
from ndrite.hdl.parts.pipeline import delayed

NUMBER_BITS = 32
"""Bits of an update's number."""
STATES = FAST, REFERENCE, SUM = range(3)
"""Indices of the three states of a lane, in the order in which they are read."""
SUM_BITS = 19
"""Bits of an accumulated sum after one more value has been added."""
DIGITS = SLOTS_MAX.bit_length()
"""Bits of the number of pulses that a lane can get at once."""
CARRY_LATENCY = PEEK_LATENCY + DIGITS + 5
"""Cycles from the read of a lane's sum until its pulses are sent and the
remaining sum is written."""


class Carry(wiring.Component):
    """Transfers one row of fast devices to the layer's own devices, as
    ``ndrite.emulator.golden.learn.learner`` does. After every ``layer.every`` updates
    it reads the next row of fast devices, subtracts their reference codes, and adds the
    differences to one sum per device. For every whole ``layer.threshold`` in a sum it
    requests one pulse of the layer's own device, at most SLOTS_MAX pulses at once. If
    the layer is ``chopped``, the difference is added or subtracted depending on how
    often the row was read before, and the code just read becomes the new reference.

    - ``start`` starts the transfer of the layer whose record is ``layer``, which must
      not change meanwhile; ``update`` is the number of the update.
    - ``weigh`` requests only ``row``, the row that is read next, and ``odd``: whether
      this row and all rows after it were read an odd number of times, and the rows
      before it an even number. It may be repeated while ``weighing`` is high.
    - ``begin`` comes one cycle before ``reading``. Reading begins when ``pulsing`` is
      low. While ``reading``, the lanes' states at ``address`` are read, and that of
      ``lane`` is on ``peeked`` PEEK_LATENCY cycles later.
    - ``done``: everything is read and written. ``due`` with it says that a row was
      read: ``row`` of the layer is to be pulsed. The lanes then have as many slots of
      ``train`` set as they need pulses, and the sign of ``error`` is the direction.

    Latency: 65 cycles to weigh, 32 if no row is due; otherwise 64, 3 a lane,
    and CARRY_LATENCY. Resources: a serial divider, DIGITS subtractors of 23
    bits; about 450 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "layer": In(layer_layout(g)),
                "update": In(NUMBER_BITS),
                "weigh": In(1),
                "weighing": Out(1),
                "start": In(1),
                "pulsing": In(1),
                "begin": Out(1),
                "reading": Out(1),
                "address": Out(address_bits(g)),
                "lane": Out(range(max(g.lanes, 2))),
                "peeked": In(STATE_SHAPE),
                "poke": Out(poke_layout(g)),
                "train": Out(train_layout(g)),
                "error": Out(error_layout(g)),
                "done": Out(1),
                "due": Out(1),
                "row": Out(INDEX_BITS),
                "odd": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, row = self.layer, self.row
        # Schoolbook division: first the update's number by ``every``, then that
        # quotient by the number of rows.
        number, remainder, divisor = Signal(NUMBER_BITS), Signal(INDEX_BITS + 1), Signal(INDEX_BITS + 1)
        step, dividing, fits, shifted_remainder = (
            Signal(range(NUMBER_BITS)),
            Signal(),
            Signal(),
            Signal.like(remainder),
        )
        only = Signal()
        m.d.comb += [
            shifted_remainder.eq(Cat(number[-1], remainder)),
            fits.eq(Cat(number[-1], remainder) >= divisor),
        ]
        with m.If(dividing):
            m.d.sync += [
                number.eq(Cat(fits, number)),
                remainder.eq(Mux(fits, shifted_remainder - divisor, shifted_remainder)),
                step.eq(step + 1),
            ]

        state, sum_read, wait = Signal(range(len(STATES))), Signal(), Signal(range(CARRY_LATENCY + 1))
        height, last = Signal(INDEX_BITS), Signal()
        places = [Signal(INDEX_BITS, name=f"place_{i}") for i in STATES]
        m.d.sync += [
            height.eq(layer.inputs + 1),
            places[FAST].eq(layer.at_state + layer.pulse_row + row),
            places[SUM].eq(places[FAST] + height),
            places[REFERENCE].eq(places[SUM] + height),
        ]
        m.d.comb += last.eq(self.lane == layer.outputs - 1)
        with m.Switch(state):
            for i, place in enumerate(places):
                with m.Case(i):
                    m.d.comb += self.address.eq(place)

        def again() -> None:
            """Start anew if ``weigh`` requests the row of another layer while a
            request is processed."""
            with m.If(self.weigh):
                m.next = "DUE"

        with m.FSM() as fsm:
            m.d.sync += self.weighing.eq(self.weigh | (only & ~fsm.ongoing("IDLE")))
            with m.State("IDLE"):
                m.d.sync += only.eq(self.weigh)
                with m.If(self.start | self.weigh):
                    m.next = "DUE"
            with m.State("DUE"):
                m.d.comb += dividing.eq(1)
                with m.If(step == NUMBER_BITS - 1):
                    m.next = "WHETHER"
                again()
            with m.State("WHETHER"):
                m.d.sync += [self.due.eq(remainder + 1 == divisor), remainder.eq(0), divisor.eq(height)]
                m.next = "WHICH"
                with m.If((remainder + 1 != divisor) & ~only):
                    m.next = "DONE"
                again()
            with m.State("WHICH"):
                m.d.comb += dividing.eq(1)
                with m.If(step == NUMBER_BITS - 1):
                    m.next = "PLACES"
                again()
            with m.State("PLACES"):
                m.d.sync += [row.eq(remainder), self.odd.eq(number[0]), self.lane.eq(0), state.eq(0)]
                m.d.sync += wait.eq(len(STATES) + 1)
                m.next = "BEGIN"
                with m.If(only):
                    m.next = "IDLE"
                again()
            with m.State("BEGIN"):
                m.d.comb += self.begin.eq((wait == 0) & ~self.pulsing)
                with m.If(wait != 0):
                    m.d.sync += wait.eq(wait - 1)
                with m.If(self.begin):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += [self.reading.eq(1), sum_read.eq(state == SUM)]
                m.d.sync += [state.eq(Mux(sum_read, 0, state + 1)), wait.eq(CARRY_LATENCY)]
                with m.If(sum_read):
                    m.d.sync += self.lane.eq(self.lane + 1)
                    with m.If(last):
                        m.next = "REST"
            with m.State("REST"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        with m.If(fsm.ongoing("IDLE") | self.weigh):
            m.d.sync += [number.eq(self.update), remainder.eq(0), step.eq(0), divisor.eq(layer.every)]
        self._pulses(m, sum_read, places)
        return m

    def _pulses(self, m: Module, asked: Any, places: list[Signal]) -> None:
        """Compute the number of pulses for a lane's device, and the remainder of its
        sum, from the lane's three states, which are read one after the other; ``asked``
        marks the read of the last of them."""
        layer = self.layer

        def register(shape: ShapeLike, name: str) -> Signal:
            return Signal(shape, name=name, reset_less=True)

        reference, fast = register(STATE_SHAPE, "reference"), register(STATE_SHAPE, "fast")
        peeked_state, kept_late = register(STATE_SHAPE, "kept"), register(STATE_SHAPE, "kept_late")
        difference, code = register(signed(SUM_BITS), "difference"), register(signed(9), "code")
        total, negative = register(signed(SUM_BITS), "total"), register(1, "negative")

        def code_of(state: Value) -> Value:
            rounded = (state + (1 << (CODE_SHIFT - 1))) >> CODE_SHIFT
            return Mux(rounded > WEIGHT_MAX, WEIGHT_MAX, Mux(rounded < -WEIGHT_MAX, -WEIGHT_MAX, rounded))

        size = register(SUM_BITS - 1, "size")
        turned = Signal()
        m.d.sync += turned.eq(layer.chopped & self.odd)
        m.d.sync += [
            reference.eq(self.peeked),
            fast.eq(reference),
            peeked_state.eq(self.peeked),
            kept_late.eq(peeked_state),
            difference.eq(fast - reference),
            code.eq(code_of(difference)),
            total.eq(kept_late + Mux(turned, -code, code)),
            size.eq(Mux(total < 0, -total, total)),
            negative.eq(total < 0),
        ]
        # The quotient (the number of pulses) has DIGITS bits. The remainder can exceed
        # the threshold, since the number of pulses is limited.
        remainder: Value = size
        pulses: list[Value] = []
        for i in reversed(range(DIGITS)):
            part = layer.threshold << i
            digit, smaller = register(1, f"digit_{i}"), register(SUM_BITS - 1, f"rest_{i}")
            m.d.sync += [
                digit.eq(remainder >= part),
                smaller.eq(Mux(remainder >= part, remainder - part, remainder)),
            ]
            pulses.append(delayed(m, digit, i, f"digit_{i}"))
            remainder = smaller
        negative = delayed(m, negative, DIGITS, "negative")
        signed_rest = Mux(negative, -remainder, remainder)
        # The code just read becomes the next reference. It is written in a cycle in
        # which no sum is written, since a lane takes three cycles.
        read, next_reference = register(signed(9), "read"), Signal(STATE_SHAPE)
        m.d.sync += read.eq(code_of(fast))
        m.d.comb += next_reference.eq(read << CODE_SHIFT)
        refers = delayed(m, asked & layer.chopped, PEEK_LATENCY + 1, "refers")
        refers_now = delayed(m, refers, 1, "refers_now")
        refers_lane = delayed(m, self.lane, PEEK_LATENCY + 2, "refers_lane")
        assert (CARRY_LATENCY - PEEK_LATENCY - 2) % len(STATES)
        poke, train, error = self.poke, self.train, self.error
        valid = delayed(m, asked, CARRY_LATENCY, "asked")
        lane = delayed(m, self.lane, CARRY_LATENCY, "lane")
        m.d.sync += [
            poke.data.eq(
                Mux(
                    refers,
                    next_reference,
                    Mux(
                        signed_rest > STATE_MAX,
                        STATE_MAX,
                        Mux(signed_rest < STATE_MIN, STATE_MIN, signed_rest),
                    ),
                )
            ),
            train.value.eq((Const(1, SLOTS_MAX + 1) << Cat(reversed(pulses))) - 1),
            error.value.eq(Mux(negative, -1, 1)),
        ]
        m.d.comb += [
            poke.write.eq(valid | refers_now),
            poke.lane.eq(Mux(refers_now, refers_lane, lane)),
            poke.address.eq(Mux(refers_now, places[REFERENCE], places[SUM])),
            train.valid.eq(valid),
            train.lane.eq(lane),
            error.valid.eq(valid),
            error.lane.eq(lane),
        ]
