"""sigma: the scale of one pass's read noise."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.arithmetic import SIGMA_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier

LOW_BITS = 12
"""Energy bits multiplied in the first of two narrow products."""


def sigma_latency(g: Geometry) -> int:
    """Cycles from ``start`` to ``done``."""
    largest = SIGMA_MAX**2 + ((65535 * g.energy_max) >> 8)
    return -(-bits_for(largest) // 2) + 8


class Sigma(wiring.Component):
    """sigma = min(65535, isqrt(variance_out + ((var_cell * S) >> 8))), one root bit a cycle.

    ``start`` for one cycle with the operands; ``done`` stays up from the result on until the next start.
    Latency: half the radicand's bits + 8 cycles (26 for the ``64-lane`` geometry). Resources: two
    multipliers (one where S fits 12 bits), about 120 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        energy_bits = bits_for(geometry.energy_max)
        self.steps = sigma_latency(geometry) - 8
        super().__init__(
            {
                "start": In(1),
                "variance_out": In(32),
                "var_cell": In(16),
                "energy": In(energy_bits),
                "sigma": Out(16),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        steps = self.steps
        m.submodules.low = low = Multiplier(unsigned(16), unsigned(LOW_BITS))
        energy = Signal.like(self.energy)
        m.d.comb += [low.a.eq(self.var_cell), low.b.eq(energy[:LOW_BITS])]
        # A multiplier's output register is slow: another one before the adder.
        partial_product: Any = delayed(m, low.product, 1, "low")
        if len(energy) > LOW_BITS:
            m.submodules.high = high = Multiplier(unsigned(16), unsigned(len(energy) - LOW_BITS))
            m.d.comb += [high.a.eq(self.var_cell), high.b.eq(energy[LOW_BITS:])]
            partial_product = partial_product + (delayed(m, high.product, 1, "high") << LOW_BITS)
        product = Signal(unsigned(16 + len(self.energy)))
        radicand = Signal(2 * steps)
        root = Signal(steps)
        remainder = Signal(steps + 2)
        before = MULTIPLY_LATENCY + 2
        count = Signal(range(before + steps + 3))
        # Restoring square root, two radicand bits a step: try to subtract 4 * root + 1.
        trial = Cat(radicand[-2:], remainder)
        candidate = Cat(1, 0, root)
        fits = trial >= candidate
        # Step of the count, decoded a cycle ahead.
        adding, rooting = Signal(), Signal()
        with m.If(self.start):
            m.d.sync += [self.done.eq(0), count.eq(0), root.eq(0), remainder.eq(0), energy.eq(self.energy)]
            m.d.sync += [adding.eq(1), rooting.eq(0)]
        with m.Elif(~self.done):
            m.d.sync += count.eq(count + 1)
            m.d.sync += [
                adding.eq(count < before),
                rooting.eq((count >= before) & (count < before + steps)),
            ]
            m.d.sync += product.eq(partial_product)
            with m.If(adding):
                m.d.sync += radicand.eq(self.variance_out + (product >> 8))
            with m.Elif(rooting):
                m.d.sync += [
                    radicand.eq(radicand << 2),
                    remainder.eq(Mux(fits, trial - candidate, trial)),
                    root.eq(Cat(fits, root)),
                ]
            with m.Else():
                m.d.sync += [self.done.eq(1), self.sigma.eq(Mux(root > SIGMA_MAX, SIGMA_MAX, root))]
        return m
