"""cocotb: random passes through the array, with gaps between rows and between shifts."""

from __future__ import annotations

import json
import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from emulator.golden.array import array
from emulator.spec import Geometry
from hdl.layouts import row_layout
from tests.hdl.streams import reset, write_memory

GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))
BITS = GEOMETRY.accumulator_bits


@cocotb.test()
@cocotb.parametrize(gap=[0.0, 0.4], corner=[False, True])
async def column_sums(dut: Any, gap: float, corner: bool) -> None:
    rng = np.random.default_rng([5, int(10 * gap), corner])
    await reset(dut)
    depth, n, p = GEOMETRY.weight_depth, GEOMETRY.lanes, GEOMETRY.readouts
    used = 96
    most = GEOMETRY.weight_max
    w = rng.choice([-most, most], (used, n)) if corner else rng.integers(-most, most + 1, (used, n))
    for lane in range(n):
        await write_memory(dut, "window", lane * depth, w[:, lane])
    for _ in range(20):
        lane, row = int(rng.integers(0, n)), int(rng.integers(0, used))
        dut.window__select.value = 1
        dut.window__address.value = lane * depth + row
        for _ in range(8):
            await RisingEdge(dut.clk)
        got = dut.window__read_data.value.to_signed()
        assert got == w[row, lane], f"read-back of lane {lane}, row {row}: expected {w[row, lane]}, got {got}"
    dut.window__select.value = 0
    await RisingEdge(dut.clk)
    for _ in range(12):
        rows = int(rng.integers(1, used + 1))
        x = np.full(rows, 255) if corner else rng.integers(0, 256, rows)
        captured = cocotb.start_soon(_captured(dut))
        for k in range(rows):
            while rng.random() < gap:
                dut.row.value = 0
                await RisingEdge(dut.clk)
            dut.row.value = (
                row_layout(GEOMETRY)
                .const(
                    {
                        "valid": 1,
                        "first": int(k == 0),
                        "last": int(k == rows - 1),
                        "x": int(x[k]),
                        "address": k,
                    }
                )
                .as_value()
                .value
            )
            await RisingEdge(dut.clk)
        dut.row.value = 0
        await captured
        await RisingEdge(dut.clk)
        expected = array(x.astype(np.uint8)[None], w[:rows])[0]
        for start in range(0, n, p):
            while rng.random() < gap:
                await RisingEdge(dut.clk)
            dut.shift.value = 1
            await RisingEdge(dut.clk)
            dut.shift.value = 0
            # Columns stand in the cycle after their shift.
            await RisingEdge(dut.clk)
            raw = int(dut.columns.value)
            for i in range(min(p, n - start)):
                value = raw >> BITS * i & ((1 << BITS) - 1)
                value -= value >> (BITS - 1) << BITS
                want = int(expected[start + i])
                assert value == want, (
                    f"block array, column {start + i}, {rows} rows: expected {want}, got {value}"
                )


async def _captured(dut: Any) -> None:
    while True:
        await RisingEdge(dut.clk)
        if int(dut.capture.value):
            return
