"""noise: samples and scale of every pass, generated ahead of readout (``emulator.spec.noise``)."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import Geometry
from emulator.spec.noise import DOMAIN_READ, KEY_WORD_BITS
from hdl.gaussian import GAUSSIAN_LATENCY, Gaussian
from hdl.layouts import energy_layout, noise_layout
from hdl.pass_key import PassKey
from hdl.queue import Queue
from hdl.sigma import Sigma

ENERGY_DEPTH = 16
ENERGY_IN_FLIGHT = 8
"""Passes the scanner may have begun between reading ``energy_room`` and delivering their energy."""


class Noise(wiring.Component):
    """For each pass: sigma once, then P Gaussian samples g (Q4.8) for every P columns.

    Passes without noise yield sigma 0 and no samples. Throughput: one sample a cycle and pipe, after
    about 30 cycles of key schedule and square root a pass that overlap the array. Slices that the array adds
    at once have theirs worked out at once, beside each other, from the one S of each in ``energy``.
    Resources: a Speck64/128 round and a square root for each of these, and P sample pipes
    (``hdl.gaussian``).
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "passes": In(stream.Signature(noise_layout(geometry))),
                "energy": In(energy_layout(geometry)),
                "energy_valid": In(1),
                "energy_room": Out(1),
                "seed": In(64),
                "stream": In(32),
                "sigma": Out(stream.Signature(16)),
                "samples": Out(stream.Signature(ArrayLayout(signed(12), geometry.readouts))),
                "samples_level": Out(bits_for(self.sample_depth(geometry))),
            }
        )

    @staticmethod
    def sample_depth(geometry: Geometry) -> int:
        """Entries of the sample queue: two passes, and the pipeline's content on top."""
        return 2 * (geometry.lanes // geometry.readouts) + 2 * GAUSSIAN_LATENCY + 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.energies = energies = Queue(energy_layout(g), ENERGY_DEPTH)
        m.submodules.sigmas = sigmas = Queue(16, 4)
        m.submodules.samples = samples = Queue(ArrayLayout(signed(12), g.readouts), self.sample_depth(g))
        roots, keys = [Sigma(g) for _ in range(g.slices)], [PassKey() for _ in range(g.slices)]
        wiring.connect(m, sigmas.o, wiring.flipped(self.sigma))
        wiring.connect(m, samples.o, wiring.flipped(self.samples))
        now = self.passes.payload
        m.d.comb += [
            energies.i.payload.eq(self.energy),
            energies.i.valid.eq(self.energy_valid),
            self.energy_room.eq(energies.level <= ENERGY_DEPTH - ENERGY_IN_FLIGHT - 1),
            self.samples_level.eq(samples.level),
        ]
        chosen = Signal(range(g.slices))
        first, last = Const(1, 1), Const(1, 1)
        if g.slices > 1:
            m.d.comb += chosen.eq(now.slice)
            first, last = now.slice == 0, now.slice == g.slices - 1
        key_start, root_start = Signal(), Signal()
        sigma, key = Signal(16), Signal(2 * KEY_WORD_BITS)
        for j, (root, one) in enumerate(zip(roots, keys, strict=True)):
            m.submodules[f"root_{j}"], m.submodules[f"key_{j}"] = root, one
            m.d.comb += [
                root.start.eq(root_start),
                root.variance_out.eq(now.variance_out),
                root.var_cell.eq(now.var_cell),
                root.energy.eq(energies.o.payload[j]),
                one.start.eq(key_start),
                one.seed.eq(self.seed),
                one.domain.eq(DOMAIN_READ),
                one.stream.eq(self.stream),
                one.inference.eq(now.inference),
                one.counter.eq(
                    Cat(Const(j, 3) if g.slices > 1 else now.slice, Signal(5), now.tile, Signal(6), now.layer)
                ),
            ]
            with m.If(chosen == j):
                m.d.comb += [sigma.eq(root.sigma), key.eq(one.key)]
        m.d.comb += sigmas.i.payload.eq(sigma)
        pipes = [Gaussian(follow=g.slices > 1) for _ in range(g.readouts)]
        for i, pipe in enumerate(pipes):
            m.submodules[f"gaussian_{i}"] = pipe
            m.d.comb += samples.i.payload[i].eq(pipe.sample)

        steps_left = Signal(range(g.lanes // g.readouts + 1))
        column = Signal(16)
        launch = Signal()
        step_log2 = exact_log2(g.readouts)
        pending = Signal(range(GAUSSIAN_LATENCY + 2))
        arrives = Signal(GAUSSIAN_LATENCY)
        m.d.sync += arrives.eq(Cat(launch, arrives))
        m.d.sync += pending.eq(pending + launch - arrives[-1])
        room = Signal()
        # One cycle old: two samples more may have been launched and counted by then.
        m.d.sync += room.eq(samples.level + pending < self.sample_depth(g) - 2)
        m.d.comb += samples.i.valid.eq(arrives[-1])
        rooting = Signal()
        with m.FSM():
            with m.State("idle"):
                with m.If(self.passes.valid & ~now.noisy & energies.o.valid):
                    # Noiseless: only consume the pass and its energy, so that both queues stay in step.
                    m.d.comb += [self.passes.ready.eq(1), energies.o.ready.eq(last)]
                with m.If(self.passes.valid & now.noisy):
                    m.d.comb += key_start.eq(first)
                    m.next = "key"
            with m.State("key"):
                m.d.sync += [
                    steps_left.eq((now.columns + (g.readouts - 1)) >> step_log2),
                    column.eq(now.first_column),
                ]
                with m.If(keys[0].done):
                    for pipe in pipes:
                        m.d.sync += pipe.key.eq(key)
                    m.next = "launch"
            with m.State("launch"):
                m.d.comb += launch.eq(room & (steps_left != 0))
                with m.If(launch):
                    m.d.sync += [steps_left.eq(steps_left - 1), column.eq(column + g.readouts)]
                with m.If(steps_left == 0):
                    # Samples still on their way leave the pipes long before the next key is ready.
                    m.next = "sigma"
            with m.State("sigma"):
                m.d.comb += sigmas.i.valid.eq(rooting & roots[0].done)
                with m.If(sigmas.i.valid & sigmas.i.ready):
                    m.d.comb += self.passes.ready.eq(1)
                    m.next = "idle"
        # The square root runs beside key and samples, as soon as the pass's energy is known.
        with m.If(self.passes.ready & last):
            m.d.sync += rooting.eq(0)
        with m.Elif(self.passes.valid & now.noisy & energies.o.valid & ~rooting):
            m.d.sync += rooting.eq(1)
            m.d.comb += [root_start.eq(1), energies.o.ready.eq(1)]
        for i, pipe in enumerate(pipes):
            m.d.comb += pipe.column.eq(column + i)
        return m
