"""Parts by themselves: bits set, values in fewer bits, products of carry chains."""

from typing import Any

import numpy as np
import pytest
from amaranth import Module, Shape, Signal, signed, unsigned

from ndrite.hdl.learn.answers import clipped
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, CarryMultiplier
from ndrite.hdl.parts.set_bits import (
    at_most_set,
    first_set,
    inner_two,
    outer_two,
    second_last_set,
    second_set,
)
from tests.hdl.interpreted import answers, simulated


def test_set_bits_of_every_byte() -> None:
    m = Module()
    bits, most = Signal(8), Signal(5)
    found = [Signal(8, name=f"found_{i}") for i in range(7)]
    of_byte = (first_set(bits), second_set(bits), *outer_two(bits), second_last_set(bits), *inner_two(bits))
    m.d.comb += [signal.eq(value) for signal, value in zip(found, of_byte, strict=True)]
    m.d.comb += [most[n].eq(at_most_set(bits, n)) for n in (1, 2, 3, 4)]

    async def bench(ctx: Any) -> None:
        for value in range(256):
            ctx.set(bits, value)
            ones = [1 << i for i in range(8) if value >> i & 1]
            wanted = [sum(ones[:1]), sum(ones[1:2]), sum(ones[:1]), sum(ones[1:][-1:]), sum(ones[1:-1][-1:])]
            assert [ctx.get(s) for s in found[:5]] == wanted, value
            # Of no more than two bits none are left.
            if len(ones) > 2:
                inner = ones[1:-1]
                assert [ctx.get(s) for s in found[5:]] == [inner[0], sum(inner[1:][-1:])], value
            few = [ctx.get(most) >> n & 1 for n in (1, 2, 3, 4)]
            assert few == [len(ones) <= n for n in (1, 2, 3, 4)], value

    simulated(m, bench)


@pytest.mark.parametrize("bits", [1, 2, 5, 7])
def test_clipped(bits: int) -> None:
    m, value, out = Module(), Signal(signed(8)), Signal(signed(8))
    m.d.comb += out.eq(clipped(value, bits))

    async def bench(ctx: Any) -> None:
        for given in range(-128, 128):
            ctx.set(value, given)
            await ctx.delay(1e-9)
            assert ctx.get(out) == max(-(1 << bits - 1), min((1 << bits - 1) - 1, given))

    simulated(m, bench)


@pytest.mark.parametrize("shape", [signed(9), signed(8), unsigned(16)])
def test_carry_multiplier_at_corners_and_at_random(shape: Shape) -> None:
    rng = np.random.default_rng(1)
    low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
    pairs = [(a, b) for a in (low, -1, 0, 1, high - 1) if a >= low for b in (0, 1, 2, 128, 170, 255)]
    pairs += [(int(rng.integers(low, high)), int(rng.integers(0, 256))) for _ in range(500)]
    given = [{"a": a, "b": b} for a, b in pairs]
    found = answers(CarryMultiplier(shape), given, MULTIPLY_LATENCY, "product")
    assert found == [(a * b,) for a, b in pairs]


def test_signals_made_together_have_the_name_of_the_last() -> None:
    """Whatever instructions the Python has for it: names are part of a netlist."""
    first, second = Signal(), Signal()
    assert (first.name, second.name) == ("$signal", "second")
