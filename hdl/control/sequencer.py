"""sequencer: turns an inference into passes, from the layer descriptors in its memory."""

from contextlib import nullcontext

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import bank_bits, pass_layout, start_layout
from ndrite.hdl.parts.memory import RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import is_small


class Sequencer(wiring.Component):
    """Issues the passes of an inference in nested order: layer, column group, row tile,
    input slice (slice 0 first).

    ``start`` is taken with an inference's last pass. If inferences ``overlap``, it is
    taken with the last pass of the inference's first layer. If the next inference is
    offered by then, its first layer is issued before the other layers of the present
    inference, and it is taken when that layer has been issued.

    With feature maps, an inference begins at the ``layer`` that ``start`` names, and
    each column group of a layer may have its own rows.

    One pass every 3 cycles at most, far ahead of the array; a small platform takes
    twelve cycles more a layer. ``inputs`` is layer 0's input length; ``noise_enable`` 0
    issues every pass without noise. Resources: layers * 256 bits of memory and about
    250 LUTs of counters and comparators.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "start": In(stream.Signature(start_layout(geometry))),
                "passes": Out(stream.Signature(pass_layout(geometry))),
                "noise_enable": In(1),
                "inputs": Out(16),
                "window": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        small = is_small(platform)
        words = self._words(m) if small else self._descriptors(m)

        def field(name: str) -> Signal:
            word, low, width = DESCRIPTOR[name]
            return words[word * 32 + low : word * 32 + low + width]

        layer = self.layer
        row = Signal(bits_for(g.max_inputs))
        # Counters are as wide as the descriptor's fields; on a small platform, only as
        # wide as the largest values of a program that fits. A tile has the array's
        # number of rows, even if a layer has fewer.
        row_bits, column_bits = 16, 16
        if small:
            row_bits, column_bits = bits_for(max(g.max_inputs, g.rows)), bits_for(g.columns)
        rows_left = Signal(row_bits)
        column = Signal(column_bits)
        columns_left = Signal(column_bits)
        group_address = Signal(bits_for(g.weight_depth))
        step = Signal(3)
        tile = Signal(10)
        rows_now, columns_now = Signal(row_bits), Signal(column_bits)
        last_tile, last_group, last_slice = Signal(), Signal(), Signal()
        address, column_address = Signal.like(group_address), Signal(bits_for(g.columns - 1))
        lshift = Signal(3)
        # One register for each state that has a high fan-out: a pass is offered, the
        # counters advance, a layer begins.
        offering, advancing, beginning = Signal(), Signal(), Signal()

        inputs, outputs, tile_rows = (
            field(name)[:bits]
            for name, bits in (("inputs", row_bits), ("outputs", column_bits), ("tile_rows", row_bits))
        )
        p = self.passes.payload
        # Numbers of rows that one lane takes one after the other: ``down`` within a
        # tile, ``run`` within the layer. If lanes are divided into groups, the
        # groups share the rows.
        spread: Value = Const(0)
        down: Value = row
        run: Value = inputs
        if g.lane_groups > 1:
            spread, run = field("lane_groups"), Signal(bits_for(g.weight_depth))
            down = row >> spread
            padded_inputs = (inputs + (WORD_ROWS - 1)) >> exact_log2(WORD_ROWS) << exact_log2(WORD_ROWS)
            m.d.sync += run.eq(Mux(spread == 0, inputs, padded_inputs >> spread))
            m.d.comb += p.feed.lane_groups.eq(spread)
        share, entries, word = Const(g.lanes, column_bits), Const(g.lanes), row >> exact_log2(WORD_ROWS)
        if g.map_codes:
            share = field("share")[: bits_for(g.lanes)]
            # In the column memories, a column group occupies a whole number of readout steps.
            entry, entries, group_row = Signal.like(column), Signal(bits_for(g.lanes)), Signal.like(row)
            word = Signal(bits_for(g.max_inputs // WORD_ROWS - 1))
            # Column groups are placed in adjacent lanes as long as lanes are free, and
            # then at higher weight addresses.
            lane, full = Signal(bits_for(g.lanes)), Signal()
            steps = exact_log2(g.readouts)
            m.d.sync += [
                entries.eq(((share + (g.readouts - 1)) >> steps) << steps),
                word.eq((row + group_row) >> exact_log2(WORD_ROWS)),
                full.eq(lane + (entries << 1) > (Const(g.lanes) >> spread)),
            ]
        # The inference whose layer is being issued, the bank that this layer reads, and
        # the bank that its activations are written to.
        opening: Value = layer == 0
        if g.map_codes:
            opening = Signal()
        if g.overlap:
            current = Signal(start_layout(g))
            bank, sink = Signal(bank_bits(g)), Signal(bank_bits(g))
            # Activations of layer 0 are in bank 0 or 1, alternating between inferences.
            # Activations of deeper layers are in bank 2 or 3, since only one inference
            # at a time is in deeper layers.
            input_bank = Cat(current.bank[0], Const(0, 1))
            m.d.comb += [
                sink.eq(Mux(opening, input_bank, Cat(layer[0], Const(1, 1)))),
                bank.eq(Mux(opening, current.bank, Mux(layer == 1, input_bank, Cat(~layer[0], Const(1, 1))))),
            ]
        else:
            current = self.start.payload
            bank, sink = Mux(layer == 0, current.bank, ~layer[0]), layer[0]
        final_layer = field("last")
        group_first = (tile == 0) & (step == 0)
        group_last = last_tile & last_slice
        # The present pass is the last of its column group, or of its layer.
        # Both signals are registers, since the counters that advance with them
        # have a high fan-out.
        group_end, layer_end = Signal(), Signal()
        noisy = Signal()
        if g.noise:
            # The flag that the layer has noise is stable when the layer's
            # first pass is offered.
            any_noise = field("variance_out").any() | field("var_cell").any()
            m.d.sync += noisy.eq(self.noise_enable & any_noise)
        m.d.comb += [
            p.feed.from_input.eq(opening),
            p.feed.bank.eq(bank),
            p.feed.sink.eq(sink),
            p.feed.layer_first.eq((column == 0) & group_first),
            p.feed.input_done.eq(opening & group_last & last_group),
            p.feed.word.eq(word),
            p.feed.rows.eq(rows_now),
            p.feed.address.eq(address),
            p.feed.slice.eq(step),
            p.feed.dac_log2.eq(field("dac_log2")),
            p.noise.noisy.eq(noisy),
            p.noise.inference.eq(current.inference),
            p.noise.layer.eq(field("number")),
            p.noise.tile.eq(tile),
            p.noise.slice.eq(step),
            p.noise.first_column.eq(column),
            p.noise.columns.eq(columns_now),
            p.noise.variance_out.eq(field("variance_out")),
            p.noise.var_cell.eq(field("var_cell")),
            p.readout.noisy.eq(noisy),
            p.readout.first.eq(group_first),
            p.readout.last.eq(group_last),
            p.readout.steps.eq((columns_now + (g.readouts - 1)) >> exact_log2(g.readouts)),
            p.readout.column.eq(column_address),
            p.readout.analog.eq(field("analog")),
            p.readout.adc_bits.eq(field("adc_bits")),
            p.readout.shift.eq(field("shift")),
            p.readout.lshift.eq(lshift),
            p.readout.group.output.eq(final_layer & ~field("fires") if g.map_codes else final_layer),
            p.readout.group.layer_end.eq(last_group),
            p.readout.group.sink.eq(sink),
            p.readout.group.first_column.eq(column),
            p.readout.group.column.eq(column_address),
            p.readout.group.columns.eq(columns_now),
            p.readout.group.vshift.eq(field("vshift")),
            p.readout.group.segment_bits.eq(field("segment_bits")),
            p.readout.group.table_bits.eq(field("table_bits")),
        ]

        if g.map_codes:
            m.d.comb += p.readout.skip.eq(lane >> exact_log2(g.readouts))
            m.d.comb += [
                p.readout.group.walked.eq(field("walked")),
                p.readout.group.second.eq(field("second")),
            ]

        # These registers are stable in state "compare", since their inputs change only
        # in the states "layer" and "advance".
        m.d.sync += [
            last_tile.eq(rows_left <= tile_rows),
            rows_now.eq(Mux(rows_left <= tile_rows, rows_left, tile_rows)),
            last_group.eq(columns_left <= share),
            columns_now.eq(Mux(columns_left <= share, columns_left, share)),
            last_slice.eq(((step + 1) << field("dac_log2")) == 8),
            address.eq(group_address + down),
            column_address.eq(field("column_base") + (entry if g.map_codes else column)),
            lshift.eq(step << field("dac_log2")),
            group_end.eq(group_last),
            layer_end.eq(group_last & last_group),
            advancing.eq(0),
            beginning.eq(0),
        ]
        m.d.comb += self.passes.valid.eq(offering)
        if small:
            settled = self.settled
        else:
            settled = delayed(m, (layer == 0) & ~self.window.select, 3, "settled")
        if g.overlap:
            # ``begun``: an inference whose first layer has been issued; ``halfway``:
            # the other layers of that inference have still to be issued. ``ahead``: the
            # first layer of the inference offered on ``start`` has been issued too.
            begun, halfway, ahead, first_layer = Signal(start_layout(g)), Signal(), Signal(), Signal()
        with m.FSM():
            with m.State("idle"):
                # In this state the descriptor of layer 0 is read, unless the
                # bus uses the memory.
                m.d.sync += layer.eq(0)
                with m.If((layer == 0) & settled):
                    m.d.sync += self.inputs.eq(inputs)
                with m.If(self.start.valid):
                    if g.map_codes:
                        m.d.sync += [layer.eq(self.start.payload.layer), opening.eq(1)]
                    m.next = "fetch"
                if g.overlap:
                    with m.Elif(halfway):
                        m.d.sync += layer.eq(1)
                        m.next = "fetch"
            with m.State("fetch"):
                m.next = "address"
            with m.State("address"):
                m.next = "fetched"
            with m.State("fetched"):
                with m.If(settled) if small else nullcontext():
                    m.d.sync += beginning.eq(1)
                    m.next = "layer"
                if g.overlap:
                    m.d.sync += first_layer.eq(opening)
                    m.d.sync += current.eq(Mux(opening, self.start.payload, begun))
            with m.State("layer"):
                m.next = "compare"
            with m.State("compare"):
                m.d.sync += offering.eq(1)
                m.next = "issue"
            with m.State("issue"):
                with m.If(self.passes.ready):
                    m.d.sync += [offering.eq(0), advancing.eq(1)]
                    m.next = "advance"
            with m.State("advance"):
                m.next = "compare"
                with m.If(layer_end):
                    m.next = "fetch"
                    with m.If(final_layer):
                        m.next = "release"
                    if g.overlap:
                        with m.Elif(first_layer):
                            with m.If(halfway):
                                m.d.sync += ahead.eq(1)
                            with m.Else():
                                m.next = "release"
            with m.State("release"):
                if g.overlap:
                    m.d.comb += self.start.ready.eq(first_layer | ahead)
                    m.d.sync += [
                        begun.eq(self.start.payload),
                        halfway.eq(Mux(first_layer, ~final_layer, ahead)),
                        ahead.eq(0),
                    ]
                else:
                    m.d.comb += self.start.ready.eq(1)
                m.next = "idle"
        with m.If(advancing):
            m.d.sync += step.eq(step + 1)
            with m.If(last_slice):
                m.d.sync += [
                    step.eq(0),
                    tile.eq(tile + 1),
                    row.eq(row + tile_rows),
                    rows_left.eq(rows_left - tile_rows),
                ]
            with m.If(group_end):
                m.d.sync += [
                    tile.eq(0),
                    row.eq(0),
                    rows_left.eq(inputs),
                    column.eq(column + share),
                    columns_left.eq(columns_left - share),
                ]
                with m.If(full) if g.map_codes else nullcontext():
                    m.d.sync += group_address.eq(group_address + run)
                if g.map_codes:
                    m.d.sync += lane.eq(Mux(full, 0, lane + entries))
                    m.d.sync += [entry.eq(entry + entries), group_row.eq(group_row + field("group_rows"))]
            with m.If(layer_end):
                m.d.sync += layer.eq(layer + 1)
                if g.map_codes:
                    m.d.sync += opening.eq(0)
        with m.If(beginning):
            if g.map_codes:
                m.d.sync += [entry.eq(0), group_row.eq(0), lane.eq(0)]
            m.d.sync += [
                row.eq(0),
                rows_left.eq(inputs),
                column.eq(0),
                columns_left.eq(outputs),
                group_address.eq(field("weight_base")),
                step.eq(0),
                tile.eq(0),
            ]
        return m

    def _words(self, m: Module) -> Signal:
        """Read the layer's descriptor word by word in an endless loop. ``settled`` is
        set when all stored words belong to the current layer."""
        g, window = self.geometry, self.window
        m.submodules.memory = memory = RegisteredMemory(32, g.layers * DESCRIPTOR_WORDS, early=True)
        self.layer = layer = Signal(bits_for(g.layers - 1) or 1)
        words = Signal(ArrayLayout(32, DESCRIPTOR_WORDS))
        index, before = Signal(range(DESCRIPTOR_WORDS)), Signal(range(DESCRIPTOR_WORDS))
        m.d.comb += [
            memory.write.eq(window.write),
            memory.write_address.eq(window.address),
            memory.write_data.eq(window.write_data),
            memory.address.eq(Mux(window.select, window.address, Cat(index, layer))),
        ]
        m.d.sync += [index.eq(index + 1), before.eq(index), words[before].eq(memory.data)]
        m.d.comb += window.read_data.eq(memory.data)
        late, age = Signal.like(layer), Signal(range(DESCRIPTOR_WORDS + 3))
        self.settled = settled = Signal()
        m.d.comb += settled.eq(age == DESCRIPTOR_WORDS + 2)
        m.d.sync += late.eq(layer)
        with m.If(window.select | (late != layer)):
            m.d.sync += age.eq(0)
        with m.Elif(~settled):
            m.d.sync += age.eq(age + 1)
        return words.as_value()

    def _descriptors(self, m: Module) -> Signal:
        """Return all words of the current layer's descriptor, three cycles after ``layer``."""
        g = self.geometry
        width = 32 * DESCRIPTOR_WORDS
        m.submodules.memory = memory = Memory(shape=width, depth=g.layers, init=[])
        write, read = memory.write_port(granularity=32), memory.read_port()
        word_bits = exact_log2(DESCRIPTOR_WORDS)
        window = self.window
        self.layer = layer = Signal(bits_for(g.layers - 1) or 1)
        words = Signal(width)
        chosen = window.address[:word_bits]
        enable, where = Signal(DESCRIPTOR_WORDS), Signal.like(layer)
        m.d.sync += [
            enable.eq(window.write << chosen),
            where.eq(Mux(window.select, window.address[word_bits:], layer)),
        ]
        m.d.comb += [
            write.addr.eq(window.address[word_bits:]),
            write.data.eq(window.write_data.replicate(DESCRIPTOR_WORDS)),
            write.en.eq(enable),
            read.addr.eq(where),
        ]
        # Reading takes two pipeline stages, since the wires that carry the bus's
        # address are long.
        near = [Signal(32, name=f"near_{i}", reset_less=True) for i in range(2)]
        half = DESCRIPTOR_WORDS // 2
        for i in range(2):
            m.d.sync += near[i].eq(words[32 * half * i : 32 * half * (i + 1)].word_select(chosen[:-1], 32))
        m.d.sync += window.read_data.eq(Mux(chosen[-1], near[1], near[0]))
        m.d.sync += words.eq(read.data)
        return words
