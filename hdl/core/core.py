"""core: one emulated chip without link and registers: sequencer, array, noise, readout,
neurons and their buffers."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.array import Array, Cells, added_latency, row_names
from ndrite.hdl.campaign.redraw import Redraw
from ndrite.hdl.control.emitter import Emitter
from ndrite.hdl.control.scanner import Scanner
from ndrite.hdl.control.sequencer import Sequencer
from ndrite.hdl.core.ports import Starts, core_ports
from ndrite.hdl.maps.buffers import ResultBuffer, RowBuffer, Written
from ndrite.hdl.neuron.neuron import Neuron
from ndrite.hdl.noise.noise import Noise
from ndrite.hdl.parts.layouts import (
    Ports,
    Sized,
    bank_address,
    bank_bits,
    by_name,
    feed_layout,
    members,
    next_bank,
    noise_layout,
    numbered,
    readout_layout,
    unit_rows,
    waiting_sums,
)
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.readout.readout import Readout

PASS_DEPTH = 4
"""Number of passes that may wait for each block; twice as many if inferences overlap."""


class Core(Sized):
    """One emulated chip: a single array computes the layers of a network one after another.

    - Load an input vector through ``load*`` into a bank, then offer ``start`` with that
      bank; ``Sequencer`` says when it is taken. Banks are used one after another, from
      0, and the next inference may follow in the next bank while the first runs.
    - ``input_done``: the bank of the oldest started inference may be loaded again.
    - ``done``: the inference's logits are in the result bank of the same number.
      They can be read through ``result_address`` until that bank's next
      inference is started.
    - ``inputs`` is the input length of the network in the descriptors; ``outputs`` is
      the output length, from the first ``done`` on.
    - ``logit`` also streams the logits as they are computed, in column order. With
      feature maps, ``activation`` streams the codes of hidden neurons, whose layer may
      request ``second`` operands.
    - ``walking``: the program has feature maps. The logits since ``walk_begins`` then
      follow each other in one half of the result banks, which the lowest bit of
      ``walk_bank`` numbers, and ``outputs`` is their number. All of them together use
      that one bank number.
    - ``stream`` is 0 for the nominal chip, or the number of the virtual chip + 1, which
      ``redraw`` draws while no inference is under way.

    Latency: about sum of K * J * ceil(M / N) cycles an inference plus 45. Resources:
    those of the blocks.
    """

    def ports(self, g: Geometry) -> Ports:
        return core_ports(g)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.sequencer = sequencer = Sequencer(g)
        m.submodules.scanner = scanner = Scanner(g)
        emitters = [Emitter(g, unit_rows(g, u)) for u in range(g.lane_groups)]
        m.submodules.array = array = Array(g)
        m.submodules.cells = cells = Cells(g)
        m.submodules.readout = readout = Readout(g)
        m.submodules.neuron = neuron = Neuron(g)
        m.submodules.inputs = inputs = RowBuffer(g, codes=g.load_codes)
        m.submodules.activations = activations = RowBuffer(g, codes=g.neurons)
        m.submodules.written = written = Written(g)
        m.submodules.results = results = ResultBuffer(g)
        windows = {
            "weights": cells.window,
            "readout": readout.window,
            "bias": neuron.bias_window,
            "neuron": neuron.neuron_window,
            "curve_base": neuron.base_window,
            "curve_slope": neuron.slope_window,
            "layers": sequencer.window,
        }
        m.d.comb += [array.peek.eq(cells.peek), array.poke.eq(cells.poke), cells.peeked.eq(array.peeked)]
        if g.redraw:
            self._virtual_chips(m, cells)
        for name, port in members(self, windows).items():
            wiring.connect(m, wiring.flipped(port), windows[name])
        wiring.connect(m, wiring.flipped(self.start), sequencer.start)
        words, rows = numbered(scanner, "words", range(g.lane_groups)), members(array, row_names(g))
        for u, (emitter, row) in enumerate(zip(emitters, rows.values(), strict=True)):
            m.submodules[f"emitter_{u}"] = emitter
            wiring.connect(m, words[u], emitter.words)
            m.d.comb += [
                row.eq(emitter.row),
                emitter.release.eq(readout.release),
            ]
        if g.lane_groups > 1:
            m.d.comb += [
                scanner.idle.eq(Cat(emitter.idle for emitter in emitters)),
                array.leads.eq(scanner.leads),
            ]
        wiring.connect(m, readout.groups, neuron.groups)
        wiring.connect(m, readout.partials, neuron.partials)
        self._distribute(m, sequencer, scanner, readout)

        y, logit = neuron.activation, neuron.logit
        result_bank = Signal(bank_bits(g))
        place: Value = logit.column
        result_address = bank_address(place, result_bank, g.max_outputs)
        following = next_bank(result_bank)
        if g.map_codes:
            # The logits of samples that are walked together follow each other. The
            # samples have one bank number, which is left when they begin, however
            # many of them end.
            walked, half = Signal(exact_log2(results.depth) - 1), Signal()
            place = Mux(self.walking, walked, place)
            result_address = Mux(self.walking, Cat(walked, half), result_address)
            following = Mux(self.walking, result_bank, following)
        with m.If(self.done):
            m.d.sync += [result_bank.eq(following), self.outputs.eq(place + 1)]
        if g.map_codes:
            with m.If(logit.valid):
                m.d.sync += walked.eq(walked + 1)
            with m.If(self.walk_begins):
                m.d.sync += [walked.eq(0), half.eq(self.walk_bank[0])]
                m.d.sync += result_bank.eq(next_bank(self.walk_bank))
        m.d.comb += [
            self.inputs.eq(sequencer.inputs),
            sequencer.noise_enable.eq(self.noise_enable),
            inputs.write.eq(self.load),
            inputs.write_address.eq(self.load_address),
            inputs.write_data.eq(self.load_data),
            inputs.read_address.eq(scanner.read_address),
            activations.read_address.eq(scanner.read_address),
            activations.write.eq(Mux(y.valid, (Const(1, g.neurons + 1) << y.count) - 1, 0)),
            activations.write_address.eq(
                bank_address(y.column, y.sink, g.max_inputs) >> exact_log2(g.neurons)
            ),
            activations.write_data.eq(y.y),
            scanner.input_data.eq(inputs.read_data),
            scanner.activation_data.eq(activations.read_data),
            scanner.written.eq(written.words),
            *by_name(written, y, "valid", "last"),
            written.bank.eq(y.sink),
            *by_name(written, y, "column", "count"),
            written.clear.eq(scanner.clear),
            self.input_done.eq(scanner.input_done),
            array.shift_next.eq(readout.shift_next) if waiting_sums(g) else array.shift.eq(readout.shift),
            *by_name(readout, array, "capture", "columns"),
            results.write.eq(logit.valid),
            results.write_address.eq(result_address),
            results.write_data.eq(logit.z),
            results.read_address.eq(self.result_address),
            self.result_data.eq(results.read_data),
            self.logit.eq(logit),
            self.done.eq(logit.valid & logit.final),
            self.events.emit.eq(Cat(emitter.emit for emitter in emitters).any()),
            self.events.passed.eq(readout.passed),
            self.events.done.eq(self.done),
            self.probe.columns.eq(array.columns),
            *by_name(self.probe, readout, "added", "increments"),
            self.probe.activation.eq(y.valid),
            self.probe.y.eq(y.y[0]),
            self.probe.logit.eq(logit.valid),
            self.probe.z.eq(logit.z),
        ]
        if g.map_codes:
            wiring.connect(m, wiring.flipped(self.second), neuron.second)
            m.d.comb += self.activation.eq(y)
            if g.neurons > 1:
                m.d.comb += neuron.turn.eq(self.turn)
        if waiting_sums(g):
            m.d.comb += array.close_next.eq(readout.close_next)
        # A column's value comes one cycle after its readout step, and later if columns
        # are added over groups of lanes. The probe's signals are delayed by as much.
        sigma = readout.sigma_now if waiting_sums(g) else readout.sigma.payload
        late = added_latency(g)
        m.d.sync += [
            self.probe.step.eq(delayed(m, readout.shift, late, "probe_step")),
            self.probe.sigma.eq(sigma),
            self.probe.samples.eq(delayed(m, readout.samples.payload, late, "probe_samples")),
        ]
        return m

    def _virtual_chips(self, m: Module, cells: Cells) -> None:
        """Connect the block that samples virtual chips. It keeps its own copy of the
        layer descriptors, made when the bus writes them."""
        m.submodules.redraw = redraw = Redraw(self.geometry)
        port = self.redraw
        wiring.connect(m, wiring.flipped(self.variation), redraw.table)
        m.d.comb += [
            *by_name(redraw.layers, self.layers, "write", "address", "write_data"),
            *by_name(redraw, port, "start", "nominal"),
            redraw.seed.eq(self.seed),
            redraw.chip.eq(self.stream),
            *by_name(redraw, port, "stuck_low", "stuck_high", "stuck_codes"),
            port.busy.eq(redraw.busy),
            cells.draw.eq(redraw.busy),
            cells.draw_peek.eq(redraw.peek),
            cells.draw_poke.eq(redraw.poke),
            redraw.peeked.eq(cells.peeked),
        ]

    def _distribute(self, m: Module, sequencer: Sequencer, scanner: Scanner, readout: Readout) -> None:
        """Send each issued pass to the scanner, the noise generator and the readout,
        through one queue for each."""
        g = self.geometry
        issued = sequencer.passes
        depth = PASS_DEPTH * (1 + g.overlap)
        m.submodules.feed_queue = feed = Queue(feed_layout(g), depth)
        m.submodules.readout_queue = read = Queue(readout_layout(g), depth)
        wiring.connect(m, feed.o, scanner.feed)
        wiring.connect(m, read.o, readout.passes)
        m.d.comb += [feed.i.payload.eq(issued.payload.feed), read.i.payload.eq(issued.payload.readout)]
        queues = [feed, read]
        if g.noise:
            m.submodules.noise_queue = queue = Queue(noise_layout(g), depth)
            m.submodules.noise = noise = Noise(g)
            queues.append(queue)
            wiring.connect(m, queue.o, noise.passes)
            wiring.connect(m, noise.sigma, readout.sigma)
            wiring.connect(m, noise.samples, readout.samples)
            m.d.comb += [
                queue.i.payload.eq(issued.payload.noise),
                *by_name(noise, scanner, "energy", "energy_valid"),
                scanner.energy_room.eq(noise.energy_room),
                *by_name(noise, self, "seed", "stream"),
                readout.samples_level.eq(noise.samples_level),
            ]
        else:
            m.d.comb += scanner.energy_room.eq(1)
        # ``everyone`` (all queues have room) is computed a cycle ahead. It is never out
        # of date, since the sequencer issues a pass at most every third cycle.
        everyone = Signal()
        m.d.sync += everyone.eq(Cat(queue.level < queue.depth - 1 for queue in queues).all())
        m.d.comb += issued.ready.eq(everyone)
        for queue in queues:
            m.d.comb += queue.i.valid.eq(issued.valid & everyone)
        m.submodules.starts = starts = Starts(g)
        m.d.comb += [
            starts.start.eq(self.start.valid & self.start.ready),
            starts.issued.eq(issued.valid & issued.ready),
            starts.feed.eq(issued.payload.feed),
            self.events.started.eq(starts.started),
        ]
        if g.overlap:
            m.d.comb += [self.probe.opened.eq(starts.opened), self.probe.input_layer.eq(starts.input_layer)]
