"""core: whole updates, sample by sample: forward, backward, and every device of every layer."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.errors import GeometryError
from emulator.spec.geometry import Geometry
from emulator.spec.learning import ERROR_BITS, ERROR_MAX, LEVELS, PROBABILITY_ONE
from emulator.spec.learning_map import LAYER_WORDS, RUN, SETTING_WORDS, TABLES
from hdl.learn.answers import ANSWER_LATENCY, SUMS_STAGE, Z_STAGE, Answers
from hdl.learn.converter import CONVERT_LATENCY, SETTING_STAGE, VALUE_STAGE, Converter
from hdl.learn.keys import BACK_KEY, COLUMN_KEY, CYCLE_KEY, DEVICE_KEY, ROW_KEY, Keys
from hdl.learn.lanes import PEEK_LATENCY, PRODUCT_STAGE, SUM_STAGE, Lanes, tree_levels
from hdl.learn.layouts import (
    CHANGE_SHAPE,
    ERROR_SHAPE,
    EXPONENT_SHAPE,
    INDEX_BITS,
    TABLE_SHAPE,
    column_layout,
    layer_layout,
    live_layout,
    table_address_bits,
)
from hdl.learn.live import TILES, Live
from hdl.learn.trains import TRAIN_LATENCY, Trains
from hdl.parts.bus import STREAM_LATENCY, WindowSignature
from hdl.parts.delay import delayed
from hdl.parts.layouts import energy_shape
from hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier

SCALED_SHAPE = signed(31)
"""An error times a derivative."""
THRESHOLD_STAGE = READ_LATENCY + 4
"""Cycles from a row or column to its train's threshold."""
ROW_LEAD = VALUE_STAGE - PRODUCT_STAGE
"""Cycles by which a row is behind its noise, less one for each level of the tree."""


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

    Cycles of an update, each layer: its live rows times slices, and for each tile and slice columns + about
    90; twice columns + about 130 backward; its live rows with pulses, or devices with pulses in the busiest
    eight lanes, whichever are more. Resources: ``Lanes``, ``Trains``, ``Answers``, ``Converter``, and
    memories of columns and rows.

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
        m.submodules.lanes = lanes = self.lanes = Lanes(g)
        m.submodules.live = live = Live(g)
        banks = [Live(g), Live(g)]
        m.submodules.bank_0, m.submodules.bank_1 = banks
        m.submodules.answers = answers = Answers(g)
        m.submodules.converter = converter = Converter(g)
        m.submodules.trains = self.trains = Trains()
        m.submodules.keys = keys = self.keys = Keys(g)
        m.submodules.settings = settings = RegisteredMemory(32, g.layers, parts=SETTING_WORDS)
        m.submodules.biases = biases = RegisteredMemory(32, g.columns)
        m.submodules.readouts = readouts = RegisteredMemory(32, g.columns)
        m.submodules.neurons = neurons = RegisteredMemory(32, g.columns)
        m.submodules.partials = partials = RegisteredMemory(signed(32), g.columns)
        m.submodules.changes = changes = RegisteredMemory(CHANGE_SHAPE, g.columns)
        m.submodules.errors = errors = self.errors = RegisteredMemory(ERROR_SHAPE, g.columns)
        m.submodules.scaled = scaled = RegisteredMemory(SCALED_SHAPE, g.columns)
        place = bits_for(g.columns - 1)

        number, layer = Signal(range(g.layers)), Signal(layer_layout())
        tile, part, count, total = Signal(range(TILES)), Signal(3), Signal(INDEX_BITS), Signal(INDEX_BITS)
        begin, end = Signal(INDEX_BITS), Signal(INDEX_BITS)
        wait = Signal(range(128))
        exponent, more = Signal(EXPONENT_SHAPE), Signal(EXPONENT_SHAPE)
        first_sum, final = Signal(), Signal()
        energy = Signal(energy_shape(g))
        backward, answering, updating = Signal(), Signal(), Signal()

        # What is launched, one index a cycle: columns or rows to convert, to answer, to load, to scale.
        convert, answer, load, scale, visit, bias_visit = (
            Signal(name=n) for n in ("convert", "answer", "load", "scale", "visit", "bias_visit")
        )

        def after(value: Any, cycles: int, name: str) -> Any:
            return delayed(m, value, cycles, name)

        depth = self._settings(m, settings, number)
        m.d.comb += [
            answers.layer.eq(layer),
            lanes.backward.eq(backward),
            lanes.updating.eq(updating),
            self.depth.eq(depth),
            keys.seed.eq(self.seed),
            keys.update.eq(self.update),
            keys.layer.eq(number),
            keys.tile.eq(tile),
            keys.part.eq(part),
            live.layer.eq(number),
        ]
        m.d.comb += [
            lanes.law.at_state.eq(layer.at_state),
            lanes.law.device_key.eq(keys.keys[DEVICE_KEY]),
            lanes.law.cycle_key.eq(keys.keys[CYCLE_KEY]),
            lanes.law.layer.eq(number),
            lanes.law.slope_up.eq(layer.slope_up),
            lanes.law.slope_down.eq(layer.slope_down),
            lanes.law.step_shift.eq(layer.step_shift),
        ]

        m.d.comb += final.eq(number == depth - 1)
        self._states(m)
        self._devices(m)
        wiring.connect(m, wiring.flipped(self.curve_base), answers.curve_base)
        wiring.connect(m, wiring.flipped(self.curve_slope), answers.curve_slope)

        # The first layer's live rows are those of the sample's bank.
        entry, end_of_tile = Signal(live_layout()), Signal(INDEX_BITS)
        self.entry = entry
        m.d.comb += [entry.eq(live.entry), end_of_tile.eq(live.end)]
        from_bank = Signal()
        with m.If(self.ready):
            m.d.sync += from_bank.eq(self.from_bank)
        for i, bank in enumerate(banks):
            chosen = self.bank == i
            m.d.comb += [
                bank.begin.eq(self.fresh & chosen),
                bank.push.eq(self.push & chosen),
                bank.last.eq(self.last),
                bank.x.eq(self.code),
                bank.address.eq(live.address),
                bank.tile.eq(live.tile),
            ]
            with m.If((number == 0) & (from_bank == i)):
                m.d.comb += [entry.eq(bank.entry), end_of_tile.eq(bank.end)]

        # Forward: live rows to the lanes, three cycles after their place in the list.
        row_valid = after(visit & ~updating, READ_LATENCY, "row_valid")
        x = Signal(8)
        low = Signal(3)
        d = layer.dac_bits
        slices = Mux(d == 8, 1, Mux(d == 4, 2, Mux(d == 2, 4, 8)))
        m.d.comb += low.eq(Mux(d == 8, 0, Mux(d == 4, part << 2, Mux(d == 2, part << 1, part))))
        mask = Signal(8)
        m.d.sync += mask.eq((Const(1, 9) << d) - 1)
        m.d.comb += x.eq((entry.x >> low) & mask)
        row_add, row_x, row_at = Signal(), Signal(8), Signal.like(lanes.address)
        square = Signal(16)
        m.d.comb += square.eq(x * x)
        m.d.sync += [
            row_add.eq(row_valid),
            row_x.eq(x),
            row_at.eq(layer.at_state + entry.row),
        ]
        with m.If(bias_visit):
            m.d.sync += [row_add.eq(1), row_x.eq(1), row_at.eq(layer.at_state + layer.inputs)]
        with m.If(row_valid):
            m.d.sync += energy.eq(energy + square)
        # Backward: rows so late that their sums meet their noise.
        back_at = after(layer.at_state + count, ROW_LEAD - tree_levels(g), "back_at")
        with m.If(self.ready):
            m.d.comb += lanes.address.eq(self.weights.address)
        with m.Elif(backward):
            m.d.comb += lanes.address.eq(back_at)
        with m.Else():
            m.d.comb += [lanes.address.eq(row_at), lanes.add.eq(row_add), lanes.x.eq(row_x)]

        # Conversion, of columns or of rows.
        shifting = after(convert & ~backward, VALUE_STAGE, "shifting") | answer
        index = Signal(INDEX_BITS)
        m.d.comb += index.eq(count)
        before = Signal(INDEX_BITS)
        m.d.comb += before.eq(layer.at_column - layer.inputs)
        column_at = after(index, SETTING_STAGE - READ_LATENCY, "column_at")
        sum_at = after(index, CONVERT_LATENCY - READ_LATENCY, "sum_at")
        converted = after(convert, CONVERT_LATENCY, "converted")
        converted_at = after(index, CONVERT_LATENCY, "converted_at")
        settings_of = Signal(column_layout())
        m.d.comb += [
            settings_of.eq(Cat(biases.data, readouts.data[:28], neurons.data)),
            lanes.shift.eq(shifting),
            converter.index.eq(index),
            converter.value.eq(Mux(backward, lanes.total, lanes.column)),
            converter.energy.eq(energy),
            converter.gain.eq(Mux(backward, layer.back_gain, settings_of.gain)),
            converter.offset.eq(Mux(backward, 0, settings_of.offset)),
            converter.bits.eq(Mux(backward, layer.back_bits, layer.adc_bits)),
            converter.shift.eq(Mux(backward, layer.back_shift, layer.shift)),
            converter.lshift.eq(Mux(backward, 0, low)),
            converter.key.eq(Mux(backward, keys.keys[BACK_KEY], keys.read_key)),
            converter.variance.eq(Mux(backward, layer.back_variance, layer.variance_out)),
            converter.var_cell.eq(Mux(backward, layer.back_var, layer.var_cell)),
            converter.noisy.eq(self.noise),
            partials.address.eq(Mux(answering, index, sum_at)[:place]),
            partials.write.eq(converted & ~backward),
            partials.write_address.eq(converted_at[:place]),
            partials.write_data.eq(Mux(first_sum, 0, partials.data) + converter.code),
            changes.address.eq((before + sum_at)[:place]),
        ]

        where = (layer.at_column + Mux(answering, index, column_at))[:place]
        windows = (self.bias, self.readout, self.neuron)
        for memory, window in zip((biases, readouts, neurons), windows, strict=True):
            share(m, memory, window, where)
            m.d.sync += window.read_data.eq(memory.data)

        # Answers: sums with biases through the curves.
        answered = after(answer, ANSWER_LATENCY, "answered")
        answered_at = after(index, ANSWER_LATENCY, "answered_at")
        summed, summed_at = after(answer, Z_STAGE, "summed"), after(index, Z_STAGE, "summed_at")
        best, best_at = Signal(signed(32)), Signal(INDEX_BITS)
        m.d.comb += [
            answers.w.eq(lanes.column),
            answers.p.eq(partials.data),
            answers.column.eq(settings_of),
        ]
        assert SUMS_STAGE == READ_LATENCY
        with m.If(summed & final & ((summed_at == 0) | (answers.z > best))):
            m.d.sync += [best.eq(answers.z), best_at.eq(summed_at)]
        last_answer = answered_at == layer.outputs - 1
        m.d.comb += [
            live.push.eq(answered & ~final),
            live.last.eq(last_answer),
            live.x.eq(answers.y),
            live.begin_layer.eq(number + 1),
            live.begin_at.eq(layer.at_live + layer.inputs),
        ]
        m.d.comb += [
            changes.write.eq(answered & ~final),
            changes.write_address.eq((layer.at_column + answered_at)[:place]),
            changes.write_data.eq(answers.change),
        ]

        # Errors: of outputs as they come, of hidden neurons when the largest is known.
        product, product_at, product_valid = _scaled(m, converter.code, changes.data, converted, converted_at)
        top = Signal(30)
        with m.If(product_valid & backward):
            size = Mux(product < 0, -product, product)
            m.d.sync += top.eq(Mux(size > top, size, top))
        power = Signal(EXPONENT_SHAPE)
        for i in range(len(top)):
            with m.If(top[i]):
                m.d.comb += power.eq(i + 1 - ERROR_BITS)
        scaled_error, scaled_valid, scaled_at = _normal(m, scaled.data, scale, index, more)
        m.d.comb += [
            scaled.address.eq(index[:place]),
            scaled.write.eq(product_valid & backward),
            scaled.write_address.eq(product_at[:place]),
            scaled.write_data.eq(product),
        ]
        with m.If(scaled_valid):
            m.d.comb += [
                errors.write.eq(1),
                errors.write_address.eq((before + scaled_at)[:place]),
                errors.write_data.eq(scaled_error),
            ]
        with m.Else():
            wanted = Mux(answered_at == self.label, INPUT_MAX, 0)
            m.d.comb += [
                errors.write.eq(answered & final),
                errors.write_address.eq((layer.at_column + answered_at)[:place]),
                errors.write_data.eq(wanted - answers.y),
            ]
        m.d.comb += errors.address.eq((layer.at_column + index)[:place])

        bias = visit & updating & (count == total)
        self._pulses(m, layer, load, visit & updating, bias, index, exponent, energy)

        # The order of work.
        lives = layer.inputs
        tiles_last = Signal(range(TILES))
        row_tiles = Signal(INDEX_BITS)
        m.d.comb += live.address.eq(layer.at_live + count)
        with m.FSM() as fsm:
            m.d.comb += self.ready.eq(fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [number.eq(0), exponent.eq(0), backward.eq(0), updating.eq(0), answering.eq(0)]
                with m.If(self.start):
                    m.d.sync += wait.eq(4)
                    m.next = "FETCH"
            with m.State("FETCH"):
                _waited(m, wait, "TILE", [layer.eq(settings.data), tile.eq(0), part.eq(0), begin.eq(0)])
                m.d.sync += [first_sum.eq(1), row_tiles.eq(0)]
            with m.State("TILE"):
                # Two cycles for the tile's end.
                m.d.comb += [keys.start_read.eq(1), lanes.clear.eq(1), live.tile.eq(tile)]
                m.d.sync += [energy.eq(0), wait.eq(4)]
                m.next = "END"
            with m.State("END"):
                m.d.comb += live.tile.eq(tile)
                _waited(m, wait, "ROWS", [end.eq(end_of_tile), count.eq(begin)])
            with m.State("ROWS"):
                m.d.comb += visit.eq(count != end)
                m.d.sync += wait.eq(READ_LATENCY + SUM_STAGE + 4)
                with m.If(visit):
                    m.d.sync += count.eq(count + 1)
                with m.Else():
                    m.next = "SUMS"
            with m.State("SUMS"):
                _waited(m, wait, "SCALE", [count.eq(0)])
                m.d.comb += converter.start.eq(wait == 0)
            with m.State("SCALE"):
                # ``ready`` of the pass before falls a cycle after ``start``.
                m.d.sync += wait.eq(Mux(wait == 3, 3, wait + 1))
                with m.If((wait == 3) & converter.ready & keys.read_ready):
                    m.next = "CONVERT"
            with m.State("CONVERT"):
                m.d.comb += convert.eq(1)
                m.d.sync += [count.eq(count + 1), wait.eq(CONVERT_LATENCY + 4)]
                with m.If(count == layer.outputs - 1):
                    m.next = "CONVERTED"
            with m.State("CONVERTED"):
                _waited(m, wait, "NEXT", [first_sum.eq(0)])
            with m.State("NEXT"):
                m.d.sync += wait.eq(0)
                with m.If(part + 1 != slices):
                    m.d.sync += part.eq(part + 1)
                    m.next = "TILE"
                with m.Elif(row_tiles + g.rows < lives):
                    m.d.sync += [
                        part.eq(0),
                        tile.eq(tile + 1),
                        row_tiles.eq(row_tiles + g.rows),
                        begin.eq(end),
                    ]
                    m.next = "TILE"
                with m.Else():
                    m.d.comb += lanes.clear.eq(1)
                    m.next = "BIAS"
            with m.State("BIAS"):
                m.d.comb += bias_visit.eq(1)
                m.d.sync += [wait.eq(SUM_STAGE + 4), count.eq(0), answering.eq(1)]
                m.next = "BIASED"
            with m.State("BIASED"):
                m.d.comb += live.begin.eq((wait == 0) & ~final)
                _waited(m, wait, "ANSWER", [])
            with m.State("ANSWER"):
                m.d.comb += answer.eq(1)
                m.d.sync += [count.eq(count + 1), wait.eq(ANSWER_LATENCY + 4)]
                with m.If(count == layer.outputs - 1):
                    m.next = "ANSWERED"
            with m.State("ANSWERED"):
                with m.If(wait == 0):
                    m.d.sync += [answering.eq(0), wait.eq(4)]
                    with m.If(final):
                        m.d.sync += self.right.eq(best_at == self.label)
                        m.next = "BACK"
                    with m.Else():
                        m.d.sync += number.eq(number + 1)
                        m.next = "FETCH"
                with m.Else():
                    m.d.sync += wait.eq(wait - 1)
            with m.State("BACK"):
                m.d.comb += [lanes.forget.eq(1), lanes.clear_pulses.eq(1), keys.start_layer.eq(wait == 0)]
                m.d.sync += [energy.eq(0), top.eq(0), count.eq(0)]
                _waited(m, wait, "KEYED", [layer.eq(settings.data)])
            with m.State("KEYED"):
                m.d.sync += wait.eq(Mux(wait == 3, 3, wait + 1))
                with m.If((wait == 3) & keys.ready[COLUMN_KEY]):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += load.eq(1)
                m.d.sync += [count.eq(count + 1), wait.eq(THRESHOLD_STAGE + TRAIN_LATENCY + 4)]
                with m.If(count == layer.outputs - 1):
                    m.next = "LOADED"
            with m.State("LOADED"):
                m.d.comb += converter.start.eq(wait == 0)
                m.d.sync += [backward.eq(1), more.eq(0)]
                _waited(m, wait, "BACK SCALE", [count.eq(0)])
            with m.State("BACK SCALE"):
                m.d.sync += wait.eq(Mux(wait == 3, 3, wait + 1))
                with m.If((wait == 3) & converter.ready & keys.ready[BACK_KEY]):
                    m.next = "BACK ROWS"
                    with m.If(number == 0):
                        m.next = "UPDATE"
            with m.State("BACK ROWS"):
                m.d.comb += convert.eq(1)
                m.d.sync += [count.eq(count + 1), wait.eq(CONVERT_LATENCY + 10)]
                with m.If(count == layer.inputs - 1):
                    m.next = "BACK DONE"
            with m.State("BACK DONE"):
                _waited(m, wait, "NORMAL", [count.eq(0), more.eq(power)])
            with m.State("NORMAL"):
                m.d.comb += scale.eq(1)
                m.d.sync += [count.eq(count + 1), wait.eq(10)]
                with m.If(count == layer.inputs - 1):
                    m.next = "NORMALISED"
            with m.State("NORMALISED"):
                _waited(m, wait, "UPDATE", [])
            with m.State("UPDATE"):
                # How many rows of the layer live: the end of its last tile.
                m.d.sync += [backward.eq(0), updating.eq(1), wait.eq(4), tile.eq(0), row_tiles.eq(0)]
                with m.If(keys.ready[ROW_KEY] & keys.ready[DEVICE_KEY] & keys.ready[CYCLE_KEY]):
                    m.next = "LAST TILE"
            with m.State("LAST TILE"):
                m.d.sync += [tiles_last.eq(tile), wait.eq(4)]
                with m.If(row_tiles + g.rows < lives):
                    m.d.sync += [row_tiles.eq(row_tiles + g.rows), tile.eq(tile + 1)]
                with m.Else():
                    m.next = "ALL"
            with m.State("ALL"):
                m.d.comb += live.tile.eq(tiles_last)
                _waited(m, wait, "PULSES", [total.eq(end_of_tile), count.eq(0)])
            with m.State("PULSES"):
                # One more than live: the row of biases.
                m.d.comb += visit.eq(lanes.room)
                m.d.sync += wait.eq(THRESHOLD_STAGE + TRAIN_LATENCY + 6)
                with m.If(visit):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == total):
                        m.next = "PULSED"
            with m.State("PULSED"):
                with m.If(wait != 0):
                    m.d.sync += wait.eq(wait - 1)
                with m.Elif(~lanes.busy):
                    m.d.sync += [updating.eq(0), exponent.eq(exponent + more), wait.eq(4)]
                    m.d.sync += self.pulses[number].eq(lanes.pulses)
                    with m.If(number == 0):
                        m.next = "IDLE"
                    with m.Else():
                        m.d.sync += number.eq(number - 1)
                        m.next = "BACK"
        return m

    def _settings(self, m: Module, settings: RegisteredMemory, number: Signal) -> Signal:
        """The window of the layers' records; the number of layers."""
        g, window = self.geometry, self.layers
        word_bits = exact_log2(LAYER_WORDS)
        word, record = window.address[:word_bits], window.address[word_bits:]
        run = [Signal(32, name=name) for name in RUN]
        last = record == g.layers
        chosen = delayed(m, word, READ_LATENCY, "word")
        bits = len(settings.address)
        m.d.comb += [
            settings.address.eq(Mux(window.select, record[:bits], number)),
            settings.write.eq(Mux(window.write & ~last, Const(1, SETTING_WORDS) << word, 0)[:SETTING_WORDS]),
            settings.write_address.eq(record[:bits]),
            settings.write_data.eq(window.write_data.replicate(SETTING_WORDS)),
        ]
        m.d.sync += window.read_data.eq(Mux(chosen < SETTING_WORDS, settings.data.word_select(chosen, 32), 0))
        for i, held in enumerate(run):
            with m.If(window.write & last & (word == i)):
                m.d.sync += held.eq(window.write_data)
            with m.If(last & (chosen == i)):
                m.d.sync += window.read_data.eq(held)
        m.d.comb += [self.next.eq(run[4]), self.next_written.eq(window.write & last & (word == 4))]
        with m.If(self.start):
            m.d.sync += run[4].eq(run[4] + 1)
        with m.If(window.write & (record == 0) & (word == 0)):
            m.d.sync += self.inputs.eq(window.write_data)
        m.d.comb += [self.keys.die_seed.eq(Cat(run[0], run[1])), self.trains.slots.eq(run[2])]
        return run[3]

    def _states(self, m: Module) -> None:
        """The window of the states, an access in every cycle."""
        window, lanes = self.weights, self.lanes
        row_bits = bits_for(self.geometry.weight_depth - 1)
        row, lane = window.address[:row_bits], window.address[row_bits:]
        m.d.comb += [
            lanes.poke.write.eq(window.write),
            lanes.poke.lane.eq(lane),
            lanes.poke.address.eq(row),
            lanes.poke.data.eq(window.write_data),
            lanes.peek_lane.eq(lane),
            window.read_data.eq(delayed(m, lanes.peeked, STREAM_LATENCY - PEEK_LATENCY, "peeked")),
        ]

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

    def _pulses(
        self,
        m: Module,
        layer: Any,
        load: Value,
        visit: Value,
        bias: Value,
        index: Value,
        exponent: Value,
        energy: Value,
    ) -> None:
        """Errors and trains into the lanes (``load``, column ``index``), then trains of rows (``visit``)."""
        lanes, trains, keys, error = self.lanes, self.trains, self.keys, self.errors.data
        loaded, at = delayed(m, load, READ_LATENCY, "loaded"), delayed(m, index, READ_LATENCY, "loaded_at")
        visited = delayed(m, visit, READ_LATENCY, "visited")
        of_bias = delayed(m, bias, READ_LATENCY, "of_bias")
        entry = self.entry
        size, square = Signal(8), Signal(16)
        m.d.comb += [size.eq(Mux(error < 0, -error, error)), square.eq(size * size)]
        m.d.comb += [lanes.error.write.eq(loaded), lanes.error.lane.eq(at), lanes.error.value.eq(error)]
        with m.If(loaded):
            m.d.sync += energy.eq(energy + square)
        value_3, number_3 = Signal(8, reset_less=True), Signal(INDEX_BITS, reset_less=True)
        product_4 = Signal(24, reset_less=True)
        shifted_5, threshold_6 = Signal(24, reset_less=True), Signal(17, reset_less=True)
        down, distance = Signal(6), Signal(signed(12))
        m.d.comb += distance.eq(layer.column_shift - exponent)
        m.d.sync += down.eq(Mux(distance < 0, 0, Mux(distance > 63, 63, distance)))
        rate, shift = Signal(16), Signal(6)
        with m.If(lanes.updating):
            m.d.comb += [rate.eq(layer.row_rate), shift.eq(layer.row_shift)]
            m.d.comb += trains.key.eq(keys.keys[ROW_KEY])
        with m.Else():
            m.d.comb += [rate.eq(layer.column_rate), shift.eq(down)]
            m.d.comb += trains.key.eq(keys.keys[COLUMN_KEY])
        m.d.sync += [
            value_3.eq(Mux(visited, Mux(of_bias, INPUT_MAX, entry.x), size)),
            number_3.eq(Mux(visited, Mux(of_bias, layer.inputs, entry.row), at)),
            product_4.eq(value_3 * rate),
            shifted_5.eq(product_4 >> shift),
            threshold_6.eq(Mux(shifted_5 > PROBABILITY_ONE, PROBABILITY_ONE, shifted_5)),
        ]
        number_6 = delayed(m, number_3, 3, "number")
        m.d.comb += [trains.number.eq(number_6), trains.threshold.eq(threshold_6)]
        late = THRESHOLD_STAGE + TRAIN_LATENCY - READ_LATENCY
        m.d.comb += [
            lanes.train.write.eq(delayed(m, loaded, late, "trained")),
            lanes.train.lane.eq(delayed(m, at, late, "trained_at")),
            lanes.train.value.eq(trains.train),
            lanes.pulsed.valid.eq(delayed(m, visited, late, "pulsed") & trains.train.any()),
            lanes.pulsed.row.eq(delayed(m, number_6, TRAIN_LATENCY, "pulsed_row")),
            lanes.pulsed.train.eq(trains.train),
        ]


def _waited(m: Module, wait: Signal, then: str, done: list[Any]) -> None:
    """In a state: count ``wait`` down, then do ``done`` and go on."""
    with m.If(wait == 0):
        m.d.sync += done
        m.next = then
    with m.Else():
        m.d.sync += wait.eq(wait - 1)


def _scaled(m: Module, code: Value, change: Value, valid: Value, index: Value) -> tuple[Value, Value, Value]:
    """Converted sums of rows times their neurons' derivatives."""
    m.submodules.slope = slope = Multiplier(signed(13), CHANGE_SHAPE)
    m.d.comb += [slope.a.eq(code), slope.b.eq(change)]
    return (
        slope.product,
        delayed(m, index, MULTIPLY_LATENCY, "product_at"),
        delayed(m, valid, MULTIPLY_LATENCY, "product_valid"),
    )


def _normal(m: Module, value: Value, scale: Value, index: Value, power: Value) -> tuple[Value, Value, Value]:
    """Errors of 8 bits and a sign, ``value`` (read READ_LATENCY after ``index``) by 2^power."""
    up, down = Signal(4), Signal(5)
    half = Signal(30)
    m.d.sync += [
        up.eq(Mux(power < 0, -power, 0)),
        down.eq(Mux(power < 0, 0, power)),
        half.eq((Const(1, 30) << down) >> 1),
    ]
    raised, shifted = Signal(signed(40), reset_less=True), Signal(signed(40), reset_less=True)
    out = Signal(ERROR_SHAPE, reset_less=True)
    m.d.sync += [
        raised.eq((value << up) + half),
        shifted.eq(raised >> down),
        out.eq(Mux(shifted > ERROR_MAX, ERROR_MAX, Mux(shifted < -ERROR_MAX, -ERROR_MAX, shifted))),
    ]
    late = READ_LATENCY + 3
    return out, delayed(m, scale, late, "normal"), delayed(m, index, late, "normal_at")
