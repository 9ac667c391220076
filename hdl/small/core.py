"""core: sequencer, lanes and engine for FPGAs that are too small for the pipelines of
``ndrite.hdl.core.core``."""

from amaranth import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.control.sequencer import Sequencer
from ndrite.hdl.core.ports import Starts, core_ports
from ndrite.hdl.maps.buffers import ResultBuffer
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import (
    Ports,
    Sized,
    bank_address,
    column_shape,
    feed_layout,
    members,
    pass_layout,
    readout_layout,
)
from ndrite.hdl.parts.memory import RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import is_ice40
from ndrite.hdl.small.engine import WINDOWS, Engine

BLOCK_CODES = 1 << 15
"""Codes of 8 bits in one SB_SPRAM256KA: two in each of 16,384 words."""


class Weights(Sized):
    """Weight memory: ``data`` is the code at ``address`` one cycle later. A write goes
    to ``address`` too.

    A code read in the cycle of a ``write`` is undefined. On iCE40 made of SB_SPRAM256KA
    where the codes have 8 bits. Resources: weight_depth codes of memory.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "address": In(bits_for(g.weight_depth - 1)),
            "data": Out(signed(g.weight_bits)),
            "write": In(1),
            "write_data": In(signed(g.weight_bits)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        if is_ice40(platform) and g.weight_bits == 8:
            self._single_port(m)
            return m
        m.submodules.memory = memory = RegisteredMemory(self.data.shape(), g.weight_depth, early=True)
        m.d.comb += [
            memory.address.eq(self.address),
            memory.write_address.eq(self.address),
            memory.write.eq(self.write),
            memory.write_data.eq(self.write_data),
            self.data.eq(memory.data),
        ]
        return m

    def _single_port(self, m: Module) -> None:
        """Build the memory from single-port blocks at consecutive addresses; the lowest
        address bit selects half of a 16-bit word."""
        half, word, number = self.address[0], Signal(14), self.address[15:]
        m.d.comb += word.eq(self.address[1:])
        blocks = []
        for i in range(-(-self.geometry.weight_depth // BLOCK_CODES)):
            out = Signal(16, name=f"out_{i}")
            m.submodules[f"block_{i}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=word,
                i_DATAIN=Cat(self.write_data, self.write_data),
                i_MASKWREN=Mux(half, Const(0b1100, 4), Const(0b0011, 4)),
                i_WREN=self.write & (number == i),
                i_CHIPSELECT=Const(1, 1),
                i_CLOCK=ClockSignal(),
                i_STANDBY=Const(0, 1),
                i_SLEEP=Const(0, 1),
                i_POWEROFF=Const(1, 1),
                o_DATAOUT=out,
            )
            blocks.append(out)
        late = Signal(1 + len(number), reset_less=True)
        m.d.sync += late.eq(Cat(half, number))
        chosen = Cat(blocks).word_select(late[1:], 16)
        m.d.comb += self.data.eq(chosen.word_select(late[0], 8))


PRODUCT_STAGE = 2
"""Cycles from a row's address to its product."""


class Lanes(Sized):
    """Computes a[m] = sum over the pass's rows k of x_j[k] * w[k, m], for all lanes m
    at once; one row per cycle.

    ``x`` is the code at ``x_address`` (index | bank above), a cycle later. The walk
    stops before the last row of a pass until ``free``. ``capture`` is up for the cycle
    in which ``sums`` holds the sums of a pass and ``settings`` its settings. A layer's
    first pass that reads activations waits until ``free`` too: all of them are stored
    by then. Latency: 3 cycles from a row's address to the sum; a cycle between passes.
    Resources: N memories, multipliers and adders.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "passes": In(stream.Signature(pass_layout(g))),
            "free": In(1),
            "x_address": Out(bits_for(2 * g.max_inputs - 1)),
            "from_input": Out(1),
            "x": In(8),
            "sums": Out(ArrayLayout(column_shape(g), g.lanes)),
            "capture": Out(1),
            "settings": Out(readout_layout(g)),
            "emit": Out(1),
            "input_done": Out(1),
            "window": In(WindowSignature()),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        feed = self.passes.payload.feed
        now, settings = Signal(feed_layout(g)), Signal(readout_layout(g))
        row, left = Signal(bits_for(g.max_inputs - 1)), Signal(bits_for(g.max_inputs))
        address = Signal(bits_for(g.weight_depth - 1))
        walking, draining = Signal(), Signal()
        last, issue, free = left == 1, Signal(), Signal()
        m.d.comb += [
            free.eq(self.free & ~draining),
            issue.eq(walking & (~last | free)),
            self.emit.eq(issue),
            self.input_done.eq(issue & last & now.input_done),
            self.passes.ready.eq(~walking & (feed.from_input | ~feed.layer_first | free)),
            self.x_address.eq(Cat(row, now.bank)),
            self.from_input.eq(delayed(m, now.from_input, 1, "from_input")),
        ]
        with m.If(issue):
            m.d.sync += [row.eq(row + 1), address.eq(address + 1), left.eq(left - 1)]
            with m.If(last):
                # The readout takes these settings together with the sums, while the
                # next pass may already run.
                m.d.sync += [walking.eq(0), draining.eq(1), self.settings.eq(settings)]
        with m.If(self.passes.valid & self.passes.ready):
            m.d.sync += [
                now.eq(feed),
                settings.eq(self.passes.payload.readout),
                row.eq(feed.word * WORD_ROWS),
                left.eq(feed.rows),
                address.eq(feed.address),
                walking.eq(1),
            ]

        valid, ends = delayed(m, Cat(issue, issue & last), PRODUCT_STAGE, "flags")
        shift = delayed(m, (now.slice << now.dac_log2)[:3], 1, "shift")
        mask = Signal(8)
        with m.Switch(delayed(m, now.dac_log2, 1, "dac")):
            for log2 in range(4):
                with m.Case(log2):
                    m.d.comb += mask.eq((1 << (1 << log2)) - 1)
        sliced = Signal(8)
        m.d.comb += sliced.eq((self.x >> shift) & mask)
        m.d.sync += self.capture.eq(ends)
        with m.If(self.capture):
            m.d.sync += draining.eq(0)

        window = self.window
        row_bits = len(address)
        lane_number = window.address[row_bits:]
        codes = []
        for i in range(g.lanes):
            m.submodules[f"weights_{i}"] = weights = Weights(g)
            product = Signal(signed(g.weight_bits + 8), name=f"product_{i}", reset_less=True)
            total = Signal(column_shape(g), name=f"sum_{i}")
            m.d.comb += [
                weights.address.eq(Mux(window.select, window.address[:row_bits], address)),
                weights.write.eq(window.write & (lane_number == i)),
                weights.write_data.eq(window.write_data),
                self.sums[i].eq(total),
            ]
            m.d.sync += product.eq(sliced * weights.data)
            # ``total`` may be cleared here: the first row of the next pass is at least
            # two cycles after the last row of this pass.
            with m.If(self.capture):
                m.d.sync += total.eq(0)
            with m.Elif(valid):
                m.d.sync += total.eq(total + product)
            codes.append(weights.data)
        with m.Switch(lane_number):
            for i, code in enumerate(codes):
                with m.Case(i):
                    m.d.comb += window.read_data.eq(code)
        return m


class SmallCore(wiring.Component):
    """Small variant of ``ndrite.hdl.core.core.Core``; its readout and its neurons
    process one column at a time.

    Without noise, virtual chips, analog readout, skipping and overlap. Latency: about
    the sum of K * J * ceil(M / N) cycles an inference, or where that is longer that of
    N columns (``Engine``) a pass. Resources: about 1,800 LUTs for two lanes, N
    multipliers for them and two, and the memories.

    Raises ``ValueError`` for a geometry with a feature that this core lacks, or with
    more than one readout.
    """

    def __init__(self, geometry: Geometry) -> None:
        lacking = {
            "readouts": 1,
            "noise": False,
            "analog": False,
            "skip": False,
            "redraw": 0,
            "overlap": False,
        }
        for field, value in members(geometry, lacking).items():
            if value != lacking[field]:
                raise ValueError(
                    f"geometry {geometry.name!r}: {field} is {value}; accepted by the small core: "
                    f"{lacking[field]}"
                )
        self.geometry = geometry
        super().__init__(core_ports(geometry))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.sequencer = sequencer = Sequencer(g)
        m.submodules.lanes = lanes = Lanes(g)
        m.submodules.engine = engine = Engine(g)
        m.submodules.inputs = inputs = RegisteredMemory(8, 2 * g.max_inputs, early=True)
        m.submodules.activations = activations = RegisteredMemory(8, 2 * g.max_inputs, early=True)
        m.submodules.results = results = ResultBuffer(g)
        wiring.connect(m, wiring.flipped(self.start), sequencer.start)
        wiring.connect(m, wiring.flipped(self.weights), lanes.window)
        wiring.connect(m, wiring.flipped(self.layers), sequencer.window)
        wiring.connect(m, sequencer.passes, lanes.passes)
        windows = members(engine, [f"{name}_window" for name in WINDOWS])
        for name, port in members(self, WINDOWS).items():
            wiring.connect(m, wiring.flipped(port), windows[f"{name}_window"])
        y, logit = engine.activation, engine.logit
        result_bank = Signal()
        with m.If(self.done):
            m.d.sync += [result_bank.eq(~result_bank), self.outputs.eq(logit.column + 1)]
        m.d.comb += [
            self.inputs.eq(sequencer.inputs),
            sequencer.noise_enable.eq(self.noise_enable),
            inputs.write.eq(self.load),
            inputs.write_address.eq(self.load_address),
            inputs.write_data.eq(self.load_data),
            inputs.address.eq(lanes.x_address),
            activations.write.eq(y.valid),
            activations.write_address.eq(bank_address(y.column, y.sink, g.max_inputs)),
            activations.write_data.eq(y.y),
            activations.address.eq(lanes.x_address),
            lanes.x.eq(Mux(lanes.from_input, inputs.data, activations.data)),
            lanes.free.eq(~engine.busy),
            engine.start.eq(lanes.capture),
            engine.sums.eq(lanes.sums),
            engine.settings.eq(lanes.settings),
            results.write.eq(logit.valid),
            results.write_address.eq(bank_address(logit.column, result_bank, g.max_outputs)),
            results.write_data.eq(logit.z),
            results.read_address.eq(self.result_address),
            self.result_data.eq(results.read_data),
            self.logit.eq(logit),
            self.input_done.eq(lanes.input_done),
            self.done.eq(logit.valid & logit.final),
            self.events.emit.eq(lanes.emit),
            self.events.passed.eq(engine.passed),
            self.events.done.eq(self.done),
            self.probe.step.eq(engine.step),
            self.probe.columns[0].eq(engine.column),
            self.probe.added.eq(engine.added),
            self.probe.increments[0].eq(engine.increment),
            self.probe.activation.eq(y.valid),
            self.probe.y.eq(y.y),
            self.probe.logit.eq(logit.valid),
            self.probe.z.eq(logit.z),
        ]
        m.submodules.starts = starts = Starts(g)
        m.d.comb += [
            starts.start.eq(self.start.valid & self.start.ready),
            starts.issued.eq(sequencer.passes.valid & sequencer.passes.ready),
            starts.feed.eq(sequencer.passes.payload.feed),
            self.events.started.eq(starts.started),
        ]
        return m
