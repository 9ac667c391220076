"""gaussian: one normal sample a cycle from a pass key and a column number."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec import noise as spec
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.memory import READ_LATENCY
from ndrite.hdl.parts.table import Table

GAUSSIAN_LATENCY = spec.SAMPLE_ROUNDS + 5
"""Cycles from ``column`` to ``sample``."""


class Gaussian(wiring.Component):
    """g = +-A[u1] +- A[u2] with u1, u2 and the signs from the low 20 bits of Speck32 rounds on the column.

    ``uniform`` beside it: the remaining 12 bits above the lowest 4 (``ndrite.emulator.spec.variation``).

    Latency: GAUSSIAN_LATENCY cycles, one sample a cycle. Unless ``follow`` is set ``key`` must not change
    while samples are on their way; with it, every column is taken under the key beside it, for 336
    flip-flops more (those of several generators under one key are the same). Resources: SAMPLE_ROUNDS
    16-bit adders (about 48 LUTs and 32 flip-flops each) and one 512-entry ROM read twice; no multiplier.
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
