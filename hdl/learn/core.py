"""core: does complete training updates, sample by sample: forward pass, backward pass,
and pulses for every device of every layer."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.errors import GeometryError
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import LEVELS
from ndrite.emulator.spec.learning_map import TABLES, learning_words
from ndrite.emulator.spec.noise import DOMAIN_READ
from ndrite.hdl.learn.answers import Errors
from ndrite.hdl.learn.carry import Carry
from ndrite.hdl.learn.columns import VALUE_STAGE, WINDOWS, Columns, Outputs
from ndrite.hdl.learn.events import EVENT_STAGE
from ndrite.hdl.learn.lanes import PEEK_LATENCY, Lanes, total_stage
from ndrite.hdl.learn.order import Forward, Order
from ndrite.hdl.learn.pulses import Pulses
from ndrite.hdl.learn.words import (
    BACK_KEY,
    COLUMN_KEY,
    CYCLE_KEY,
    DEVICE_KEY,
    ECRAM_KEY,
    INDEX_BITS,
    ROW_KEY,
    TABLE_SHAPE,
    WORDS_LATENCY,
    Keys,
    Live,
    Settings,
    layer_layout,
    poke_layout,
    table_address_bits,
)
from ndrite.hdl.noise.pass_schedule import PassKey
from ndrite.hdl.parts.bus import STREAM_LATENCY, WindowSignature
from ndrite.hdl.parts.layouts import by_name, members
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed


class LearningCore(wiring.Component):
    """Core that trains a chain of fully connected layers with converters, none of them
    wider than the number of lanes. It does one update per sample.

    - While ``ready`` is high the bus may access the windows.
    - A sample's codes arrive one per cycle on ``push`` after ``fresh``, into the
      ``bank`` that no update reads; ``last`` marks the last code.
    - ``start``, allowed while ``free`` is high, does update number ``update`` on bank
      ``from_bank`` with ``label``. Both must not change until ``free`` is high again.
      ``ready`` follows later, since the last states are still written.
    - ``right`` and the ``pulses`` of each layer are then those of that update.
    - ``next`` is the number of the next update, as written (``next_written``)
      and counted. ``depth`` is the number of layers, ``inputs`` the number of
      codes of a sample.

    Neurons of a hidden layer are tuned if the layer's record says so: their ECRAMs are
    pulsed before the layer's devices, with a record of their own. If pulses go to fast
    devices, rows of these are then transferred to the layers' own devices (``Carry``).

    Cycles of an update:

    - Forward, for each layer: for each tile and slice the largest of its live rows,
      columns / readouts, and 32; then columns / readouts (or 18) and columns for the
      answers, and about 65. A layer's rows are added while the answers of the
      previous layer arrive.
    - Backward: a layer's rows twice, and about 85.
    - Pulses: the larger of the rows with pulses and the devices with pulses in the
      busiest group of lanes, and about 40. All layers but the first are pulsed
      while the errors of the previous layer are computed. If devices take their
      pulses one after the other: the same and about 60 more, once for each pulse of
      the device that gets most.
    - ECRAMs: a layer's columns, and about 110.
    - Transfer: 45 for a layer, or 3 a column and about 150 if a row is due.

    Resources: those of the parts.

    Raises
    ------
    GeometryError
        When the geometry has fewer rows than lanes, or no 9-bit weights.
    """

    def __init__(self, geometry: Geometry) -> None:
        g = geometry
        if g.rows < g.lanes or g.weight_bits != 9:
            raise GeometryError(
                f"geometry {g.name!r}: {g.rows} rows, {g.lanes} lanes, {g.weight_bits}-bit weights; accepted "
                "to learn: no more lanes than rows, and 9 bits"
            )
        self.geometry = g
        super().__init__(
            {
                "ready": Out(1),
                "free": Out(1),
                "start": In(1),
                "update": In(32),
                "label": In(INDEX_BITS),
                "seed": In(64),
                "noise": In(1),
                "bank": In(1),
                "fresh": In(1),
                "push": In(1),
                "code": In(8),
                "last": In(1),
                "from_bank": In(1),
                "inputs": Out(INDEX_BITS),
                "right": Out(1),
                "depth": Out(bits_for(g.layers)),
                "next": Out(32),
                "next_written": Out(1),
                "pulses": Out(ArrayLayout(32, g.layers)),
                **{name: In(WindowSignature()) for name in learning_words(g)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.order = self.order = order = Order(g)
        m.submodules.settings = self.settings = settings = Settings(g)
        m.submodules.lanes = self.lanes = Lanes(g)
        m.submodules.forward = self.forward = forward = Forward(g)
        m.submodules.columns = self.columns = columns = Columns(g)
        m.submodules.outputs = self.outputs = outputs = Outputs(g)
        m.submodules.errors = self.errors = errors = Errors(g)
        m.submodules.pulse = self.pulse = pulse = Pulses(g)
        m.submodules.carry = self.carry = carry = Carry(g)
        m.submodules.keys = self.keys = keys = Keys(g)
        wiring.connect(m, wiring.flipped(self.layers), settings.window)
        wiring.connect(m, wiring.flipped(self.readout), columns.readout)
        windows = members(outputs, WINDOWS)
        for name, port in members(self, WINDOWS).items():
            wiring.connect(m, wiring.flipped(port), windows[name])
        self.record = layer = Signal(layer_layout(g))
        # ``at_record``: number of the layer record in use; ``of_ecrams``: that record
        # describes the ECRAMs.
        self.at_record, self.of_ecrams = Signal.like(order.record), Signal()
        fetched = Signal()
        m.d.sync += fetched.eq(order.fetch)
        with m.If(order.fetch):
            m.d.sync += [
                layer.eq(settings.record),
                self.at_record.eq(order.record),
                self.of_ecrams.eq(order.ecrams),
            ]
        m.d.comb += [
            self.free.eq(order.ready),
            self.ready.eq(order.ready & ~pulse.busy),
            order.start.eq(self.start),
            order.depth.eq(settings.depth),
            order.inputs.eq(layer.inputs),
            order.known.eq(keys.ready),
            order.all_known.eq(keys.whole),
            order.summed.eq(forward.answer),
            order.answering.eq(outputs.answering),
            order.normal.eq(errors.done),
            order.pulsing.eq(pulse.busy),
            order.pulsed.eq(pulse.done),
            order.behind_tuned.eq(layer.behind_tuned),
            order.carries.eq(settings.carries),
            order.carried.eq(carry.done),
            order.due.eq(carry.due),
            order.weighing.eq(carry.weighing),
            carry.layer.eq(layer),
            carry.weigh.eq(fetched & layer.chopped & ~self.of_ecrams & ~order.carrying),
            carry.update.eq(self.update),
            carry.start.eq(order.carry),
            carry.pulsing.eq(pulse.busy),
            settings.number.eq(order.record),
            settings.start.eq(self.start),
            self.depth.eq(settings.depth),
            self.inputs.eq(settings.inputs),
            self.next.eq(settings.next),
            self.next_written.eq(settings.next_written),
            keys.start.eq(self.start),
            keys.seed.eq(self.seed),
            keys.update.eq(self.update),
            keys.die_seed.eq(settings.die_seed),
            keys.depth.eq(settings.depth),
            keys.layer.eq(order.number),
        ]
        self._forward(m)
        self._outputs(m)
        self._columns(m)
        self._rows(m)
        self._pulses(m)
        self._devices(m)
        return m

    def _forward(self, m: Module) -> None:
        """Connect the inputs of a layer to the forward pass: a sample's bank for the
        first layer, the outputs of the previous layer for any other."""
        g, layer, forward, number = self.geometry, self.record, self.forward, self.order.number
        banks = [Live(g, g.max_inputs) for _ in range(2)]
        m.submodules.hidden = hidden = self.hidden = Live(g, max(g.lanes, 2))
        from_bank = Signal()
        with m.If(self.free):
            m.d.sync += from_bank.eq(self.from_bank)
        m.d.comb += [
            forward.start.eq(self.order.forward),
            forward.layer.eq(layer),
            forward.hidden.eq(number != 0),
            forward.count.eq(hidden.count),
            forward.whole.eq(hidden.whole),
            forward.listed.eq(hidden.entry),
            hidden.address.eq(forward.address),
        ]
        for i, bank in enumerate(banks):
            m.submodules[f"bank_{i}"] = bank
            chosen = self.bank == i
            m.d.comb += [
                bank.begin.eq(self.fresh & chosen),
                bank.push.eq(self.push & chosen),
                bank.last.eq(self.last),
                bank.x.eq(self.code),
                bank.address.eq(forward.address),
                bank.tile.eq(forward.next_tile),
            ]
            with m.If((number == 0) & (from_bank == i)):
                m.d.comb += [forward.listed.eq(bank.entry), forward.end.eq(bank.end)]

    def _outputs(self, m: Module) -> None:
        """Connect the outputs of a layer: they are the inputs of the next layer or,
        together with the label, determine the output errors."""
        lanes, columns, hidden, errors = self.lanes, self.columns, self.hidden, self.errors
        order, outputs = self.order, self.outputs
        m.d.sync += self.right.eq(outputs.largest == self.label)
        m.d.comb += [
            outputs.begin.eq(order.answer),
            outputs.layer.eq(self.record),
            outputs.final.eq(order.final),
            outputs.columns.eq(lanes.columns),
            outputs.partial.eq(columns.partial),
            columns.address.eq(outputs.address),
            lanes.shift.eq(columns.shift | outputs.shift),
            lanes.forget.eq(order.answer | order.normalise | self.carry.begin),
            hidden.begin.eq(order.answer),
            hidden.push.eq(outputs.answer.valid & ~outputs.answer.final),
            hidden.last.eq(outputs.last),
            hidden.x.eq(outputs.answer.y),
            errors.begin.eq(self.start),
            errors.label.eq(self.label),
            errors.answer.eq(outputs.answer),
            errors.at_state.eq(self.record.at_state),
            errors.normalise.eq(order.normalise),
            errors.ecrams.eq(order.ecrams),
            errors.count.eq(Mux(self.of_ecrams, self.record.outputs, self.record.inputs)),
            errors.code.eq(columns.code),
        ]

    def _columns(self, m: Module) -> None:
        """Connect the converters, with their noise keys, for the forward passes and for
        the backward read of the layer's rows."""
        g, order, lanes, columns = self.geometry, self.order, self.lanes, self.columns
        forward, errors = self.forward, self.errors
        m.submodules.read_key = cipher = PassKey()
        read_key = Signal(64)
        with m.If(forward.turn):
            m.d.sync += read_key.eq(cipher.key)
        # If the sums ``total`` arrive later than VALUE_STAGE, where a value meets its
        # noise, the noise is delayed by the difference.
        behind = max(0, total_stage(g) - VALUE_STAGE)
        m.d.comb += [
            cipher.seed.eq(self.seed),
            cipher.domain.eq(DOMAIN_READ),
            cipher.inference.eq(self.update),
            cipher.counter.eq(
                Cat(forward.part, Const(0, 5), Cat(forward.tile, Const(0, 8))[:8], Const(0, 8), order.number)
            ),
            cipher.start.eq(forward.renew),
            columns.layer.eq(self.record),
            columns.noisy.eq(self.noise),
            columns.key.eq(Mux(order.backward, self.keys.keys[BACK_KEY], read_key)),
            columns.turn.eq(forward.turn),
            columns.low.eq(forward.low),
            columns.first.eq(forward.first),
            columns.values.eq(lanes.columns),
            columns.total.eq(lanes.total),
            columns.energy.eq(Mux(order.backward, errors.energy, forward.energy)),
            columns.row.valid.eq(delayed(m, order.visit, behind, "visit")),
            columns.row.index.eq(delayed(m, order.row, behind, "visit_at")),
            columns.start.eq(forward.passed | order.scale),
            columns.backward.eq(order.backward),
        ]

    def _rows(self, m: Module) -> None:
        """Select which row the lanes read: a row for the bus, for the transfer of fast
        devices, for the backward read (early, so that the sums arrive together with
        their noise), or for the forward pass."""
        g, lanes, window, carry = self.geometry, self.lanes, self.weights, self.carry
        row_bits = bits_for(g.weight_depth - 1)
        lead = max(0, VALUE_STAGE - total_stage(g))
        row_address = delayed(m, self.record.at_state + self.order.row, lead, "back_at")
        m.d.comb += [lanes.row.eq(self.forward.row), lanes.backward.eq(self.order.backward)]
        with m.If(self.ready):
            m.d.comb += lanes.row.address.eq(window.address)
        with m.Elif(carry.reading):
            m.d.comb += lanes.row.address.eq(carry.address)
        with m.Elif(self.order.backward):
            m.d.comb += lanes.row.address.eq(row_address)
        poke = Signal(poke_layout(g))
        m.d.comb += [
            poke.write.eq(window.write),
            poke.lane.eq(window.address[row_bits:]),
            poke.address.eq(window.address),
            poke.data.eq(window.write_data),
            lanes.poke.eq(Mux(self.order.carrying, carry.poke, poke)),
            lanes.peek_lane.eq(Mux(carry.reading, carry.lane, window.address[row_bits:])),
            carry.peeked.eq(lanes.peeked),
            window.read_data.eq(delayed(m, lanes.peeked, STREAM_LATENCY - PEEK_LATENCY, "peeked")),
        ]

    def _pulses(self, m: Module) -> None:
        """Connect the pulse trains of rows and columns, and the devices of the layer
        that is being pulsed."""
        lanes, pulse, keys, carry = self.lanes, self.pulse, self.keys.keys, self.carry
        carrying = self.order.carrying
        m.d.comb += [
            pulse.layer.eq(self.record),
            pulse.number.eq(self.order.number),
            pulse.record.eq(self.at_record),
            pulse.alone.eq(self.of_ecrams | carrying),
            pulse.from_row.eq(
                Mux(carrying, carry.row, Mux(self.of_ecrams, self.record.inputs, self.record.pulse_row))
            ),
            pulse.turn.eq(carry.row),
            pulse.odd.eq(carry.odd),
            pulse.slots.eq(self.settings.slots),
            pulse.exponent.eq(self.errors.exponent),
            pulse.row_key.eq(keys[ROW_KEY]),
            pulse.column_key.eq(Mux(self.of_ecrams, keys[ECRAM_KEY], keys[COLUMN_KEY])),
            pulse.device_key.eq(keys[DEVICE_KEY]),
            pulse.cycle_key.eq(keys[CYCLE_KEY]),
            pulse.start.eq(self.order.pulse),
            pulse.begin.eq(self.forward.start),
            pulse.row.eq(self.forward.trained),
            pulse.error.eq(self.errors.error),
            pulse.room.eq(lanes.room),
            pulse.lanes_waiting.eq(lanes.waiting),
            pulse.lanes_busy.eq(lanes.busy),
            pulse.lanes_more.eq(lanes.more),
            lanes.error.eq(Mux(carrying, carry.error, self.errors.error)),
            lanes.train.eq(Mux(carrying, carry.train, pulse.train)),
            lanes.take.eq(pulse.take),
            lanes.updating.eq(pulse.busy),
            lanes.law.eq(pulse.law),
            lanes.pulsed.eq(pulse.pulsed),
        ]
        counted = self.pulses[pulse.law.layer]
        with m.If(delayed(m, pulse.done, 1, "pulses_done")):
            m.d.sync += counted.eq(counted + lanes.pulses)
        with m.If(self.start):
            m.d.sync += self.pulses.eq(0)

    def _devices(self, m: Module) -> None:
        """Connect the bus window of the device tables, and send a layer's tables to the
        lanes when its pulses begin."""
        g, window, pulse, table = self.geometry, self.devices, self.pulse, self.lanes.table
        m.submodules.tables = tables = RegisteredMemory(TABLE_SHAPE, g.layers * LEVELS, parts=len(TABLES))
        bits = table_address_bits(g)
        # All levels of the device tables must be loaded before the first device needs one.
        assert LEVELS <= EVENT_STAGE + WORDS_LATENCY + 5
        table_number = window.address[bits:][: bits_for(len(TABLES) - 1)]
        entries = delayed(m, table_number, READ_LATENCY, "table")
        level, loads = Signal(range(LEVELS)), Signal()
        m.d.sync += level.eq(level + loads)
        with m.If(pulse.take):
            m.d.sync += loads.eq(1)
        with m.Elif(level == LEVELS - 1):
            m.d.sync += loads.eq(0)
        m.d.comb += [
            tables.address.eq(Mux(window.select, window.address[:bits], Cat(level, pulse.law.record))),
            tables.write.eq(Cat(window.write & (table_number == i) for i in range(len(TABLES)))),
            tables.write_address.eq(window.address[:bits]),
            tables.write_data.eq(window.write_data[: TABLE_SHAPE.width].replicate(len(TABLES))),
            table.write.eq(delayed(m, loads, READ_LATENCY, "loads")),
            table.level.eq(delayed(m, level, READ_LATENCY, "level")),
            table.entries.eq(tables.data),
        ]
        m.d.sync += window.read_data.eq(tables.data.word_select(entries, TABLE_SHAPE.width).as_signed())
        if g.step_tables:
            window, access = self.step_tables, self.lanes.step_access
            m.d.comb += by_name(access, window, "select", "write", "address")
            m.d.comb += access.data.eq(window.write_data)
            m.d.sync += window.read_data.eq(self.lanes.step)
