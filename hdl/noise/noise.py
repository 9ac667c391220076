"""noise: samples and scale of every pass, generated ahead of readout (``emulator.spec.noise``)."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import Geometry
from emulator.spec.noise import DOMAIN_READ, KEY_WORD_BITS
from hdl.noise.gaussian import GAUSSIAN_LATENCY, Gaussian
from hdl.noise.pass_key import PassKey
from hdl.noise.sigma import Sigma
from hdl.parts.layouts import energy_layout, noise_layout
from hdl.parts.queue import Queue
from hdl.parts.unmerged import unmerged

ENERGY_DEPTH = 16
ENERGY_IN_FLIGHT = 8
"""Passes the scanner may have begun between reading ``energy_room`` and delivering their energy."""


def noise_ports(geometry: Geometry) -> dict[str, wiring.Member]:
    """Ports of a noise generator."""
    return {
        "passes": In(stream.Signature(noise_layout(geometry))),
        "energy": In(energy_layout(geometry)),
        "energy_valid": In(1),
        "energy_room": Out(1),
        "seed": In(64),
        "stream": In(32),
        "sigma": Out(stream.Signature(16)),
        "samples": Out(stream.Signature(ArrayLayout(signed(12), geometry.readouts))),
        "samples_level": Out(bits_for(Noise.sample_depth(geometry))),
    }


class Noise(wiring.Component):
    """For each pass: sigma once, then P Gaussian samples g (Q4.8) for every P columns.

    A pass's first column is a multiple of P. Passes without noise yield sigma 0 and no samples. Throughput:
    one sample a cycle and pipe, after about 35 cycles of key schedule and square root a pass that overlap the
    array. Resources: a Speck64/128 round, a square root and P sample pipes (``hdl.noise.gaussian``).

    Raises ``ValueError`` for a geometry whose slices are added at once: theirs is ``hdl.noise.slice_noise``.
    """

    def __init__(self, geometry: Geometry) -> None:
        if geometry.slices != 1:
            raise ValueError(f"geometry {geometry.name!r}: slices is {geometry.slices}; accepted by Noise: 1")
        self.geometry = geometry
        super().__init__(noise_ports(geometry))

    @staticmethod
    def sample_depth(geometry: Geometry) -> int:
        """Entries of the sample queue: two passes, and the pipeline's content on top."""
        return 2 * (geometry.lanes // geometry.readouts) + 2 * GAUSSIAN_LATENCY + 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        depth = self.sample_depth(g)
        m.submodules.energies = energies = Queue(energy_layout(g), ENERGY_DEPTH)
        m.submodules.sigmas = sigmas = Queue(16, 4)
        m.submodules.samples = samples = Queue(ArrayLayout(signed(12), g.readouts), depth, parts=g.readouts)
        m.submodules.root = root = Sigma(g)
        m.submodules.key = key = PassKey()
        wiring.connect(m, sigmas.o, wiring.flipped(self.sigma))
        wiring.connect(m, samples.o, wiring.flipped(self.samples))
        now = self.passes.payload
        m.d.comb += [
            energies.i.payload.eq(self.energy),
            energies.i.valid.eq(self.energy_valid),
            self.samples_level.eq(samples.level),
        ]
        m.d.sync += self.energy_room.eq(energies.level <= ENERGY_DEPTH - ENERGY_IN_FLIGHT - 1)
        root_start, skip = Signal(), Signal()
        shared = Signal(2 * KEY_WORD_BITS, reset_less=True)
        m.d.comb += [
            root.start.eq(root_start),
            root.variance_out.eq(now.variance_out),
            root.var_cell.eq(now.var_cell),
            root.energy.eq(energies.o.payload[0]),
            key.seed.eq(self.seed),
            key.domain.eq(DOMAIN_READ),
            key.stream.eq(self.stream),
            key.inference.eq(now.inference),
            key.counter.eq(Cat(now.slice, Const(0, 5), now.tile, Const(0, 6), now.layer)),
            sigmas.i.payload.eq(root.sigma),
        ]
        pipes = [Gaussian() for _ in range(g.readouts)]
        for i, pipe in enumerate(pipes):
            m.submodules[f"gaussian_{i}"] = pipe
            m.d.comb += samples.i.payload[i].eq(pipe.sample)

        steps_left, more = Signal(range(g.lanes // g.readouts + 1)), Signal()
        column = Signal(16)
        launch = Signal()
        step_log2 = exact_log2(g.readouts)
        arrives = Signal(GAUSSIAN_LATENCY, reset_less=True)
        m.d.sync += arrives.eq(Cat(launch, arrives))
        m.d.comb += samples.i.valid.eq(arrives[-1])
        # Entries of the queue that neither a sample stored nor one on its way will need.
        free, taken, room = Signal(range(depth + 1), init=depth), Signal(), Signal()
        launching, launched, leaving = Signal(), Signal(), Signal()
        m.d.sync += [
            taken.eq(samples.o.valid & samples.o.ready),
            launched.eq(launch),
            free.eq(free - launched + taken),
            # Two cycles old: three samples more may have been launched by then.
            room.eq(free > 3),
        ]
        rooting = Signal()
        steps = Signal.like(steps_left)
        m.d.comb += [
            steps.eq((now.columns + (g.readouts - 1)) >> step_log2),
            launch.eq(launching & room & more),
            self.passes.ready.eq(leaving),
        ]
        m.d.sync += [key.start.eq(0), leaving.eq(0)]
        with m.FSM():
            with m.State("idle"):
                with m.If(self.passes.valid):
                    m.next = "begin"
                    with m.If(~now.noisy):
                        m.next = "noiseless"
            with m.State("noiseless"):
                # Only the pass and its energy are consumed, so that both queues stay in step.
                with m.If(energies.o.valid):
                    m.d.comb += skip.eq(1)
                    m.d.sync += leaving.eq(1)
                    m.next = "gone"
            with m.State("begin"):
                m.d.sync += key.start.eq(1)
                m.next = "started"
            with m.State("started"):
                m.next = "key"
            with m.State("key"):
                m.d.sync += [steps_left.eq(steps), more.eq(steps != 0), column.eq(now.first_column)]
                with m.If(key.done):
                    m.d.sync += shared.eq(key.key)
                    m.next = "keyed"
            with m.State("keyed"):
                m.d.sync += launching.eq(1)
                m.next = "launch"
            with m.State("launch"):
                with m.If(~more):
                    m.d.sync += launching.eq(0)
                    # Samples still on their way leave the pipes long before the next key is ready.
                    m.next = "sigma"
            with m.State("sigma"):
                m.d.comb += sigmas.i.valid.eq(rooting & root.done)
                with m.If(sigmas.i.valid & sigmas.i.ready):
                    m.next = "pass"
            with m.State("pass"):
                m.d.sync += [rooting.eq(0), leaving.eq(1)]
                m.next = "gone"
            with m.State("gone"):
                m.next = "idle"
        with m.If(launch):
            m.d.sync += [
                steps_left.eq(steps_left - 1),
                more.eq(steps_left != 1),
                column.eq(column + g.readouts),
            ]
        # The square root runs beside key and samples, as soon as the pass's energy is known.
        m.d.sync += root_start.eq(
            self.passes.valid & now.noisy & energies.o.valid & ~rooting & ~root_start & ~self.passes.ready
        )
        with m.If(root_start):
            m.d.sync += rooting.eq(1)
        m.d.comb += energies.o.ready.eq(root_start | skip)
        for i, pipe in enumerate(pipes):
            # Columns begin at a multiple of the lanes, which P divides.
            m.d.comb += pipe.column.eq(Cat(Const(i, step_log2), column[step_log2:]))
            m.d.comb += pipe.key.eq(unmerged(m, platform, shared, f"key_of_{i}"))
        return m
