"""cocotb: a memory's words, written and read at random and where its banks meet."""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from ndrite.hdl.parts.memory import READ_LATENCY
from tests.hdl.compared import same
from tests.hdl.streams import reset


@cocotb.test()
async def words(dut: Any) -> None:
    depth = int(os.environ["DEPTH"])
    await reset(dut)
    rng, held, asked = np.random.default_rng(1), dict[int, int](), list[int | None]()
    half = 1 << (depth - 1).bit_length() - 1
    edges = [0, half - 1, half, depth - 1, *(half - 1 ^ 1 << i for i in range(12)), 1, half // 2]
    compared = 0
    for i in range(6000):
        at, seen = (int(rng.choice(edges)) if rng.random() < 0.7 else int(rng.integers(depth)) for _ in "wr")
        value, writes = int(rng.integers(256)), i < 40 or rng.random() < 0.5
        dut.write.value, dut.write_address.value, dut.write_data.value = int(writes), at, value
        dut.address.value = seen
        # A word that is read in the cycle it is written in is undefined.
        asked.append(held.get(seen) if not (writes and at == seen) else None)
        await RisingEdge(dut.clk)
        if writes:
            held[at] = value
        if i >= READ_LATENCY and (word := asked[i - READ_LATENCY]) is not None:
            same(int(dut.data.value), word, f"word read in cycle {i - READ_LATENCY}")
            compared += 1
    assert compared > 4000
