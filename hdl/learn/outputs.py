"""outputs: the columns of a layer through their neurons, one after the other."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.answers import ANSWER_LATENCY, COLUMN_STAGE, SUM_STAGE, Z_STAGE, Answers
from ndrite.hdl.learn.columns import SUM_LATENCY
from ndrite.hdl.learn.layouts import INDEX_BITS, answer_layout, column_layout, layer_layout
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.layouts import column_shape
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory, share

WINDOWS = ("bias", "neuron", "curve_base", "curve_slope")


class Outputs(wiring.Component):
    """From ``begin`` on, while ``answering``: column ``address`` of ``layer``, which it keeps, as the next
    one may be under way before all answers have come. ``columns`` are the first sums of the row of biases,
    ``shift`` asks for the next ones a cycle before the last of them is answered; ``partial`` comes
    SUM_LATENCY after ``address``. ``answer`` comes ANSWER_LATENCY after it, ``last`` with the last one;
    ``largest`` is the first column of the largest z, after a ``final`` layer. Resources: ``Answers``, 64 bits
    a column.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "begin": In(1),
                "layer": In(layer_layout()),
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
        layer, final, last = Signal(layer_layout()), Signal(), Signal(INDEX_BITS)
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
        # Where the states of the next layer begin: behind biases, ECRAMs, and three rows more for each where
        # there are fast devices.
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
