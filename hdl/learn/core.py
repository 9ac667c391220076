"""core: whole updates, sample by sample: forward, backward, and every device of every layer."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.errors import GeometryError
from emulator.spec.geometry import Geometry
from emulator.spec.learning import LEVELS
from emulator.spec.learning_map import TABLES
from emulator.spec.noise import DOMAIN_READ
from hdl.learn.answers import ANSWER_LATENCY, SUMS_STAGE, Z_STAGE, Answers
from hdl.learn.columns import Columns
from hdl.learn.converter import CONVERT_LATENCY, VALUE_STAGE
from hdl.learn.errors import ENERGY_LATENCY, LARGEST_LATENCY, Errors
from hdl.learn.forward import SHORTEST, Forward
from hdl.learn.keys import BACK_KEY, COLUMN_KEY, CYCLE_KEY, DEVICE_KEY, ROW_KEY, Keys
from hdl.learn.lanes import PEEK_LATENCY, PRODUCT_STAGE, Lanes, tree_levels
from hdl.learn.layouts import INDEX_BITS, TABLE_SHAPE, column_layout, layer_layout, table_address_bits
from hdl.learn.live import Live
from hdl.learn.pulses import MADE_LATENCY, Pulses
from hdl.learn.settings import Settings
from hdl.noise.pass_key import PassKey
from hdl.parts.bus import STREAM_LATENCY, WindowSignature
from hdl.parts.delay import delayed
from hdl.parts.memory import READ_LATENCY, RegisteredMemory, share

REGIONS = ("weights", "readout", "bias", "neuron", "curve_base", "curve_slope", "layers", "devices")
"""Memory regions that lie in the core (``emulator.spec.learning_map``)."""


class LearningCore(wiring.Component):
    """Updates of a chain of full layers with converters, none wider than the lanes.

    While ``ready`` the bus may access the windows. A sample's codes come one a cycle (``push``; ``last`` with
    the last one), after ``fresh``, into the ``bank`` that no update reads. ``start`` then does update
    ``update`` on bank ``from_bank`` with ``label``, while ``ready``; both hold still until ``ready`` is up
    again. ``right`` and the ``pulses`` of each layer are then of that update, and ``next`` is the number of
    the next one, as written (``next_written``) and counted. ``depth`` is the number of layers, ``inputs`` how
    many codes a sample has.

    Cycles of an update. Forward, each layer: for each tile and slice its live rows, or columns / readouts, or
    32, whichever are most; columns / readouts and columns for the answers, and about 65; a layer's rows add
    up while the answers before it come. Backward: a layer's rows twice, and about 90. Pulses: rows with
    pulses, or devices with pulses in the busiest SHARE lanes, whichever are more, and about 60; of all layers
    but the first one while the errors of the layer before are made. Resources: those of the parts.

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
                **{name: In(WindowSignature()) for name in REGIONS},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.settings = self.settings = settings = Settings(g)
        m.submodules.lanes = self.lanes = Lanes(g)
        m.submodules.forward = self.forward = forward = Forward(g)
        m.submodules.columns = self.columns = columns = Columns(g)
        m.submodules.errors = self.errors = errors = Errors(g)
        m.submodules.pulse = self.pulse = pulse = Pulses(g)
        m.submodules.keys = self.keys = keys = Keys(g)
        wiring.connect(m, wiring.flipped(self.layers), settings.window)
        wiring.connect(m, wiring.flipped(self.readout), columns.readout)
        self.number, self.final = number, final = Signal(range(g.layers)), Signal()
        self.record = layer = Signal(layer_layout())
        back_row, visit = Signal(INDEX_BITS), Signal()
        m.d.comb += [
            settings.number.eq(number),
            settings.start.eq(self.start),
            self.depth.eq(settings.depth),
            self.inputs.eq(settings.inputs),
            self.next.eq(settings.next),
            self.next_written.eq(settings.next_written),
            keys.seed.eq(self.seed),
            keys.update.eq(self.update),
            keys.die_seed.eq(settings.die_seed),
            keys.depth.eq(settings.depth),
            keys.layer.eq(number),
            final.eq(number == settings.depth - 1),
        ]
        self._forward(m)
        answering, begin = self._answers(m)
        self._columns(m, visit, back_row)
        self._rows(m, visit, back_row)
        self._pulses(m)
        self._devices(m)

        # The order of work.
        wait = Signal(range(64))
        m.d.comb += errors.at_state.eq(layer.at_state)

        def waited(then: str, *done: object) -> None:
            with m.If(wait == 0):
                m.d.sync += done
                m.next = then

        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM() as fsm:
            m.d.comb += self.ready.eq(fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [number.eq(0), columns.backward.eq(0), wait.eq(READ_LATENCY + 1)]
                with m.If(self.start):
                    m.d.comb += [keys.start.eq(1), errors.begin.eq(1)]
                    m.next = "FETCH"
            with m.State("FETCH"):
                waited("BEGIN", layer.eq(settings.record))
            with m.State("BEGIN"):
                with m.If(keys.ready):
                    m.d.comb += forward.start.eq(1)
                    m.next = "FORWARD"
            with m.State("FORWARD"):
                m.d.sync += wait.eq(ANSWER_LATENCY - READ_LATENCY - 2)
                with m.If(forward.answer):
                    m.d.comb += begin.eq(1)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                # The next layer's rows are those answers that have come.
                with m.If(~final & (wait == 0)):
                    m.d.sync += [number.eq(number + 1), wait.eq(READ_LATENCY + 1)]
                    m.next = "FETCH"
                with m.Elif(final & ~answering & keys.whole):
                    m.d.sync += wait.eq(ANSWER_LATENCY + ENERGY_LATENCY + 2)
                    m.next = "ERRORS"
            with m.State("ERRORS"):
                m.d.comb += columns.start.eq((wait == 0) & ~pulse.busy)
                m.d.sync += [columns.backward.eq(1), back_row.eq(0)]
                with m.If((wait == 0) & ~pulse.busy):
                    with m.If(number == 0):
                        m.d.sync += wait.eq(MADE_LATENCY)
                        m.next = "PULSES"
                    with m.Else():
                        m.d.sync += wait.eq(SHORTEST - VALUE_STAGE)
                        m.next = "SCALE"
            with m.State("SCALE"):
                waited("ROWS")
            with m.State("ROWS"):
                m.d.comb += visit.eq(1)
                m.d.sync += [back_row.eq(back_row + 1), wait.eq(MADE_LATENCY)]
                with m.If(back_row == layer.inputs - 1):
                    m.next = "READ"
            with m.State("READ"):
                # All rows are read; trains of columns have been made meanwhile.
                m.d.comb += pulse.start.eq(wait == 0)
                waited(
                    "CONVERT",
                    number.eq(number - 1),
                    wait.eq(CONVERT_LATENCY + LARGEST_LATENCY - MADE_LATENCY),
                )
            with m.State("CONVERT"):
                m.d.comb += errors.normalise.eq(wait == 0)
                waited("NORMAL", layer.eq(settings.record))
            with m.State("NORMAL"):
                m.d.sync += wait.eq(ENERGY_LATENCY + 1)
                with m.If(errors.done):
                    m.next = "ERRORS"
            with m.State("PULSES"):
                m.d.comb += pulse.start.eq(wait == 0)
                waited("PULSED")
            with m.State("PULSED"):
                with m.If(pulse.done):
                    m.next = "IDLE"
        return m

    def _forward(self, m: Module) -> None:
        """The rows of a layer from a sample's bank, or from the answers of the layer before."""
        g, layer, forward, number = self.geometry, self.record, self.forward, self.number
        banks = [Live(g, g.max_inputs) for _ in range(2)]
        m.submodules.hidden = hidden = self.hidden = Live(g, max(g.lanes, 2))
        from_bank = Signal()
        with m.If(self.ready):
            m.d.sync += from_bank.eq(self.from_bank)
        m.d.comb += [
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

    def _answers(self, m: Module) -> tuple[Signal, Signal]:
        """Sums with biases through the curves, from ``begin`` on while ``answering``; what comes of them.

        The layer after it may be under way when the last answers come: all this keeps its own record.
        """
        g, lanes, columns, hidden, errors = self.geometry, self.lanes, self.columns, self.hidden, self.errors
        m.submodules.answers = answers = Answers(g)
        m.submodules.biases = biases = RegisteredMemory(32, g.columns)
        m.submodules.neurons = neurons = RegisteredMemory(32, g.columns)
        wiring.connect(m, wiring.flipped(self.curve_base), answers.curve_base)
        wiring.connect(m, wiring.flipped(self.curve_slope), answers.curve_slope)
        layer, final = Signal(layer_layout()), Signal()
        answering, at, begin = Signal(), Signal(INDEX_BITS), Signal()
        with m.If(begin):
            m.d.sync += [layer.eq(self.record), final.eq(self.final), answering.eq(1), at.eq(0)]
        with m.Elif(answering):
            m.d.sync += [at.eq(at + 1), answering.eq(at != layer.outputs - 1)]
        for memory, window in ((biases, self.bias), (neurons, self.neuron)):
            share(m, memory, window, (layer.at_column + at)[: len(memory.address)])
            m.d.sync += window.read_data.eq(memory.data)
        place = exact_log2(g.readouts)
        # A cycle before the last of the columns at hand is answered.
        turns = answering & (at[:place] == g.readouts - 2) if place else begin | answering
        settings = Signal(column_layout())
        assert SUMS_STAGE == READ_LATENCY
        m.d.comb += [
            settings.bias.eq(biases.data),
            Cat(settings.scale, settings.curve).eq(neurons.data),
            answers.layer.eq(layer),
            answers.w.eq(
                Array(lanes.columns[i] for i in range(g.readouts))[at[:place]] if place else lanes.columns[0]
            ),
            answers.p.eq(columns.partial),
            answers.column.eq(settings),
            columns.address.eq(at),
            lanes.shift.eq(columns.shift | turns),
            lanes.forget.eq(begin | errors.normalise),
        ]
        answered, column = (
            delayed(m, value, ANSWER_LATENCY, n)
            for value, n in ((answering, "answered"), (at, "answered_at"))
        )
        m.d.comb += [
            hidden.begin.eq(begin),
            hidden.push.eq(answered & ~final),
            hidden.last.eq(column == layer.outputs - 1),
            hidden.x.eq(answers.y),
            errors.label.eq(self.label),
            errors.answer.valid.eq(answered),
            errors.answer.final.eq(final),
            errors.answer.column.eq(column),
            errors.answer.place.eq(layer.at_state + layer.inputs + 1 + column),
            errors.answer.y.eq(answers.y),
            errors.answer.change.eq(answers.change),
        ]
        best, best_at = Signal(signed(32)), Signal(INDEX_BITS)
        summed, summed_at = delayed(m, answering, Z_STAGE, "summed"), delayed(m, at, Z_STAGE, "summed_at")
        with m.If(summed & final & ((summed_at == 0) | (answers.z > best))):
            m.d.sync += [best.eq(answers.z), best_at.eq(summed_at)]
        m.d.sync += self.right.eq(best_at == self.label)
        return answering, begin

    def _columns(self, m: Module, visit: Signal, back_row: Signal) -> None:
        """Converters, forward of the passes and backward of the layer's rows, with their keys."""
        g, lanes, columns, forward, errors = (
            self.geometry,
            self.lanes,
            self.columns,
            self.forward,
            self.errors,
        )
        m.submodules.read_key = cipher = PassKey()
        read_key = Signal(64)
        with m.If(forward.turn):
            m.d.sync += read_key.eq(cipher.key)
        # Sums of rows that come later than values are taken wait no longer than the tree makes them.
        behind = max(0, PRODUCT_STAGE + tree_levels(g) - VALUE_STAGE)
        m.d.comb += [
            cipher.seed.eq(self.seed),
            cipher.domain.eq(DOMAIN_READ),
            cipher.inference.eq(self.update),
            cipher.counter.eq(
                Cat(forward.part, Const(0, 5), Cat(forward.tile, Const(0, 8))[:8], Const(0, 8), self.number)
            ),
            cipher.start.eq(forward.renew),
            columns.layer.eq(self.record),
            columns.noisy.eq(self.noise),
            columns.key.eq(Mux(columns.backward, self.keys.keys[BACK_KEY], read_key)),
            columns.turn.eq(forward.turn),
            columns.low.eq(forward.low),
            columns.first.eq(forward.first),
            columns.values.eq(lanes.columns),
            columns.total.eq(lanes.total),
            columns.energy.eq(Mux(columns.backward, errors.energy, forward.energy)),
            columns.row.valid.eq(delayed(m, visit, behind, "visit")),
            columns.row.index.eq(delayed(m, back_row, behind, "visit_at")),
            errors.code.eq(columns.code),
            errors.count.eq(self.record.inputs),
        ]
        with m.If(forward.passed):
            m.d.comb += columns.start.eq(1)

    def _rows(self, m: Module, visit: Signal, back_row: Signal) -> None:
        """What row the lanes read: for the bus, backward so that sums meet their noise, or forward."""
        g, lanes, window = self.geometry, self.lanes, self.weights
        row_bits = bits_for(g.weight_depth - 1)
        lead = max(0, VALUE_STAGE - PRODUCT_STAGE - tree_levels(g))
        at = delayed(m, self.record.at_state + back_row, lead, "back_at")
        m.d.comb += [lanes.row.eq(self.forward.row), lanes.backward.eq(self.columns.backward)]
        with m.If(self.ready):
            m.d.comb += lanes.row.address.eq(window.address)
        with m.Elif(self.columns.backward):
            m.d.comb += lanes.row.address.eq(at)
        m.d.comb += [
            lanes.poke.write.eq(window.write),
            lanes.poke.lane.eq(window.address[row_bits:]),
            lanes.poke.address.eq(window.address),
            lanes.poke.data.eq(window.write_data),
            lanes.peek_lane.eq(window.address[row_bits:]),
            window.read_data.eq(delayed(m, lanes.peeked, STREAM_LATENCY - PEEK_LATENCY, "peeked")),
        ]

    def _pulses(self, m: Module) -> None:
        """Trains of rows and columns, and the devices of the layer that is pulsed."""
        lanes, pulse, keys = self.lanes, self.pulse, self.keys.keys
        m.d.comb += [
            pulse.layer.eq(self.record),
            pulse.number.eq(self.number),
            pulse.slots.eq(self.settings.slots),
            pulse.exponent.eq(self.errors.exponent),
            pulse.row_key.eq(keys[ROW_KEY]),
            pulse.column_key.eq(keys[COLUMN_KEY]),
            pulse.device_key.eq(keys[DEVICE_KEY]),
            pulse.cycle_key.eq(keys[CYCLE_KEY]),
            pulse.begin.eq(self.forward.start),
            pulse.row.eq(self.forward.trained),
            pulse.error.eq(self.errors.error),
            pulse.room.eq(lanes.room),
            pulse.lanes_busy.eq(lanes.busy),
            lanes.error.eq(self.errors.error),
            lanes.train.eq(pulse.train),
            lanes.take.eq(pulse.take),
            lanes.updating.eq(pulse.busy),
            lanes.law.eq(pulse.law),
            lanes.pulsed.eq(pulse.pulsed),
        ]
        with m.If(pulse.done):
            m.d.sync += self.pulses[pulse.law.layer].eq(lanes.pulses)

    def _devices(self, m: Module) -> None:
        """The window of the device tables; what it is read from is a copy."""
        g, window = self.geometry, self.devices
        bits = table_address_bits(g)
        m.submodules.tables = copy = RegisteredMemory(TABLE_SHAPE, len(TABLES) * g.layers * LEVELS)
        share(m, copy, window, 0)
        table = self.lanes.table
        m.d.sync += window.read_data.eq(copy.data)
        m.d.comb += [
            table.write.eq(window.write),
            table.table.eq(window.address[bits:]),
            table.address.eq(window.address[:bits]),
            table.data.eq(window.write_data),
        ]
