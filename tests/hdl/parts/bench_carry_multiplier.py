"""cocotb: products of a factor of sixteen bits and every code, one a cycle."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY
from tests.hdl.compared import same
from tests.hdl.streams import reset


@cocotb.test()
async def products(dut: Any) -> None:
    await reset(dut)
    factors = [0, 1, 0x5555, 0xAAAA, 0xFFFF, *np.random.default_rng(1).integers(0, 1 << 16, 7).tolist()]
    pairs = [(a, b) for a in factors for b in range(256)]
    ended = [(0, 0)] * (MULTIPLY_LATENCY + 1)
    for i, (a, b) in enumerate(pairs + ended):
        if i > MULTIPLY_LATENCY:
            before = pairs[i - MULTIPLY_LATENCY - 1]
            same(int(dut.product.value), before[0] * before[1], f"product of {before}")
        dut.a.value, dut.b.value = a, b
        await RisingEdge(dut.clk)
