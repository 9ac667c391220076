"""noise: generates Gaussian samples of the read noise for every column of a pass."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec import noise as spec
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.noise.pass_schedule import KEY_BITS, PassSchedule, turn_layout
from ndrite.hdl.parts.layouts import Ports, Sized, energy_shape, noise_layout
from ndrite.hdl.parts.memory import READ_LATENCY, Table
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.parts.target import unmerged

GAUSSIAN_LATENCY = spec.SAMPLE_ROUNDS + 5
"""Cycles from ``column`` to ``sample``."""


class Gaussian(wiring.Component):
    """Generates Gaussian samples g = +-A[u1] +- A[u2] from a table A. The indices u1,
    u2 and the signs are the low 20 bits of the column number after Speck32 encryption.

    ``uniform`` has the remaining 12 bits, above four zeros
    (``ndrite.emulator.spec.variation``).

    Latency: GAUSSIAN_LATENCY cycles, one sample per cycle. Unless ``follow`` is set,
    ``key`` must not change while samples are in the pipeline. With ``follow``, every
    column is taken under the key that comes with it, for 336 flip-flops more
    (generators under one key share them). Resources: SAMPLE_ROUNDS 16-bit adders (about
    48 LUTs and 32 flip-flops each) and one 512-entry ROM read twice; no multiplier.
    """

    def __init__(self, *, follow: bool = False) -> None:
        self.follow = follow
        super().__init__(
            {
                "key": In(64),
                "column": In(spec.SAMPLE_WORD_BITS),
                "sample": Out(signed(12)),
                "uniform": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [self.key.word_select(i, spec.SAMPLE_WORD_BITS) for i in range(4)]
        x, y = self.column, words[3]
        for i in range(spec.SAMPLE_ROUNDS):
            next_x, next_y = (
                Signal(spec.SAMPLE_WORD_BITS, name=f"{n}_{i + 1}", reset_less=True) for n in ("x", "y")
            )
            word = delayed(m, words[i % 4], i, f"key_{i}") if self.follow else words[i % 4]
            mixed = (x.rotate_right(spec.SAMPLE_ROTATE_X) + y)[: spec.SAMPLE_WORD_BITS] ^ word ^ i
            m.d.sync += [next_x.eq(mixed), next_y.eq(y.rotate_left(spec.SAMPLE_ROTATE_Y) ^ mixed)]
            x, y = next_x, next_y
        bits = Cat(y, x[:4])
        m.submodules.table = table = Table(spec.gaussian_table())
        signs = delayed(m, Cat(bits[9], bits[19]), READ_LATENCY + 1, "signs")
        signed_parts = []
        for i in range(2):
            part = Signal(signed(11), name=f"part_{i}", reset_less=True)
            m.d.comb += table.address[i].eq(bits[10 * i : 10 * i + 9])
            size = delayed(m, table.data[i], 1, f"size_{i}")
            m.d.sync += part.eq(Mux(signs[i], -size, size))
            signed_parts.append(part)
        sample = Signal.like(self.sample, name="sum", reset_less=True)
        m.d.sync += sample.eq(signed_parts[0] + signed_parts[1])
        m.d.comb += self.sample.eq(sample)
        m.d.comb += self.uniform.eq(
            delayed(m, Cat(y[:4], x[4:]), GAUSSIAN_LATENCY - spec.SAMPLE_ROUNDS, "uniform")
        )
        return m


LAUNCH_MARGIN = 3
"""Largest number of samples that are launched before ``room`` takes the first of
them into account."""


def sample_depth(geometry: Geometry) -> int:
    """Return the number of entries of the noise sample queue: enough for two passes and
    the samples still in the pipeline."""
    return 2 * (geometry.lanes // geometry.readouts) + 2 * GAUSSIAN_LATENCY + 2


class Samples(Sized):
    """Generates P Gaussian samples g (Q4.8) for every P columns of each pass that
    arrives on ``turns``.

    Throughput: P samples a cycle. ``level`` counts the stored ones. Resources: P sample
    pipes (``ndrite.hdl.noise.noise``), their queue, and a register for a turn's key.
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
        # ``only`` (this launch is the last of its pass) is computed a cycle ahead,
        # while the counter counts down.
        only = Signal()
        m.d.comb += [
            go.eq(busy & room),
            # The next pass on ``turns`` follows without a gap.
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
            # ``free``: entries of the queue that are not reserved for stored samples or
            # for samples in the pipeline.
            free.eq(free - launched + sample_sent),
            room.eq(free > LAUNCH_MARGIN),
        ]
        m.d.comb += stored.i.valid.eq(arrives[-1])
        for i in range(g.readouts):
            m.submodules[f"gaussian_{i}"] = pipe = Gaussian(follow=True)
            # The first column of a pass is a multiple of the number of lanes, which P
            # divides; with feature maps, the first column of a column group may be any.
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


ENERGY_DEPTH = 32
ENERGY_IN_FLIGHT = 18
"""Number of passes that the scanner may begin between reading ``energy_room`` and
delivering their energy."""


class Noise(Sized):
    """For each pass, computes the standard deviation sigma once and generates P
    Gaussian samples g (Q4.8) for every P columns.

    A pass without noise yields neither. Keys and roots of the next passes are worked
    out beside the samples of the one before (``ndrite.hdl.noise.pass_schedule``).
    Throughput: P samples a cycle, and as many passes as the schedule sends. Resources:
    those of the schedule and of ``ndrite.hdl.noise.noise``, and a queue of energies.
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
