"""neuron: passes column groups through the neurons, one column per cycle or a
whole readout step."""

import itertools

from amaranth import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Value, ValueLike
from amaranth.lib import stream
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.neuron.neuron_pipe import NEURON_LATENCY, OUTPUT_STAGE, NeuronPipe
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import Ports, Sized, activation_layout, by_name, group_layout, second_layout
from ndrite.hdl.parts.pipeline import delayed


def logit_layout(g: Geometry) -> StructLayout:
    """Layout of a stream of the network's outputs, one per cycle; ``final``
    marks the last one."""
    return StructLayout({"valid": 1, "final": 1, "column": bits_for(g.columns - 1), "z": signed(32)})


def codes_kept(g: Geometry) -> int:
    """Return how many output codes of one readout step may still wait for their writer
    when the codes of the next readout step arrive."""
    return max(g.neurons - 2, 0)


class Neuron(Sized):
    """Passes the columns of each column group through
    ``ndrite.hdl.neuron.neuron_pipe``, ``Geometry.neurons`` columns per cycle.

    Output layers stop at z: ``logit`` streams one column per cycle in order, with
    ``final`` at the network's last. Hidden layers compute y: ``activation`` streams
    one column per cycle or, with several neurons, a whole step of readout. In a
    program with feature maps it pauses while more than ``codes_kept`` codes wait for
    their writer, which takes ``turn`` of them per cycle. A group of another layer
    waits until the pipeline is empty, so that the settings do not change meanwhile.
    ``second`` has the second operands of a group that needs them, as many as there are
    neurons. Latency: OUTPUT_STAGE or NEURON_LATENCY cycles. Resources:
    ``Geometry.neurons`` pipes.
    """

    def ports(self, g: Geometry) -> Ports:
        return (
            {
                "groups": In(stream.Signature(group_layout(g))),
                "partials": In(stream.Signature(ArrayLayout(signed(32), g.readouts))),
                "logit": Out(logit_layout(g)),
                "activation": Out(activation_layout(g)),
            }
            | {f"{name}_window": In(WindowSignature()) for name in ("bias", "neuron", "base", "slope")}
            | ({"second": In(stream.Signature(second_layout(g)))} if g.map_codes else {})
            | ({"turn": In(range(g.neurons + 1))} if g.map_codes and g.neurons > 1 else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        wide = g.neurons > 1
        group = self.groups.payload
        left = Signal.like(group.columns)
        running = Signal()
        layer = Signal(group_layout(g))
        column, address = Signal.like(group.column), Signal.like(group.column)
        lane = Signal(exact_log2(g.readouts) or 1)
        layout = StructLayout(
            {
                "valid": 1,
                "end": 1,
                "column": column.shape(),
                "lane": lane.shape(),
                "count": bits_for(g.neurons),
            }
        )
        stages = [Signal(layout, name=f"stage_{n}", reset_less=True) for n in range(NEURON_LATENCY + 1)]
        busy = Signal()
        m.d.sync += busy.eq(Cat(stage.valid for stage in stages).any())

        sum_valid: Value = self.partials.valid
        if g.map_codes:
            sum_valid &= ~layer.second | self.second.valid
        # ``only``: the word of columns being taken is the last of its column group;
        # ``lane_last``: it is the last of its step. Both are computed a cycle ahead.
        only, lane_last = Signal(), Signal()
        take = running & sum_valid
        count: Value = Const(1)
        if wide:
            together = Signal()
            count = Mux(together, Mux(left < g.neurons, left[: bits_for(g.neurons)], g.neurons), 1)
        if wide and g.map_codes:
            # Counts of output codes that wait to be written after this cycle: without
            # the codes of one more step (``waiting_after``), and with them (``more``).
            free, codes_accepted = Signal(init=1), Signal()
            waiting, waiting_after, more = (
                Signal(range(2 * g.neurons), name=n) for n in ("waiting", "rest", "more")
            )
            take &= ~together | free
            m.d.comb += [
                codes_accepted.eq(take & together & layer.walked),
                waiting_after.eq(self._less_a_turn(waiting)),
                more.eq(waiting_after + count),
            ]
            # Whether the codes of one more step fit is known late in the cycle, so it
            # is computed for both cases and selected.
            capacity = codes_kept(g)
            m.d.sync += [
                waiting.eq(Mux(codes_accepted, more, waiting_after)),
                free.eq(
                    Mux(
                        codes_accepted,
                        self._less_a_turn(more) <= capacity,
                        self._less_a_turn(waiting_after) <= capacity,
                    )
                ),
            ]
        closing = take & only
        same: Value = ~layer.layer_end
        if g.map_codes:
            # In a program with feature maps the layer settings change only when the
            # pipeline is empty.
            same |= group.walked
        begin = [
            running.eq(1),
            layer.eq(group),
            left.eq(group.columns),
            only.eq(group.columns == 1),
            column.eq(group.first_column),
            address.eq(group.column),
            lane.eq(0),
            lane_last.eq(g.readouts == 1),
        ]
        if wide:
            few = Mux(group.output, group.columns == 1, group.columns <= g.neurons)
            begin += [together.eq(~group.output), only.eq(few), lane_last.eq(~group.output)]
        with m.If(self.groups.valid & ~running & (same | ~busy)):
            m.d.comb += self.groups.ready.eq(1)
            m.d.sync += begin
        with m.If(take):
            m.d.sync += [only.eq(left == 2), lane_last.eq((lane == g.readouts - 2) | (g.readouts == 1))]
            m.d.sync += [left.eq(left - 1), column.eq(column + 1), address.eq(address + 1), lane.eq(lane + 1)]
            if g.readouts == 1:
                m.d.sync += lane.eq(0)
            if wide:
                with m.If(together):
                    m.d.sync += [only.eq(left <= 2 * g.neurons), lane_last.eq(1), left.eq(left - g.neurons)]
                    m.d.sync += [column.eq(column + g.neurons), address.eq(address + g.neurons), lane.eq(0)]
        with m.If(closing):
            m.d.sync += running.eq(0)
        if wide:
            # The next column group follows without a gap.
            with m.If(closing & self.groups.valid & same):
                m.d.comb += self.groups.ready.eq(1)
                m.d.sync += begin
        step_taken = take & (only | lane_last)
        m.d.comb += [
            self.partials.ready.eq(step_taken),
            stages[0].valid.eq(take),
            stages[0].end.eq(only & layer.layer_end),
            stages[0].column.eq(column),
            stages[0].lane.eq(lane),
            stages[0].count.eq(count),
        ]
        if g.map_codes:
            m.d.comb += self.second.ready.eq((step_taken if wide else take) & layer.second)
        for early, late in itertools.pairwise(stages):
            m.d.sync += late.eq(early)
        pipes = self._pipes(m, layer, address, lane)
        out = stages[OUTPUT_STAGE]
        # The layer's settings are constant, so values that depend only on them are
        # computed a cycle ahead.
        m.d.sync += [
            self.logit.valid.eq(stages[OUTPUT_STAGE - 1].valid & layer.output),
            self.logit.final.eq(stages[OUTPUT_STAGE - 1].end & layer.output),
        ]
        m.d.comb += [
            self.logit.column.eq(out.column),
            self.logit.z.eq(Array(pipe.z for pipe in pipes)[out.lane] if wide else pipes[0].z),
        ]
        end = stages[NEURON_LATENCY]
        m.d.sync += self.activation.valid.eq(stages[NEURON_LATENCY - 1].valid & ~layer.output)
        m.d.comb += [
            self.activation.last.eq(end.end),
            self.activation.sink.eq(layer.sink),
            *by_name(self.activation, end, "column", "count"),
            *(self.activation.y[i].eq(pipe.y) for i, pipe in enumerate(pipes)),
        ]
        return m

    def _less_a_turn(self, codes: Value) -> Value:
        return Mux(codes >= self.turn, codes - self.turn, codes)

    def _pipes(self, m: Module, layer: Signal, address: Signal, lane: Signal) -> list[NeuronPipe]:
        """Build one pipeline per neuron. Neuron i serves the columns whose lowest
        address bits are i, and has their curves, at addresses whose highest bits
        are i."""
        g, low = self.geometry, exact_log2(self.geometry.neurons)
        table = exact_log2(g.curves * g.segments)
        pipes = [NeuronPipe(g) for _ in range(g.neurons)]
        for i, pipe in enumerate(pipes):
            m.submodules[f"pipe_{i}"] = pipe
            m.d.comb += [
                pipe.layer.eq(layer),
                pipe.entry.eq(address[low:]),
                pipe.p.eq(self.partials.payload[lane if g.neurons == 1 else i]),
            ]
            if g.map_codes:
                m.d.comb += pipe.second.eq(self.second.payload[i])
            for window, mine in (
                (self.bias_window, pipe.bias_window),
                (self.neuron_window, pipe.neuron_window),
            ):
                m.d.comb += [
                    mine.select.eq(window.select),
                    mine.address.eq(window.address[low:]),
                    mine.write.eq(window.write & (window.address[:low] == i)),
                    mine.write_data.eq(window.write_data),
                ]
            for window, mine in (
                (self.base_window, pipe.base_window),
                (self.slope_window, pipe.slope_window),
            ):
                write = window.write & (window.address[table : table + low] == i) if low else window.write
                m.d.comb += [
                    mine.select.eq(window.select),
                    mine.address.eq(window.address),
                    mine.write.eq(write),
                    mine.write_data.eq(window.write_data),
                ]
        for name, first in (("bias", 0), ("neuron", 0), ("base", table), ("slope", table)):
            window = getattr(self, f"{name}_window")
            answers = Array(getattr(pipe, f"{name}_window").read_data for pipe in pipes)
            chosen: ValueLike = 0
            if low:
                chosen = delayed(m, window.address[first : first + low], 3, f"{name}_window_pipe")
            m.d.comb += window.read_data.eq(answers[chosen])
        return pipes
