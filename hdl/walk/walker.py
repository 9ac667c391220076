"""walker: executes the steps of a program without the host, from a sample's codes
to the output sums."""

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.walk_record import HEADER, KINDS, POSITION_BITS_MIN, RECORD_WORDS
from ndrite.hdl.parts.bus import WindowSignature, load_members
from ndrite.hdl.parts.layouts import (
    INDEX_BITS,
    Ports,
    Sized,
    activation_layout,
    by_name,
    second_layout,
    start_layout,
)
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.walk.gates import GATES_LATENCY, Gates
from ndrite.hdl.walk.map_memory import WRITE_LATENCY, MapMemory, MapWriter, turns_most
from ndrite.hdl.walk.patch_reader import CHUNK_LATENCY, Packer, PatchReader
from ndrite.hdl.walk.places import FIELD_LAYOUT, PLACES_LATENCY, Countdown
from ndrite.hdl.walk.records import GATE_LAYOUT, STEP_LAYOUT, Records
from ndrite.hdl.walk.samples import Samples
from ndrite.hdl.walk.seconds import POOLING_LATENCY, SCALER_LATENCY, Pooling, Scaler, Seconds

TO_BEGIN = 4 + POSITION_BITS_MIN
"""Fewest cycles from the end of a step to the first read of the next step."""
TO_RESULTS = max(CHUNK_LATENCY + POOLING_LATENCY + SCALER_LATENCY + 1, GATES_LATENCY)
"""Cycles from the last code that a pooling or gate step reads to its last results."""
CODE_BITS = bits_for(65535)


def drain_cycles(g: Geometry) -> int:
    """Return the number of cycles from a step's last results to the end of the
    step, when the step's record may be overwritten and the next step may read the
    results from memory."""
    turns = turns_most(g)
    return max(PLACES_LATENCY + turns, 1 + WRITE_LATENCY + turns - TO_BEGIN)


class Walker(Sized):
    """Executes a program with feature maps step by step: it sends the patches of a
    matrix product through the core, and writes the output codes of a product, pooling
    or gate step back into the map memory.

    If record 0 has no steps, the program is a chain, and the walker is idle. Otherwise
    up to ``samples_max`` samples of ``inputs`` codes each are loaded through
    ``sample_*`` into a memory of their own, one after the other, each beginning with a
    new word. ``start`` is taken when no other samples are under way, and executes the
    program on ``samples`` of them together: a step's patches are those of all samples.
    When the core is ``done`` with the last of them, ``finished`` is set. Execution
    begins by copying the samples into the map memory, eight codes a cycle
    (``copying``). After that, the next samples may be loaded while the program runs.

    A step begins when all results of the previous step are written (``drain_cycles``).
    Patches are inferences of one layer each, numbered (inference * calls + call) *
    positions + position, where a call is one time step of a sequence, and ``inference``
    counts the samples.

    Latency: the copy; for each step about 20 cycles more than its patches take (60 for
    the first step of a call); and the time of the last patch in the core. Resources:
    the map memory, a memory for samples, about 3,000 LUTs, one multiplier.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "walking": Out(1),
            "inputs": Out(HEADER["inputs"][2]),
            "samples_max": Out(HEADER["samples"][2]),
            "samples": In(HEADER["samples"][2]),
            "sample_load": In(WORD_ROWS),
            "sample_word": In(bits_for(g.packet_bytes)),
            "sample_code": In(8),
            "start": In(stream.Signature(start_layout(g))),
            "began": Out(1),
            "copying": Out(1),
            "going_on": Out(1),
            **load_members(g, Out),
            "launch": Out(stream.Signature(start_layout(g))),
            "input_done": In(1),
            "activation": In(activation_layout(g)),
            "done": In(1),
            "finished": Out(1),
            "second": Out(stream.Signature(second_layout(g))),
            "turn": Out(range(g.neurons + 1)),
            "steps_window": In(WindowSignature()),
            "operand_window": In(WindowSignature()),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.records = records = Records(g)
        m.submodules.memory = memory = MapMemory(g)
        m.submodules.samples = samples = Samples(g)
        m.submodules.reader = reader = PatchReader(g)
        m.submodules.packer = packer = Packer(g)
        m.submodules.pooling = pooling = Pooling()
        m.submodules.gates = gates = Gates(g)
        m.submodules.scaler = scaler = Scaler(g)
        m.submodules.writer = writer = MapWriter(g)
        m.submodules.seconds = seconds = Seconds(g)
        wiring.connect(m, wiring.flipped(self.steps_window), records.window)
        wiring.connect(m, wiring.flipped(self.operand_window), scaler.window)
        wiring.connect(m, seconds.operands, wiring.flipped(self.second))
        step, gate = Signal(STEP_LAYOUT, reset_less=True), Signal(GATE_LAYOUT, reset_less=True)
        self.step = step
        taking = Signal()
        with m.If(taking):
            m.d.sync += [step.eq(records.step), gate.eq(records.gate)]
        is_product, average, gating = Signal(), Signal(), Signal()
        m.d.sync += [
            is_product.eq(step.kind == KINDS["product"]),
            average.eq(step.kind == KINDS["average"]),
            gating.eq(step.kind == KINDS["gate"]),
        ]
        self.patch_began, self.copy_ends = reader.began, samples.ends
        beginning = self._control(m, records, step, reader.done & gates.done, is_product, taking)
        # High fan-out: each block that a step starts gets the begin signal from a
        # register of its own.
        begin = Signal()
        m.d.sync += [
            begin.eq(beginning),
            reader.begin.eq(beginning & ~gating),
            gates.begin.eq(beginning & gating),
            seconds.begin.eq(beginning & step.second),
        ]

        # Order of access to the map memory: first the writer (it cannot wait), then the
        # reader of second operands, then patches or gates.
        free = ~writer.request & ~seconds.request
        asks = Mux(gating, gates.address, reader.address)
        m.d.comb += [
            seconds.granted.eq(seconds.request & ~writer.request),
            reader.granted.eq(reader.request & free),
            gates.granted.eq(gates.request & free),
            memory.address.eq(
                Mux(writer.request, writer.address, Mux(seconds.request, seconds.address, asks))
            ),
            reader.data.eq(memory.data),
            gates.data.eq(memory.data),
            seconds.data.eq(memory.data[: len(seconds.data)]),
            writer.data.eq(memory.data[: len(writer.data)]),
            samples.load.eq(self.sample_load),
            samples.word.eq(self.sample_word),
            samples.code.eq(self.sample_code),
            samples.inputs.eq(records.header.inputs),
            samples.count.eq(self.together),
            samples.span.eq(records.header.span),
            samples.begin.eq(self.copy_begins),
            self.copying.eq(samples.copying),
            # The last word of a sample's copy may overrun it. It overwrites only maps
            # that are computed before they are read.
            memory.copy.eq(samples.copy),
            memory.copy_data.eq(samples.data),
            memory.write.eq(writer.write),
            memory.write_address.eq(Mux(samples.copy, samples.address, writer.write_address)),
            memory.write_data.eq(writer.write_data),
        ]
        # In a step with a matrix product, patches go to the core's banks; in a pooling
        # step, they go to the pool.
        start = Signal.like(step.start)
        m.d.sync += start.eq(step.start + Mux(step.of_sample, self.offset, 0))
        for reading in (reader, gates, seconds.field, writer.field):
            m.d.comb += [reading.samples.eq(self.together), reading.span.eq(records.header.span)]
        m.d.comb += [
            gates.gate.eq(gate),
            gates.shift.eq(step.pool_shift),
            reader.step.eq(step),
            reader.step.start.eq(start),
            packer.chunk.eq(reader.chunk),
            packer.chunk.valid.eq(reader.chunk.valid & is_product),
            pooling.chunk.eq(reader.chunk),
            pooling.chunk.valid.eq(reader.chunk.valid & ~is_product),
            *by_name(self, packer, "load", "load_address", "load_data"),
        ]
        patch_ended = Mux(is_product, packer.loaded, pooling.valid & pooling.patch_end)
        position, sample_ended = self._position(m, begin, patch_ended)
        self._scale(m, position, pooling, seconds, scaler, average)
        mean = Mux(scaler.value[0][8:].any(), 255, scaler.value[0][:8])
        results: dict[str, tuple[Value, Value, Value]] = {
            "product": (self.activation.valid, self.activation.count, self.activation.y.as_value()),
            "max": (pooling.valid, Const(1), pooling.largest),
            "average": (
                delayed(m, scaler.value_valid, 1, "mean_valid"),
                Const(1),
                delayed(m, mean, 1, "mean"),
            ),
            "gate": (gates.valid, Const(1), gates.y),
        }
        # ``turn`` tells the neurons how many of their codes are written per cycle, so
        # that they leave enough time for the writes.
        m.d.sync += self.turn.eq(step.turn)
        self._write(m, begin, writer, results)
        self._launch(m, reader, packer, is_product, position, sample_ended)
        return m

    def _control(
        self, m: Module, records: Records, step: Signal, asked: Value, is_product: Signal, taking: Signal
    ) -> Signal:
        """Build the state machine that goes from step to step; return the signal that
        begins a step. ``asked``: the step has requested all its codes; ``taking``:
        ``step`` is being loaded with the record that was read."""
        header = records.header
        number = Signal(bits_for(records.depth // RECORD_WORDS - 1))
        drain = drain_cycles(self.geometry)
        beginning, quiet, outstanding = Signal(), Signal(range(TO_RESULTS + drain + 1)), Signal(8)
        index, base = Signal(INDEX_BITS), Signal(INDEX_BITS)
        # ``body_done``: all steps of the last time step (``call``) are done;
        # ``all_done``: the program's last step is done, and only the answer is left.
        call, self.offset, body_done, all_done = Signal(16), Signal(24), Signal(), Signal()
        self.base = base
        # How many samples are walked, and how many of them have no answer yet.
        self.together, left = Signal.like(self.samples), Signal.like(self.samples)
        self.copy_begins = Signal()
        m.d.comb += [
            self.samples_max.eq(header.samples),
            self.finished.eq(step.last & self.done & (left == 1)),
        ]
        bits_left, factor, is_first_index = Signal(range(CODE_BITS + 1)), Signal(CODE_BITS), Signal()
        m.d.sync += [
            self.walking.eq(header.steps.any()),
            body_done.eq((number == header.body) & (call + 1 == header.calls)),
            all_done.eq(number == header.steps - 1),
        ]
        # The record of the next step is read while this step runs, unless the next step
        # begins another time step (``call``).
        ahead = Signal()
        m.d.comb += [self.inputs.eq(header.inputs), records.number.eq(number)]
        ended = self.activation.valid & self.activation.last
        m.d.sync += [
            outstanding.eq(outstanding + (self.patch_began & is_product) - (ended | self.done)),
            self.going_on.eq(ended | (self.patch_began & ~is_product)),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.start.ready.eq(self.walking)
                m.d.sync += [number.eq(0), outstanding.eq(0), call.eq(0), self.offset.eq(0)]
                m.d.sync += [
                    factor.eq(header.calls),
                    bits_left.eq(CODE_BITS),
                    base.eq(0),
                    is_first_index.eq(1),
                ]
                with m.If(self.start.valid & self.walking):
                    m.d.comb += self.began.eq(1)
                    m.d.sync += [index.eq(self.start.payload.inference), self.together.eq(self.samples)]
                    m.next = "loaded"
            with m.State("loaded"):
                # The start may come one cycle before the last code of the samples is stored.
                m.d.comb += self.copy_begins.eq(1)
                m.d.sync += left.eq(self.together)
                m.next = "copy"
            with m.State("copy"):
                with m.If(self.copy_ends):
                    m.next = "multiply"
            with m.State("settled"):
                m.next = "next"
            with m.State("next"):
                with m.If(body_done):
                    m.d.sync += number.eq(header.steps)
                    m.next = "fetch"
                with m.Elif(all_done):
                    m.d.sync += [call.eq(call + 1), index.eq(index + 1), number.eq(header.begins)]
                    m.d.sync += self.offset.eq(self.offset + header.call_codes)
                    m.next = "settled"
                with m.Else():
                    m.d.sync += number.eq(number + 1)
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.comb += records.fetch.eq(1)
                m.next = "fetching"
            with m.State("fetching"):
                with m.If(records.ready):
                    m.d.comb += taking.eq(1)
                    m.next = "settle"
            with m.State("settle"):
                m.d.sync += [base.eq(0), factor.eq(step.positions), bits_left.eq(step.position_bits)]
                m.next = "multiply"
            with m.State("multiply"):
                # base = index * positions, and before that index * calls, by shift and
                # add from the highest bit.
                m.d.sync += [
                    base.eq((base << 1) + Mux(factor[-1], index, 0)),
                    factor.eq(factor << 1),
                    bits_left.eq(bits_left - 1),
                ]
                with m.If(bits_left == 1):
                    m.next = "begin"
                    with m.If(is_first_index):
                        m.next = "sample"
            with m.State("sample"):
                m.d.sync += [index.eq(base), is_first_index.eq(0)]
                m.next = "settled"
            with m.State("begin"):
                m.d.comb += beginning.eq(1)
                m.d.sync += [quiet.eq(TO_RESULTS + drain), ahead.eq(0)]
                with m.If(~body_done & ~all_done):
                    m.d.comb += records.fetch.eq(1)
                    m.d.sync += [ahead.eq(1), number.eq(number + 1)]
                m.next = "run"
            with m.State("run"):
                with m.If(asked & (outstanding == 0)):
                    m.d.sync += quiet.eq(quiet - 1)
                with m.Else():
                    m.d.sync += quiet.eq(Mux(is_product, drain, TO_RESULTS + drain))
                with m.If(step.last & self.done):
                    m.d.sync += left.eq(left - 1)
                with m.If(self.finished):
                    m.next = "idle"
                with m.Elif(~step.last & (quiet == 0)):
                    m.next = "settled"
                    with m.If(ahead):
                        m.next = "fetching"
        return beginning

    def _position(self, m: Module, begin: Signal, patch_ended: Value) -> tuple[Signal, Signal]:
        """Return the number, in its sample, of the patch that ends next, and whether it
        is the sample's last."""
        position, sample_ended = Signal(16), Signal()
        across, down = (Countdown(m, self.step[name], name) for name in ("grid_columns", "grid_rows"))
        m.d.comb += sample_ended.eq(across.last & down.last)
        with m.If(patch_ended):
            m.d.sync += [position.eq(position + 1), *across.down()]
            with m.If(across.last):
                m.d.sync += [*across.again(), *down.down()]
            with m.If(sample_ended):
                m.d.sync += [position.eq(0), *down.again()]
        with m.If(begin):
            m.d.sync += [position.eq(0), *across.again(), *down.again()]
        return position, sample_ended

    def _scale(
        self, m: Module, position: Signal, pooling: Pooling, seconds: Seconds, scaler: Scaler, average: Signal
    ) -> None:
        """Connect the scaler to the sums of an average pooling, or to the second operands."""
        step = self.step
        divisor = Signal.like(scaler.index)
        m.d.comb += divisor.eq(step.operand_base + position)
        field = seconds.field
        # Second operands are read eight codes at once if all outputs of a step are
        # written at once and the number of channels is a multiple of eight.
        wide = Const(0, 1)
        if self.geometry.neurons == 4:
            wide = (step.turn == 4) & ~step.to_channels[0]
        m.d.comb += [
            scaler.valid.eq(Mux(average, pooling.valid, seconds.valid)),
            scaler.a.eq(seconds.a),
            scaler.index.eq(Mux(average, divisor, seconds.index)),
            seconds.base.eq(step.operand_base),
            seconds.value_valid.eq(scaler.value_valid & ~average),
            seconds.value.eq(scaler.value),
            field.base.eq(step.second_base),
            field.plane.eq(seconds.turn),
            field.pixel.eq(step.second_pixel),
            field.line.eq(step.second_line),
            field.rows.eq(0),
            field.columns.eq(0),
            field.channels.eq(step.to_channels >> wide),
            field.groups.eq(step.to_groups),
            field.pool_rows.eq(1),
            field.pool_columns.eq(1),
            seconds.turn.eq(step.turn << wide),
            seconds.group.eq(step.group_columns),
        ]
        with m.If(average):
            m.d.comb += scaler.a[0].eq(pooling.total)
        m.d.sync += scaler.shift.eq(Mux(average, step.pool_shift, step.second_shift))
        for name in ("grid_rows", "grid_columns", "block_rows", "block_columns"):
            m.d.comb += field[name].eq(step[name])

    def _write(
        self, m: Module, begin: Signal, writer: MapWriter, results: dict[str, tuple[Value, Value, Value]]
    ) -> None:
        """Select by kind of step which block supplies the codes of the map being
        written. Each block supplies the signals valid, number of codes, and codes."""
        step = self.step
        m.d.sync += writer.valid.eq(0)
        with m.Switch(step.kind):
            for kind, (valid, count, codes) in results.items():
                with m.Case(KINDS[kind]):
                    m.d.sync += [writer.valid.eq(valid & self.walking), writer.y.eq(codes)]
                    m.d.sync += writer.count.eq(count)
        field = writer.field
        m.d.comb += [writer.begin.eq(begin), writer.turn.eq(step.turn)]
        own_fields = ("grid_rows", "grid_columns", "block_rows", "block_columns", "pool_rows", "pool_columns")
        for name in FIELD_LAYOUT.members:
            if name not in ("samples", "span"):
                m.d.comb += field[name].eq(step[name if name in own_fields else f"to_{name}"])

    def _launch(
        self,
        m: Module,
        reader: PatchReader,
        packer: Packer,
        is_product: Signal,
        position: Signal,
        sample_ended: Signal,
    ) -> None:
        """Start an inference for each patch in its input bank. The banks are used one
        after another, and each is released when the core has read it."""
        g = self.geometry
        banks_in_use, base = Signal(range(g.banks + 1)), Signal(INDEX_BITS)
        began, after = reader.began & is_product, Signal.like(banks_in_use)
        m.d.comb += after.eq(
            Mux(self.walking, banks_in_use + began - (self.input_done & (banks_in_use != 0)), 0)
        )
        m.d.sync += [banks_in_use.eq(after), reader.may.eq(~is_product | (after != g.banks))]
        m.d.comb += [
            self.launch.valid.eq(packer.loaded),
            self.launch.payload.bank.eq(packer.loaded_bank),
            self.launch.payload.inference.eq(base + position),
            self.launch.payload.layer.eq(self.step.layer),
        ]
        with m.If(packer.loaded & sample_ended):
            m.d.sync += base.eq(base + self.step.sample_hop)
        with m.If(reader.begin):
            m.d.sync += base.eq(self.base)
