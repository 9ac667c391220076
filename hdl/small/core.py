"""small core: the chip for parts too small for ``ndrite.hdl.core.core``'s pipelines; sequencer, lanes and
engine."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.control.sequencer import Sequencer
from ndrite.hdl.core.ports import Starts, core_ports
from ndrite.hdl.maps.buffers import ResultBuffer
from ndrite.hdl.parts.banks import bank_address
from ndrite.hdl.parts.memory import RegisteredMemory
from ndrite.hdl.small.engine import WINDOWS, Engine
from ndrite.hdl.small.lanes import Lanes


class SmallCore(wiring.Component):
    """``ndrite.hdl.core.core.Core`` with readout and neurons for one column at a time.

    Without noise, virtual chips, analog readout, skipping and overlap. Latency: about
    the sum of K * J * ceil(M / N) cycles an inference, or where that is longer that of N columns (``Engine``)
    a pass.
    Resources: about 1,800 LUTs for two lanes, N multipliers for them and two, and the memories.

    Raises ``ValueError`` for a geometry with what it lacks, or more than one readout.
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
        for field, only in lacking.items():
            value = getattr(geometry, field)
            if value != only:
                raise ValueError(
                    f"geometry {geometry.name!r}: {field} is {value}; accepted by the small core: {only}"
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
        for name in WINDOWS:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(engine, f"{name}_window"))
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
