"""samples: the Gaussian samples of turn after turn, stored ahead of readout."""

from amaranth import Cat, Const, Module, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.noise.gaussian import GAUSSIAN_LATENCY, Gaussian
from ndrite.hdl.noise.pass_schedule import KEY_BITS, turn_layout
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.parts.queue import Queue
from ndrite.hdl.parts.target import unmerged

LAUNCH_MARGIN = 3
"""Samples launched, at most, before the first of them shows in ``room``."""


def sample_depth(geometry: Geometry) -> int:
    """Entries of the sample queue: two passes, and the pipeline's content on top."""
    return 2 * (geometry.lanes // geometry.readouts) + 2 * GAUSSIAN_LATENCY + 2


class Samples(Sized):
    """For each turn P samples g (Q4.8) for every P columns.

    Throughput: P samples a cycle. ``level`` counts the stored ones. Resources: P sample pipes
    (``ndrite.hdl.noise.gaussian``), their queue, and a register for a turn's key.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "turns": In(stream.Signature(turn_layout(g))),
            "samples": Out(stream.Signature(ArrayLayout(signed(12), g.readouts))),
            "level": Out(bits_for(sample_depth(g))),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, turn = self.geometry, self.turns.payload
        depth, step_log2 = sample_depth(g), exact_log2(g.readouts)
        m.submodules.stored = stored = Queue(ArrayLayout(signed(12), g.readouts), depth, parts=g.readouts)
        wiring.connect(m, stored.o, wiring.flipped(self.samples))
        turn_key = Signal(KEY_BITS, name="held_0", reset_less=True)
        steps, left = (Signal(range(g.lanes // g.readouts + 1), name=n) for n in ("steps", "left"))
        column, launched_column = Signal(16), Signal(16)
        busy, room, go = Signal(), Signal(), Signal()
        # Known a cycle ahead, as that counts down.
        only = Signal()
        m.d.comb += [
            go.eq(busy & room),
            # The next turn follows at once.
            self.turns.ready.eq(~busy | (go & only)),
            self.level.eq(stored.level),
            steps.eq((turn.columns + (g.readouts - 1)) >> step_log2),
        ]
        with m.If(go):
            m.d.sync += [left.eq(left - 1), only.eq(left == 2), column.eq(column + g.readouts)]
            with m.If(only):
                m.d.sync += busy.eq(0)
        with m.If(self.turns.valid & self.turns.ready):
            m.d.sync += [busy.eq(1), left.eq(steps), only.eq(steps == 1)]
            m.d.sync += [column.eq(turn.first_column), turn_key.eq(turn["key"])]

        launched = Signal()
        arrives = Signal(GAUSSIAN_LATENCY, reset_less=True)
        free, sample_sent = Signal(range(depth + 1), init=depth), Signal()
        m.d.sync += [
            launched.eq(go),
            launched_column.eq(column),
            arrives.eq(Cat(launched, arrives)),
            sample_sent.eq(stored.o.valid & stored.o.ready),
            # Entries that neither a sample stored nor one on its way will need.
            free.eq(free - launched + sample_sent),
            room.eq(free > LAUNCH_MARGIN),
        ]
        m.d.comb += stored.i.valid.eq(arrives[-1])
        for i in range(g.readouts):
            m.submodules[f"gaussian_{i}"] = pipe = Gaussian(follow=True)
            # Columns begin at a multiple of the lanes, which P divides, but those of a group anywhere.
            pipe_column: Value = Cat(Const(i, step_log2), launched_column[step_log2:])
            if g.map_codes:
                pipe_column = Signal(16, name=f"launched_column_{i}")
                m.d.sync += pipe_column.eq(column + i)
            m.d.comb += [
                pipe.column.eq(pipe_column),
                pipe.key.eq(unmerged(m, platform, turn_key, f"key_of_{i}")),
                stored.i.payload[i].eq(pipe.sample),
            ]
        return m
