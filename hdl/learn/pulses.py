"""pulses: makes the pulse trains of a layer's rows and columns, and sends the rows to
the lanes, which pulse their devices."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import PROBABILITY_ONE, SERIAL_SHIFT, SLOTS_MAX, pulse_constant
from ndrite.hdl.learn.events import COUNT_LATENCY, law_layout, pulsed_row_layout
from ndrite.hdl.learn.words import (
    EXPONENT_SHAPE,
    INDEX_BITS,
    SLOTS_LATENCY,
    THRESHOLD_BITS,
    TRAIN_BITS,
    WORDS_LATENCY,
    Words,
    address_bits,
    error_layout,
    layer_layout,
    slot_numbers,
    train_layout,
    trained_row_layout,
)
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import unmerged

TRAIN_LATENCY = WORDS_LATENCY + SLOTS_LATENCY + 1
"""Cycles from ``number`` and ``threshold`` to ``train``."""
COPIES = 4
"""Number of copies of a threshold, so that the comparators of all slots do not load
a single register."""


class Trains(wiring.Component):
    """Computes pulse trains: bit t of ``train`` is set if the pseudo-random number of
    slot t is below ``threshold``, for the first ``slots`` slots.

    Latency: TRAIN_LATENCY cycles, a train a cycle. Resources: a ``Words``, 16 mixers,
    31 comparators of 17 bits: about 2,500 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "key": In(64),
                "slots": In(range(SLOTS_MAX + 1)),
                "number": In(INDEX_BITS),
                "threshold": In(THRESHOLD_BITS),
                "train": Out(TRAIN_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Words()
        m.d.comb += [words.key.eq(self.key), words.column.eq(self.number)]
        early = delayed(m, self.threshold, TRAIN_LATENCY - 2, "threshold")
        thresholds = [unmerged(m, platform, early, f"threshold_{i}") for i in range(COPIES)]
        slot_mask = Signal(TRAIN_BITS, reset_less=True)
        m.d.sync += slot_mask.eq((Const(1, TRAIN_BITS + 1) << self.slots) - 1)
        train = Signal(TRAIN_BITS, reset_less=True)
        numbers = slot_numbers(m, words.x, words.y)[:TRAIN_BITS]
        m.d.sync += train.eq(Cat(n < thresholds[i % COPIES] for i, n in enumerate(numbers)) & slot_mask)
        m.d.comb += self.train.eq(train)
        return m


THRESHOLD_LATENCY = MULTIPLY_LATENCY + 3
"""Cycles from a row or an error to its train's threshold."""
SETTLED = READ_LATENCY + COUNT_LATENCY + 2
"""Cycles from the last row until the lanes show that it is ``waiting``; also the cycles
from there until its pulses are counted."""
MADE_LATENCY = THRESHOLD_LATENCY + TRAIN_LATENCY
"""Cycles from a row or an error to its train."""


class Pulses(wiring.Component):
    """Makes the pulse trains of a layer's rows and columns, and pulses the devices of
    the layer with them.

    - ``row``: one row of the layer, from ``begin`` on, the row of biases last. Its
      train is stored here unless it has no pulse.
    - ``error``: the error of one column. Its train goes to the lanes on ``train``. A
      cycle has a row or an error, not both; a train takes MADE_LATENCY cycles.
    - ``start`` pulses the devices of layer ``number``, whose settings (``law``) are
      stored. ``take`` tells the lanes to use their trains. The stored rows go to the
      lanes on ``pulsed``, one per cycle while there is ``room``; the first row goes to
      row address ``from_row``.
    - ``alone``: only that row is pulsed, in every slot. Otherwise, in a ``chopped``
      layer, the pulses of the rows from ``turn`` on are reversed if ``odd``, and those
      of the rows before ``turn`` if not ``odd``.
    - ``record`` is the record of the device tables to use.
    - ``done``: all pulses are counted. The last states are written while ``busy`` is
      still high. The layer, rates and keys may change after ``start``.

    If the layer's ``step_shift`` is below SERIAL_SHIFT, devices take one pulse at a
    time: the rows go to the lanes in passes, one for each pulse of the device that gets
    most (``lanes_more``), each pass under its own cycle key; ``done`` then also says
    that all states are written. There is one pass per pulse, not per slot, since most
    updates need one or two.

    Resources: a ``Trains``, a multiplier, and 31 bits a row of states.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "layer": In(layer_layout(g)),
                "number": In(range(g.layers)),
                "record": In(range(g.layers)),
                "alone": In(1),
                "from_row": In(INDEX_BITS),
                "turn": In(INDEX_BITS),
                "odd": In(1),
                "slots": In(range(SLOTS_MAX + 1)),
                "exponent": In(EXPONENT_SHAPE),
                "row_key": In(64),
                "column_key": In(64),
                "device_key": In(64),
                "cycle_key": In(64),
                "begin": In(1),
                "row": In(trained_row_layout(g)),
                "error": In(error_layout(g)),
                "train": Out(train_layout(g)),
                "start": In(1),
                "busy": Out(1),
                "done": Out(1),
                "take": Out(1),
                "law": Out(law_layout(g)),
                "pulsed": Out(pulsed_row_layout()),
                "room": In(1),
                "lanes_waiting": In(1),
                "lanes_busy": In(1),
                "lanes_more": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, layer = self.geometry, self.layer
        rows = address_bits(g)
        m.submodules.trains = trains = Trains()
        m.submodules.kept = kept = RegisteredMemory(TRAIN_BITS + rows, g.weight_depth)
        train, number, of_row, of_column = self._trains(m, trains)
        m.d.comb += [
            self.train.valid.eq(of_column),
            self.train.lane.eq(number),
            self.train.value.eq(train),
        ]

        # Each layer's number of rows that have pulses. Whether a row has pulses is
        # known a cycle after its train.
        count, keep, ends = Signal(range(g.weight_depth)), Signal(), Signal()
        counts = Array(Signal(range(g.weight_depth), name=f"count_{i}") for i in range(g.layers))
        m.d.comb += [
            kept.write.eq(keep),
            kept.write_address.eq((layer.at_state + count)[:rows]),
            kept.write_data.eq(delayed(m, Cat(train, number[:rows]), 1, "kept")),
        ]
        m.d.sync += [
            keep.eq(of_row & train.any()),
            ends.eq(of_row & (number == layer.inputs)),
            count.eq(count + keep),
        ]
        with m.If(ends):
            m.d.sync += counts[self.number].eq(count + keep)
        with m.If(self.begin):
            m.d.sync += count.eq(0)

        at, left, wait = Signal(rows), Signal(range(g.weight_depth)), Signal(range(SETTLED + 1))
        visit, law = Signal(), self.law
        alone, first = Signal(), Signal(INDEX_BITS)
        chopped, odd, turn = Signal(), Signal(), Signal(INDEX_BITS)
        pass_rows, first_word, constant = Signal.like(left), Signal(16), Signal(16)
        next_constant = Signal(16)
        m.d.comb += next_constant.eq(constant + pulse_constant(1))
        m.d.comb += [kept.address.eq(at), self.busy.eq(1)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.busy.eq(0), self.take.eq(self.start)]
                with m.If(self.start):
                    m.d.sync += [
                        law.at_state.eq(layer.at_state),
                        law.device_key.eq(self.device_key),
                        law.cycle_key.eq(self.cycle_key),
                        law.layer.eq(self.number),
                        law.record.eq(self.record),
                        law.slope_up.eq(layer.slope_up),
                        law.slope_down.eq(layer.slope_down),
                        law.step_shift.eq(layer.step_shift),
                        law.serial.eq(layer.step_shift < SERIAL_SHIFT),
                        law.passed.eq(0),
                        *([law.tabled.eq(layer.tabled)] if g.step_tables else []),
                        first_word.eq(self.cycle_key[:16]),
                        constant.eq(0),
                        at.eq(layer.at_state),
                        left.eq(Mux(self.alone, 1, counts[self.number])),
                        pass_rows.eq(Mux(self.alone, 1, counts[self.number])),
                        alone.eq(self.alone),
                        first.eq(self.from_row),
                        chopped.eq(layer.chopped & ~self.alone),
                        odd.eq(self.odd),
                        turn.eq(self.turn),
                    ]
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += visit.eq(self.room & (left != 0))
                m.d.sync += [at.eq(at + visit), left.eq(left - visit), wait.eq(SETTLED)]
                with m.If(left == 0):
                    m.next = "LAST"
            with m.State("LAST"):
                m.d.sync += wait.eq(Mux(self.lanes_waiting, SETTLED, wait - 1))
                with m.If((wait == 0) & ~self.lanes_waiting):
                    m.d.comb += self.done.eq(~law.serial)
                    m.next = "WRITTEN"
                    with m.If(law.serial):
                        m.next = "PASSED"
            with m.State("PASSED"):
                # In a serial update, each pass over the rows reads the list that the
                # previous pass has written back.
                with m.If(~self.lanes_busy & self.lanes_more):
                    m.d.sync += [
                        law.passed.eq(law.passed + 1),
                        law.cycle_key[:16].eq(first_word ^ next_constant),
                        constant.eq(next_constant),
                        at.eq(law.at_state),
                        left.eq(pass_rows),
                    ]
                    m.next = "ROWS"
                with m.Elif(~self.lanes_busy):
                    m.d.comb += self.done.eq(1)
                    m.next = "WRITTEN"
            with m.State("WRITTEN"):
                with m.If(~self.lanes_busy):
                    m.next = "IDLE"
        valid = delayed(m, visit, READ_LATENCY, "visit")
        m.d.sync += [
            self.pulsed.valid.eq(valid),
            self.pulsed.train.eq(kept.data[:TRAIN_BITS] | alone.replicate(TRAIN_BITS)),
            self.pulsed.row.eq(first + Mux(alone, 0, kept.data[TRAIN_BITS:])),
            self.pulsed.turned.eq(chopped & (odd ^ (kept.data[TRAIN_BITS:] < turn))),
        ]
        return m

    def _trains(self, m: Module, trains: Trains) -> tuple[Value, Value, Value, Value]:
        """Return the pulse trains, the numbers of their rows or columns, and two
        signals that mark the trains of rows and those of columns. All are MADE_LATENCY
        cycles later than ``row`` or ``error``."""
        layer, row, error = self.layer, self.row, self.error
        m.submodules.product = product = Multiplier(8, 16)
        down, distance = Signal(6), Signal(signed(12))
        m.d.comb += distance.eq(layer.column_shift - self.exponent)
        m.d.sync += down.eq(Mux(distance < 0, 0, Mux(distance > 63, 63, distance)))
        value, rate, number = Signal(8), Signal(16), Signal(INDEX_BITS)
        # One register for each input: the inputs are spread over the die, and the
        # multiplier is far away.
        m.d.sync += [
            value.eq(Mux(row.valid, row.x, Mux(error.value < 0, -error.value, error.value))),
            rate.eq(Mux(row.valid, layer.row_rate, layer.column_rate)),
            number.eq(Mux(row.valid, row.row, error.lane)),
        ]
        of_row = delayed(m, row.valid, 1 + MULTIPLY_LATENCY, "of_row")
        shifted, threshold = Signal(24, reset_less=True), Signal(THRESHOLD_BITS, reset_less=True)
        m.d.sync += [
            shifted.eq(product.product >> Mux(of_row, layer.row_shift, down)),
            threshold.eq(Mux(shifted > PROBABILITY_ONE, PROBABILITY_ONE, shifted)),
        ]
        late = delayed(m, number, THRESHOLD_LATENCY - 1, "number")
        row_late, column_late = (
            delayed(m, of_row, 2, "row_late"),
            delayed(m, error.valid, THRESHOLD_LATENCY, "column_late"),
        )
        # Words that are in the pipeline keep their key; the key changes with the first
        # word of the next update.
        rows, of_rows, key = Signal(), Signal(), Signal(64)
        m.d.comb += of_rows.eq(
            delayed(m, of_row, 1, "of_row_late")
            | (rows & ~delayed(m, error.valid, THRESHOLD_LATENCY - 1, "of_error"))
        )
        m.d.sync += [rows.eq(of_rows), key.eq(Mux(of_rows, self.row_key, self.column_key))]
        m.d.comb += [
            product.a.eq(value),
            product.b.eq(rate),
            trains.key.eq(key),
            trains.slots.eq(self.slots),
            trains.number.eq(late),
            trains.threshold.eq(threshold),
        ]
        return (
            trains.train,
            delayed(m, late, TRAIN_LATENCY, "made"),
            delayed(m, row_late, TRAIN_LATENCY, "made_of_row"),
            delayed(m, column_late, TRAIN_LATENCY, "made_of_column"),
        )
