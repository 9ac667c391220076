"""slice_noise: samples and scale of the passes of a tile whose slices the array adds at once."""

from __future__ import annotations

import itertools

from amaranth import Cat, Const, Module, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.utils import exact_log2

from emulator.spec.geometry import Geometry
from emulator.spec.noise import DOMAIN_READ, KEY_WORD_BITS
from hdl.noise.gaussian import GAUSSIAN_LATENCY, Gaussian
from hdl.noise.noise import ENERGY_DEPTH, ENERGY_IN_FLIGHT, Noise, noise_ports
from hdl.noise.pass_key import PassKey
from hdl.noise.sigma import Sigma
from hdl.parts.layouts import energy_layout
from hdl.parts.queue import Queue
from hdl.parts.unmerged import unmerged

LAUNCH_MARGIN = 3
"""Samples launched, at most, before the first of them shows in ``room``."""


class SliceNoise(wiring.Component):
    """``hdl.noise.noise.Noise`` for passes that come in turns of ``slices``, slice 0 first, all of one tile.

    The tile's slices are worked out beside each other from the one S of each in ``energy``. Their keys and
    roots come first. Their samples follow, one slice after the other without a gap, while the next tile's
    keys and roots are under way. Throughput: one sample a cycle and pipe, and at most one tile in about 45
    cycles. Resources: a Speck64/128 round, a square root and a held key for each slice, and P sample pipes.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.depth = Noise.sample_depth(geometry)
        super().__init__(noise_ports(geometry))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.energies = self.energies = energies = Queue(energy_layout(g), ENERGY_DEPTH)
        m.submodules.sigmas = self.sigmas = sigmas = Queue(16, 2 * g.slices)
        m.submodules.samples = self.stored = samples = Queue(
            ArrayLayout(signed(12), g.readouts), self.depth, parts=g.readouts
        )
        wiring.connect(m, sigmas.o, wiring.flipped(self.sigma))
        wiring.connect(m, samples.o, wiring.flipped(self.samples))
        m.d.comb += [
            energies.i.payload.eq(self.energy),
            energies.i.valid.eq(self.energy_valid),
            self.samples_level.eq(samples.level),
        ]
        m.d.sync += self.energy_room.eq(energies.level <= ENERGY_DEPTH - ENERGY_IN_FLIGHT - 1)

        self._units(m)
        self._schedule(m)
        self._samples(m, platform)
        return m

    def _units(self, m: Module) -> None:
        """A root and a key for each slice; whose keys are handed over next is in ``keyed``."""
        g, now = self.geometry, self.passes.payload
        self.keyed = now
        self.key_start, self.root_start = Signal(), Signal()
        self.roots, self.keys = [Sigma(g) for _ in range(g.slices)], [PassKey() for _ in range(g.slices)]
        for j, (root, key) in enumerate(zip(self.roots, self.keys, strict=True)):
            m.submodules[f"root_{j}"], m.submodules[f"key_{j}"] = root, key
            m.d.comb += [
                root.start.eq(self.root_start),
                root.variance_out.eq(now.variance_out),
                root.var_cell.eq(now.var_cell),
                root.energy.eq(self.energies.o.payload[j]),
                key.start.eq(self.key_start),
            ]
            self._key_of(m, key, Cat(Const(j, 3), Signal(5), now.tile, Signal(6), now.layer))
        self.finished = [key.key for key in self.keys]

    def _key_of(self, m: Module, key: PassKey, counter: Value) -> None:
        """``key`` takes what read noise is drawn from, for the pass on offer."""
        m.d.comb += [
            key.seed.eq(self.seed),
            key.domain.eq(DOMAIN_READ),
            key.stream.eq(self.stream),
            key.inference.eq(self.passes.payload.inference),
            key.counter.eq(counter),
        ]

    def _schedule(self, m: Module) -> None:
        """A tile's keys to the samples (``handed``), its sigmas to readout, its passes off their queue."""
        g, now, energies, sigmas = self.geometry, self.passes.payload, self.energies, self.sigmas
        self.handed, self.busy = Signal(), Signal()
        rooting, skip, leaving, giving = Signal(), Signal(), Signal(), Signal()
        turn = Signal(range(g.slices))
        last_turn = turn == g.slices - 1
        m.d.comb += [
            sigmas.i.valid.eq(giving & self.passes.valid),
            sigmas.i.payload.eq(Cat(*(root.sigma for root in self.roots)).word_select(turn, 16)),
            self.passes.ready.eq(leaving | (sigmas.i.valid & sigmas.i.ready)),
            energies.o.ready.eq(self.root_start | skip),
        ]
        # As soon as the tile's energies are known, beside keys and samples.
        m.d.sync += self.root_start.eq(
            self.passes.valid
            & now.noisy
            & energies.o.valid
            & ~(rooting | self.root_start | self.passes.ready | giving)
        )
        with m.If(self.root_start):
            m.d.sync += rooting.eq(1)
        m.d.sync += [self.key_start.eq(0), leaving.eq(0)]
        with m.FSM():
            with m.State("idle"):
                with m.If(self.passes.valid):
                    m.next = "begin"
                    with m.If(~now.noisy):
                        m.next = "noiseless"
            with m.State("noiseless"):
                # Only the passes and their energy are consumed, so that both queues stay in step.
                with m.If(energies.o.valid):
                    m.d.comb += skip.eq(now.slice == g.slices - 1)
                    m.d.sync += leaving.eq(1)
                    m.next = "gone"
            with m.State("gone"):
                m.next = "idle"
            with m.State("begin"):
                m.d.sync += self.key_start.eq(1)
                m.next = "started"
            with m.State("started"):
                m.next = "keys"
            with m.State("keys"):
                with m.If(self.keys[0].done & ~self.busy):
                    m.d.comb += self.handed.eq(1)
                    m.next = "roots"
            with m.State("roots"):
                with m.If(rooting & self.roots[0].done):
                    m.d.sync += giving.eq(1)
                    m.next = "give"
            with m.State("give"):
                with m.If(self.passes.ready):
                    m.d.sync += turn.eq(turn + 1)
                    with m.If(last_turn):
                        m.d.sync += [turn.eq(0), giving.eq(0), rooting.eq(0)]
                        m.next = "idle"

    def _samples(self, m: Module, platform: object) -> None:
        """Of every slice of the tile handed over, ``busy`` until the last has been launched."""
        g, keyed, samples = self.geometry, self.keyed, self.stored
        step_log2 = exact_log2(g.readouts)
        held = [Signal(2 * KEY_WORD_BITS, name=f"held_{j}", reset_less=True) for j in range(g.slices)]
        steps, left = (Signal(range(g.lanes // g.readouts + 1), name=n) for n in ("steps", "left"))
        first, column, launched_column = Signal(16), Signal(16), Signal(16)
        turn, room, go = Signal(range(g.slices)), Signal(), Signal()
        # Known a cycle ahead, as that counts down.
        only = Signal()
        m.d.comb += [go.eq(self.busy & room), steps.eq((keyed.columns + (g.readouts - 1)) >> step_log2)]
        of_tile = Signal.like(steps)
        with m.If(go):
            m.d.sync += [left.eq(left - 1), only.eq(left == 2), column.eq(column + g.readouts)]
            with m.If(only):
                m.d.sync += [left.eq(of_tile), only.eq(of_tile == 1), column.eq(first), turn.eq(turn + 1)]
                m.d.sync += [early.eq(late) for early, late in itertools.pairwise(held)]
                with m.If(turn == g.slices - 1):
                    m.d.sync += self.busy.eq(0)
        with m.If(self.handed):
            m.d.sync += [self.busy.eq(1), turn.eq(0), left.eq(steps), of_tile.eq(steps), only.eq(steps == 1)]
            m.d.sync += [column.eq(keyed.first_column), first.eq(keyed.first_column)]
            m.d.sync += [hold.eq(key) for hold, key in zip(held, self.finished, strict=True)]

        launched = Signal()
        arrives = Signal(GAUSSIAN_LATENCY, reset_less=True)
        free, taken = Signal(range(self.depth + 1), init=self.depth), Signal()
        m.d.sync += [
            launched.eq(go),
            launched_column.eq(column),
            arrives.eq(Cat(launched, arrives)),
            taken.eq(samples.o.valid & samples.o.ready),
            free.eq(free - launched + taken),
            room.eq(free > LAUNCH_MARGIN),
        ]
        m.d.comb += samples.i.valid.eq(arrives[-1])
        for i in range(g.readouts):
            m.submodules[f"gaussian_{i}"] = pipe = Gaussian(follow=True)
            # Columns begin at a multiple of the lanes, which P divides, but those of a group anywhere.
            own: Value = Cat(Const(i, step_log2), launched_column[step_log2:])
            if g.map_codes:
                own = Signal(16, name=f"launched_column_{i}")
                m.d.sync += own.eq(column + i)
            m.d.comb += [
                pipe.column.eq(own),
                pipe.key.eq(unmerged(m, platform, held[0], f"key_of_{i}")),
                samples.i.payload[i].eq(pipe.sample),
            ]
