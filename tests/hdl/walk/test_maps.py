"""Codes into the map memory as fast as they may come, the largest of each window kept; pools."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from amaranth import Module, Signal

from emulator.backend.walk import POOLED_TURNS_MIN, WINDOW_MAX
from emulator.spec import PRESETS
from emulator.spec.geometry import WORD_ROWS
from hdl.walk.map_memory import MAP_LATENCY, MapMemory
from hdl.walk.map_writer import WRITE_LATENCY, MapWriter
from hdl.walk.pooling import Pooling
from tests.hdl.interpreted import followed, simulated
from tests.hdl.walk import place_fields

MAPS = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, map_codes=1024)
WINDOWS, WIDTH, PLANE = 3, 4, 100
"""Windows of so many places side by side, and how far channels lie apart."""


def pooled(codes: np.ndarray[Any, Any], gap: float, rng: np.random.Generator) -> list[int]:
    """The map that ``codes`` (places, channels) leave behind when they come with gaps."""
    channels = codes.shape[1]
    m = Module()
    m.submodules.memory = memory = MapMemory(MAPS)
    m.submodules.writer = writer = MapWriter(MAPS)
    sizes = {"map": (1, WINDOWS), "grid": (1, WINDOWS * WIDTH), "block": (1, 1), "pool": (1, WIDTH)}
    field = place_fields(7, PLANE, 1, channels, 1, **sizes)
    m.d.comb += [writer.field[name].eq(value) for name, value in field.items()]
    m.d.comb += [
        memory.write.eq(writer.write),
        memory.write_address.eq(writer.write_address),
        memory.write_data.eq(writer.write_data),
        writer.data.eq(memory.data[:8]),
    ]
    looking = Signal()
    where = Signal.like(memory.address)
    with m.If(looking):
        m.d.comb += memory.address.eq(where)
    with m.Elif(writer.request):
        m.d.comb += memory.address.eq(writer.address)
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(3)
        ctx.set(writer.begin, 1)
        await ctx.tick()
        ctx.set(writer.begin, 0)
        for code in codes.ravel():
            while rng.random() < gap:
                await ctx.tick()
            ctx.set(writer.valid, 1)
            ctx.set(writer.y, int(code))
            ctx.set(writer.count, 1)
            await ctx.tick()
            ctx.set(writer.valid, 0)
        await ctx.tick().repeat(WRITE_LATENCY + 2)
        ctx.set(looking, 1)
        for window in range(WINDOWS):
            for channel in range(channels):
                ctx.set(where, 7 + window + PLANE * channel)
                await ctx.tick().repeat(MAP_LATENCY)
                found.append(ctx.get(memory.data[:8]))

    simulated(m, bench)
    return found


@pytest.mark.parametrize("channels", range(POOLED_TURNS_MIN, 9))
@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_the_largest_of_a_window_however_soon_its_place_comes_again(channels: int, gap: float) -> None:
    rng = np.random.default_rng(channels)
    codes = rng.integers(0, 256, (WINDOWS * WIDTH, channels))
    expected = codes.reshape(WINDOWS, WIDTH, channels).max(axis=1)
    np.testing.assert_array_equal(pooled(codes, gap, rng), expected.ravel())


@pytest.mark.parametrize("window", [1, 9, 300, WINDOW_MAX])
def test_pooling_adds_any_window(window: int) -> None:
    """Largest and sum of windows to the largest, by NumPy; 300 full codes are beyond 16 bits."""
    rng = np.random.default_rng(window)
    parts = [rng.integers(low, 256, (window, WORD_ROWS)) for low in (255, 0, 200)]
    given: list[dict[str, Any]] = []
    for part in parts:
        for i, codes in enumerate(part.tolist()):
            last = int(i == window - 1)
            chunk = {"valid": 1, "codes": codes, "count": WORD_ROWS, "part_end": last}
            given.append({"chunk": chunk | {"group_end": 0, "patch_end": last}})
        given.append({"chunk": {"valid": 0, "codes": [0] * 8, "count": 0, "part_end": 0, "patch_end": 0}})
        given += [{}] * (1 + WORD_ROWS)
    seen = [value for valid, *value in followed(Pooling(), given, "valid", "largest", "total") if valid]
    wanted = [[part[:, c].max(), part[:, c].sum()] for part in parts for c in range(WORD_ROWS)]
    assert seen == wanted
