"""columns: converts a layer's columns with their constants, and computes the outputs
from the last layer's sums."""

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.arithmetic import SHIFT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.answers import ANSWER_LATENCY, COLUMN_STAGE, SUM_STAGE, Z_STAGE, Answers
from ndrite.hdl.learn.words import INDEX_BITS, answer_layout, column_layout, layer_layout
from ndrite.hdl.noise.noise import GAUSSIAN_LATENCY, Gaussian
from ndrite.hdl.noise.pass_schedule import Sigma
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import column_shape, energy_shape, numbered
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.readout.readout_pipe import GAIN_STAGE, PIPE_LATENCY, SETTINGS_STAGES, ReadoutPipe

VALUE_STAGE = GAUSSIAN_LATENCY + 1
"""Cycles after ``index`` at which ``values`` are taken."""
SETTING_STAGE = GAUSSIAN_LATENCY + GAIN_STAGE
"""Cycles after ``index`` at which ``gain`` and ``offset`` are taken."""
CONVERT_LATENCY = GAUSSIAN_LATENCY + PIPE_LATENCY
"""Cycles from ``index`` to ``codes``."""


class Converter(wiring.Component):
    """Converts column sums to codes: code = clip(rshift_round((value + noise) * gain,
    shift) + offset, B bits) << lshift.

    Values ``index``, ``index`` + 1 ... of a layer, as many as the geometry has
    readouts. Their noise is drawn under ``key``, its scale worked out after
    ``start`` from ``variance`` and ``var_cell`` with ``energy``, and 0 unless
    ``noisy``; it must be there when values are taken. ``key`` and ``lshift`` go with
    ``index``; all other inputs must not change meanwhile. Latency: CONVERT_LATENCY,
    a cycle for each ``index``. Resources: a ``Sigma``, and a ``Gaussian`` and a
    ``ReadoutPipe`` for each readout.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        count = geometry.readouts
        super().__init__(
            {
                "start": In(1),
                "noisy": In(1),
                "variance": In(32),
                "var_cell": In(16),
                "energy": In(energy_shape(geometry)),
                "key": In(64),
                "index": In(INDEX_BITS),
                "values": In(ArrayLayout(column_shape(geometry), count)),
                "gain": In(ArrayLayout(16, count)),
                "offset": In(ArrayLayout(signed(12), count)),
                "bits": In(4),
                "shift": In(6),
                "lshift": In(3),
                "codes": Out(ArrayLayout(signed(32), count)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.scale = scale = Sigma(self.geometry)
        half, top = Signal(SHIFT_MAX + 1), Signal(12)
        sigma = Signal(16)
        m.d.sync += [
            half.eq((Const(1, len(half)) << self.shift) >> 1),
            top.eq((Const(1, 12) << (self.bits - 1)[:4]) - 1),
        ]
        m.d.comb += [
            scale.start.eq(self.start),
            scale.variance_out.eq(self.variance),
            scale.var_cell.eq(self.var_cell),
            scale.energy.eq(self.energy),
            sigma.eq(Mux(self.noisy, scale.sigma, 0)),
        ]
        last = SETTINGS_STAGES[-1]
        lshift = delayed(m, self.lshift, GAUSSIAN_LATENCY + last, "lshift")
        for i in range(self.geometry.readouts):
            m.submodules[f"gaussian_{i}"] = gaussian = Gaussian(follow=True)
            m.submodules[f"pipe_{i}"] = pipe = ReadoutPipe(self.geometry)
            m.d.comb += [
                gaussian.key.eq(self.key),
                gaussian.column.eq(self.index + i),
                pipe.sample.eq(gaussian.sample),
                pipe.sigma.eq(sigma),
                pipe.column.eq(self.values[i]),
                pipe.gain.eq(self.gain[i]),
                pipe.offset.eq(self.offset[i]),
                pipe.half.eq(half),
                pipe.top.eq(top),
                self.codes[i].eq(pipe.increment),
            ]
            for settings in numbered(pipe, "settings", SETTINGS_STAGES):
                m.d.comb += [settings.adc_bits.eq(self.bits), settings.shift.eq(self.shift)]
            m.d.comb += numbered(pipe, "settings", [last])[0].lshift.eq(lshift)
        return m


ADDED_LATENCY = CONVERT_LATENCY + 1
"""Cycles from a column's turn until its sum is written."""
SUM_LATENCY = READ_LATENCY + 1
"""Cycles from ``address`` to ``partial``."""
GAIN_BITS = 28
"""Bits of gain and offset of a column."""


class Columns(wiring.Component):
    """Converts the sums of the columns to codes, and adds up the codes of a layer's passes.

    Forward: ``turn`` starts the conversion of all columns of a layer one cycle later,
    as many per cycle as the geometry has readouts. ``values`` are taken VALUE_STAGE
    cycles after a column's turn; ``shift`` requests the next ones a cycle earlier.
    ADDED_LATENCY cycles after its turn, a column's code is added to its partial sum,
    shifted left by ``low``; a ``first`` pass starts the sum at 0. The partial sum of
    column ``address`` is on ``partial`` SUM_LATENCY cycles later. The next ``turn`` is
    allowed when all columns have begun.

    Backward (``backward``): the sum of row ``row.index``, marked by ``row.valid``, is
    taken from ``total`` VALUE_STAGE cycles later and is on ``code`` CONVERT_LATENCY
    cycles later. ``start`` hands the ``energy`` of the errors or inputs to the
    ``Converter``, which derives the noise from it. Resources: a ``Converter``; 28 bits
    a column for gains, and twice 32 for sums.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "layer": In(layer_layout(g)),
                "noisy": In(1),
                "start": In(1),
                "energy": In(energy_shape(g)),
                "key": In(64),
                "turn": In(1),
                "low": In(3),
                "first": In(1),
                "values": In(ArrayLayout(column_shape(g), g.readouts)),
                "shift": Out(1),
                "address": In(INDEX_BITS),
                "partial": Out(signed(32)),
                "backward": In(1),
                "row": In(StructLayout({"valid": 1, "index": INDEX_BITS})),
                "total": In(column_shape(g)),
                "code": Out(StructLayout({"valid": 1, "index": INDEX_BITS, "value": signed(13)})),
                "readout": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, layer = self.geometry, self.layer
        count, bits = g.readouts, exact_log2(g.readouts)
        m.submodules.converter = converter = Converter(g)
        running, column = Signal(), Signal(INDEX_BITS)
        low, first = Signal(3), Signal()
        # ``ended``: this is the last conversion step of the layer. It is computed from
        # the layer's record, which arrives long before the layer's sums.
        last, ended = Signal(INDEX_BITS), Signal()
        m.d.sync += last.eq(((layer.outputs + (count - 1)) >> bits) - 1)
        m.d.comb += ended.eq(column == last)
        with m.If(self.turn):
            m.d.sync += [running.eq(1), column.eq(0), low.eq(self.low), first.eq(self.first)]
        with m.Else():
            m.d.sync += column.eq(column + 1)
            with m.If(ended):
                m.d.sync += running.eq(0)

        back, totals = self.backward, Signal.like(self.values)
        m.d.comb += totals.eq(self.values)
        gains = self._gains(
            m, layer.at_column[bits:] + delayed(m, column, SETTING_STAGE - READ_LATENCY, "at")
        )
        with m.If(back):
            m.d.comb += totals[0].eq(self.total)
        m.d.comb += [
            self.shift.eq(delayed(m, running, VALUE_STAGE - 1, "shift")),
            converter.noisy.eq(self.noisy),
            converter.start.eq(self.start),
            converter.energy.eq(self.energy),
            converter.key.eq(self.key),
            converter.index.eq(Mux(back, self.row.index, column << bits)),
            converter.values.eq(totals),
            converter.bits.eq(Mux(back, layer.back_bits, layer.adc_bits)),
            converter.shift.eq(Mux(back, layer.back_shift, layer.shift)),
            converter.lshift.eq(Mux(back, 0, low)),
            converter.variance.eq(Mux(back, layer.back_variance, layer.variance_out)),
            converter.var_cell.eq(Mux(back, layer.back_var, layer.var_cell)),
        ]
        for i, gain in enumerate(gains):
            m.d.comb += [
                converter.gain[i].eq(Mux(back, layer.back_gain, gain[:16])),
                converter.offset[i].eq(Mux(back, 0, gain[16:].as_signed())),
            ]

        # Partial sums are accumulated in one memory; readers other than the
        # accumulation use a copy of it.
        lead = CONVERT_LATENCY - READ_LATENCY
        read_at = delayed(m, column, lead, "read_at")
        wrote, wrote_at = delayed(m, running, ADDED_LATENCY, "wrote"), delayed(m, read_at, 3, "wrote_at")
        fresh = delayed(m, first, CONVERT_LATENCY, "fresh")
        chosen = delayed(m, self.address[:bits], READ_LATENCY, "chosen") if bits else 0
        copies = []
        for i in range(count):
            partial, copy = (RegisteredMemory(signed(32), g.columns // count) for _ in range(2))
            m.submodules[f"partial_{i}"], m.submodules[f"copy_{i}"] = partial, copy
            place, added = len(partial.address), Signal(signed(32), name=f"added_{i}", reset_less=True)
            m.d.sync += added.eq(Mux(fresh, 0, partial.data) + converter.codes[i])
            m.d.comb += [partial.address.eq(read_at[:place]), copy.address.eq(self.address[bits:][:place])]
            for memory in (partial, copy):
                m.d.comb += [
                    memory.write.eq(wrote),
                    memory.write_address.eq(wrote_at[:place]),
                    memory.write_data.eq(added),
                ]
            copies.append(copy.data)
        m.d.sync += self.partial.eq(Cat(*copies).word_select(chosen, 32).as_signed())
        m.d.comb += [
            self.code.valid.eq(delayed(m, self.row.valid, CONVERT_LATENCY, "code")),
            self.code.index.eq(delayed(m, self.row.index, CONVERT_LATENCY, "code_at")),
            self.code.value.eq(converter.codes[0]),
        ]
        return m

    def _gains(self, m: Module, address: Signal) -> list[Signal]:
        """Return the gain and offset of each column of a conversion step, READ_LATENCY
        cycles after the step's ``address``."""
        g, window, bits = self.geometry, self.readout, exact_log2(self.geometry.readouts)
        part, step = window.address[:bits], window.address[bits:]
        columns = []
        for i in range(g.readouts):
            m.submodules[f"gains_{i}"] = memory = RegisteredMemory(GAIN_BITS, g.columns // g.readouts)
            place = len(memory.address)
            m.d.comb += [
                memory.address.eq(Mux(window.select, step, address)[:place]),
                memory.write.eq(window.write & (part == i)),
                memory.write_address.eq(step[:place]),
                memory.write_data.eq(window.write_data),
            ]
            columns.append(memory.data)
        m.d.sync += window.read_data.eq(Cat(*columns).word_select(part, GAIN_BITS))
        return columns


WINDOWS = ("bias", "neuron", "curve_base", "curve_slope")


class Outputs(wiring.Component):
    """Computes the outputs of a layer's columns, one per cycle, after ``begin`` and
    while ``answering`` is high. It copies ``layer`` at the beginning, since the next
    layer may start before all outputs have arrived.

    ``columns`` are the first sums of the row of biases; ``shift`` requests the next
    ones a cycle before the last of them is used. ``address`` is the column; its partial
    sum is on ``partial`` SUM_LATENCY cycles later, its ``answer`` ANSWER_LATENCY cycles
    after that, and ``last`` marks the last answer. After a ``final`` layer, ``largest``
    is the first column with the largest z. Resources: ``Answers``, 64 bits a column.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "begin": In(1),
                "layer": In(layer_layout(g)),
                "final": In(1),
                "answering": Out(1),
                "address": Out(INDEX_BITS),
                "columns": In(ArrayLayout(column_shape(g), g.readouts)),
                "shift": Out(1),
                "partial": In(signed(32)),
                "answer": Out(answer_layout(g)),
                "last": Out(1),
                "largest": Out(INDEX_BITS),
                **{name: In(WindowSignature()) for name in WINDOWS},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, position, answering = self.geometry, self.address, self.answering
        m.submodules.answers = answers = Answers(g)
        m.submodules.biases = biases = RegisteredMemory(32, g.columns)
        m.submodules.neurons = neurons = RegisteredMemory(32, g.columns)
        wiring.connect(m, wiring.flipped(self.curve_base), answers.curve_base)
        wiring.connect(m, wiring.flipped(self.curve_slope), answers.curve_slope)
        layer, final, last = Signal(layer_layout(g)), Signal(), Signal(INDEX_BITS)
        with m.If(self.begin):
            m.d.sync += [layer.eq(self.layer), final.eq(self.final), answering.eq(1), position.eq(0)]
            m.d.sync += last.eq(self.layer.outputs - 1)
        with m.Elif(answering):
            m.d.sync += [position.eq(position + 1), answering.eq(position != last)]
        for memory, window in ((biases, self.bias), (neurons, self.neuron)):
            share(m, memory, window, (layer.at_column + position)[: len(memory.address)])
            m.d.sync += window.read_data.eq(memory.data)
        place = exact_log2(g.readouts)
        turns = answering & (position[:place] == g.readouts - 2) if place else self.begin | answering
        chosen = (
            Array(self.columns[i] for i in range(g.readouts))[position[:place]] if place else self.columns[0]
        )
        settings, answer = Signal(column_layout()), self.answer
        column = delayed(m, position, ANSWER_LATENCY, "answered_at")
        is_last = Signal()
        m.d.sync += is_last.eq(delayed(m, position, ANSWER_LATENCY - 1, "answered_before") == last)
        assert (COLUMN_STAGE, SUM_STAGE) == (READ_LATENCY, SUM_LATENCY)
        # Address of the next layer's states: after this layer's rows, its row of
        # biases and its row of ECRAMs. With fast devices, each row of the layer
        # occupies four rows of states.
        following, height, rows = Signal(INDEX_BITS), Signal(INDEX_BITS), Signal(INDEX_BITS)
        m.d.sync += [
            height.eq(layer.inputs + 1),
            rows.eq(Mux(layer.pulse_row == 0, height, height << 2)),
            following.eq(layer.at_state + rows + (layer.tuned_bits != 0)),
        ]
        m.d.comb += [
            settings.bias.eq(biases.data),
            Cat(settings.scale, settings.curve).eq(neurons.data),
            answers.layer.eq(layer),
            answers.read.eq(chosen),
            answers.p.eq(self.partial),
            answers.column.eq(settings),
            self.shift.eq(turns),
            self.last.eq(is_last),
            answer.valid.eq(delayed(m, answering, ANSWER_LATENCY, "answered")),
            answer.final.eq(final),
            answer.column.eq(column),
            answer.place.eq(following + column),
            answer.y.eq(answers.y),
            answer.change.eq(answers.change),
            answer.moved.eq(answers.moved),
        ]
        best = Signal(signed(32))
        summed, summed_at = (
            delayed(m, answering, Z_STAGE, "summed"),
            delayed(m, position, Z_STAGE, "summed_at"),
        )
        with m.If(summed & final & ((summed_at == 0) | (answers.z > best))):
            m.d.sync += [best.eq(answers.z), self.largest.eq(summed_at)]
        return m
