"""cocotb: random passes through the array, with gaps between rows and between shifts."""

from typing import Any

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib.data import ArrayLayout
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from ndrite.emulator.golden.array import array
from ndrite.hdl.array.array import PEEK_LATENCY
from ndrite.hdl.parts.layouts import cell_layout, cells_at_once, peek_layout, poke_layout, row_layout
from tests.hdl.compared import same
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import packed, unpacker
from tests.hdl.streams import pulse, reset

COLUMNS = unpacker(ArrayLayout(signed(GEOMETRY.accumulator_bits), GEOMETRY.readouts))
AT_ONCE = cells_at_once(GEOMETRY)


async def poke(dut: Any, lane: int, words: Any) -> None:
    """Write weights and targets of one lane, one row a cycle."""
    slot, place = divmod(lane, AT_ONCE)
    for row, weight in enumerate(words):
        where = {"lanes": 1 << place, "slot": slot, "address": row}
        dut.poke.value = packed(poke_layout(GEOMETRY), target=1, weights=[int(weight)] * AT_ONCE, **where)
        await RisingEdge(dut.clk)
    dut.poke.value = 0


@cocotb.test()
@cocotb.parametrize(gap=[0.0, 0.4], corner=[False, True])
async def column_sums(dut: Any, gap: float, corner: bool) -> None:
    rng = np.random.default_rng([5, int(10 * gap), corner])
    await reset(dut)
    n, p = GEOMETRY.lanes, GEOMETRY.readouts
    used = 96
    most = GEOMETRY.weight_max
    w = rng.choice([-most, most], (used, n)) if corner else rng.integers(-most, most + 1, (used, n))
    for lane in range(n):
        await poke(dut, lane, w[:, lane])
    for _ in range(20):
        lane, row = int(rng.integers(0, n)), int(rng.integers(0, used))
        slot, place = divmod(lane, AT_ONCE)
        dut.peek.value = packed(peek_layout(GEOMETRY), select=1, slot=slot, address=row)
        await ClockCycles(dut.clk, 1)
        # Another access every cycle: the answer must be of the first.
        dut.peek.value = 0
        await ClockCycles(dut.clk, PEEK_LATENCY - 1)
        await ReadOnly()
        cell = unpacker(ArrayLayout(cell_layout(GEOMETRY), AT_ONCE))(int(dut.peeked.value))[place]
        for part in ("weight", "target") if GEOMETRY.redraw else ("weight",):
            same(cell[part], w[row, lane], f"{part} of lane {lane}, row {row}")
        await RisingEdge(dut.clk)
    for _ in range(12):
        rows = int(rng.integers(1, used + 1))
        x = np.full(rows, 255) if corner else rng.integers(0, 256, rows)
        captured = cocotb.start_soon(_captured(dut))
        # Of two rows a cycle any two go together, and the last of an odd number alone.
        order, at_once = rng.permutation(rows), GEOMETRY.lane_rows
        for first in range(0, rows, at_once):
            while rng.random() < gap:
                dut.row.value = 0
                await RisingEdge(dut.clk)
            row = {"valid": 1, "first": int(first == 0), "last": int(first + at_once >= rows)}
            for k, name in zip(order[first : first + at_once], ("", "_other"), strict=False):
                row |= {f"x{name}": int(x[k]), f"address{name}": int(k)}
            dut.row.value = packed(row_layout(GEOMETRY), **row)
            await RisingEdge(dut.clk)
        dut.row.value = 0
        await captured
        await RisingEdge(dut.clk)
        expected = array(x.astype(np.uint8)[None], w[:rows])[0]
        for start in range(0, n, p):
            while rng.random() < gap:
                await RisingEdge(dut.clk)
            await pulse(dut, "shift")
            # Columns stand in the cycle after their shift.
            await RisingEdge(dut.clk)
            for column, value in enumerate(COLUMNS(int(dut.columns.value))[: n - start], start):
                same(value, expected[column], f"block array, column {column}, {rows} rows")


async def _captured(dut: Any) -> None:
    while True:
        await RisingEdge(dut.clk)
        if int(dut.capture.value):
            return
