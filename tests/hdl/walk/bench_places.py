"""cocotb: the place of every column of small products, through blocks and windows too."""

import itertools
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from emulator.spec.patches import Patches
from hdl.walk.places import FIELD_LAYOUT, PLACES_LATENCY
from tests.hdl.probe import packed
from tests.hdl.streams import pulse, reset
from tests.hdl.walk import place_fields


async def places(dut: Any, rng: np.random.Generator, fields: dict[str, int], count: int) -> list[Any]:
    """(address, first, inside, turn, over) of each column, which come with gaps."""
    edge = RisingEdge(dut.clk)
    dut.field.value = packed(FIELD_LAYOUT, **fields)
    await ClockCycles(dut.clk, 3)
    await pulse(dut, "begin")
    found, turns, due, given = [], [], [], 0
    cycle = 0
    while len(found) < count:
        take = given < count and rng.random() < 0.8
        dut.next.value = int(take)
        await edge
        cycle += 1
        if take:
            given += 1
            turns.append(int(dut.turn.value))
            due.append(cycle + PLACES_LATENCY)
        if due and due[0] == cycle:
            due.pop(0)
            found.append((int(dut.address.value), int(dut.first.value), int(dut.inside.value)))
    dut.next.value = 0
    await edge
    assert int(dut.over.value) == 1
    return [(*place, turn) for place, turn in zip(found, turns, strict=True)]


@cocotb.test()
async def small_products(dut: Any) -> None:
    rng = np.random.default_rng(1)
    await reset(dut)
    compared = 0
    grids, blocks = ((1, 1), (2, 3), (3, 2)), ((1, 1), (2, 1), (1, 3), (2, 2))
    windows = ((1, 1), (2, 2), (1, 3), (3, 1))
    for grid, block, window, share, groups in itertools.product(grids, blocks, windows, (1, 3), (1, 2)):
        channels = share * groups
        rows, columns = grid[0] * block[0], grid[1] * block[1]
        pooled = (rows // window[0], columns // window[1])
        # Each column's number, put where the golden model puts it.
        count = rows * columns * channels
        patches = Patches(shape=(groups, *grid), kernel=(1, 1), groups=groups)
        order = np.arange(count).reshape(1, grid[0] * grid[1], -1)
        where = {int(n): at for at, n in np.ndenumerate(patches.place(order, block)[0])}
        base = int(rng.integers(0, 300))
        # Channels side by side, pixels further apart where maps are joined; or plane by plane.
        plane, pixel = ((1, channels + 2), (pooled[0] * pooled[1], 1))[compared % 2]
        sizes = {"map": pooled, "grid": grid, "block": block, "pool": window}
        fields = place_fields(base, plane, pixel, share, groups, **sizes) | {"line": pooled[1] * pixel}
        each = block[0] * block[1] * channels
        for n, (address, first, inside, turn) in enumerate(await places(dut, rng, fields, count)):
            c, row, column = where[n]
            q, r = row // window[0], column // window[1]
            what = (grid, block, window, share, groups, n)
            assert inside == int(q < pooled[0] and r < pooled[1]), what
            assert first == int(row % window[0] == 0 and column % window[1] == 0), what
            assert turn == int(n % each == each - 1), what
            if inside:
                assert address == base + c * plane + q * fields["line"] + r * pixel, what
                compared += 1
    assert compared > 1000
