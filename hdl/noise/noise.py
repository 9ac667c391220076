"""noise: samples and scale of every pass, generated ahead of readout (``ndrite.emulator.spec.noise``)."""

from amaranth import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.noise.pass_schedule import PassSchedule
from ndrite.hdl.noise.samples import Samples, sample_depth
from ndrite.hdl.parts.layouts import energy_shape, noise_layout
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.parts.queue import Queue

ENERGY_DEPTH = 32
ENERGY_IN_FLIGHT = 18
"""Passes the scanner may have begun between reading ``energy_room`` and delivering their energy."""


class Noise(Sized):
    """For each pass: sigma once, then P Gaussian samples g (Q4.8) for every P columns.

    A pass without noise yields neither. Keys and roots of the next passes are worked out beside the samples
    of the one before (``ndrite.hdl.noise.pass_schedule``). Throughput: P samples a cycle, and as many passes
    as the schedule gives. Resources: those of the schedule and of ``ndrite.hdl.noise.samples``, and a queue
    of energies.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "passes": In(stream.Signature(noise_layout(g))),
            "energy": In(energy_shape(g)),
            "energy_valid": In(1),
            "energy_room": Out(1),
            "seed": In(64),
            "stream": In(32),
            "sigma": Out(stream.Signature(16)),
            "samples": Out(stream.Signature(ArrayLayout(signed(12), g.readouts))),
            "samples_level": Out(bits_for(sample_depth(g))),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.energies = energies = Queue(energy_shape(g), ENERGY_DEPTH)
        m.submodules.sigmas = sigmas = Queue(16, 2)
        m.submodules.schedule = schedule = PassSchedule(g)
        m.submodules.samples = samples = Samples(g)
        wiring.connect(m, wiring.flipped(self.passes), schedule.passes)
        wiring.connect(m, energies.o, schedule.energies)
        wiring.connect(m, schedule.sigmas, sigmas.i)
        wiring.connect(m, schedule.turns, samples.turns)
        wiring.connect(m, sigmas.o, wiring.flipped(self.sigma))
        wiring.connect(m, samples.samples, wiring.flipped(self.samples))
        m.d.comb += [
            energies.i.payload.eq(self.energy),
            energies.i.valid.eq(self.energy_valid),
            schedule.seed.eq(self.seed),
            schedule.stream.eq(self.stream),
            self.samples_level.eq(samples.level),
        ]
        m.d.sync += self.energy_room.eq(energies.level <= ENERGY_DEPTH - ENERGY_IN_FLIGHT - 1)
        return m
