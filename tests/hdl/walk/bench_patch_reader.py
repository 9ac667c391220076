"""cocotb: the patches of every small shape, and long rows, against ``Patches.cut``."""

from __future__ import annotations

import itertools
import os
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from emulator.backend.map_places import Place
from emulator.backend.walk import patch_fields
from emulator.spec.patches import Patches
from emulator.spec.steps import Pool
from hdl.walk.layouts import chunk_layout
from hdl.walk.map_memory import MAP_LATENCY
from hdl.walk.patch_reader import CHUNK_LATENCY
from tests.hdl.probe import unpack
from tests.hdl.streams import reset
from tests.hdl.walk.shapes import packed, small_patches

EVERY = int(os.environ.get("EVERY", "97"))
"""Of the small shapes, one in so many."""
CODES = 1024
CYCLES = 20000


class Reader:
    """The device under test with a map memory of ours."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.memory = rng.integers(0, 256, CODES)

    async def patches(self, fields: dict[str, int], busy: float) -> list[list[dict[str, Any]]]:
        """The chunks of each patch; the memory is busy, and patches may not begin, with chance ``busy``."""
        dut, rng, edge = self.dut, self.rng, RisingEdge(self.dut.clk)
        dut.step.value = packed(fields)
        for _ in range(4):
            await edge
        dut.begin.value = 1
        await edge
        dut.begin.value = 0
        found: list[list[dict[str, Any]]] = [[]]
        asked: deque[int] = deque([0] * MAP_LATENCY)
        quiet = 0
        for _ in range(CYCLES):
            if quiet == CHUNK_LATENCY + 3:
                break
            # Whether or not it asks: what it does not ask for it must not take.
            dut.granted.value = int(rng.random() >= busy)
            dut.may.value = int(rng.random() >= busy)
            codes = [int(self.memory[(asked[0] + i) % CODES]) for i in range(8)]
            dut.data.value = sum(code << 8 * i for i, code in enumerate(codes))
            await edge
            asked.append(int(dut.address.value))
            asked.popleft()
            chunk = unpack(chunk_layout(), int(dut.chunk.value))
            if chunk["valid"]:
                found[-1].append(chunk)
                if chunk["patch_end"]:
                    found.append([])
            quiet = quiet + 1 if int(dut.done.value) else 0
        else:
            raise AssertionError(f"no end after {CYCLES} cycles")
        assert found[-1] == [], "chunks behind the last patch"
        return found[:-1]


async def check(reader: Reader, patches: Patches, busy: float) -> int:
    """One step's patches; how many codes were compared."""
    rng = reader.rng
    base, border = int(rng.integers(0, 512)), int(rng.integers(0, 256))
    c, h, w = patches.shape
    whole = (c, h + int(rng.integers(0, 2)), w + int(rng.integers(0, 2)))
    step = Pool(of="max", sources=(0,), patches=patches, border=border)
    fields = patch_fields(step, {0: Place(base, whole)}) | {"kind": 1}
    maps = np.array([reader.memory[(base + i) % CODES] for i in range(int(np.prod(whole)))])
    expected = patches.cut(maps.reshape(1, *whole), border)[0]
    found = await reader.patches(fields, busy)
    assert len(found) == patches.positions, patches
    for position, chunks in enumerate(found):
        codes = [code for chunk in chunks for code in chunk["codes"][: chunk["count"]]]
        assert codes == expected[position].tolist(), (patches, position)
        runs = 1 if patches.dilation[1] > 1 else 8
        each = -(-patches.kernel[1] // runs)
        assert len(chunks) == c * patches.kernel[0] * each, (patches, position)
        assert all(not any(chunk["codes"][chunk["count"] :]) for chunk in chunks), (patches, position)
        assert sum(chunk["channel_end"] for chunk in chunks) == c, (patches, position)
        assert [chunk["patch_end"] for chunk in chunks] == [0] * (len(chunks) - 1) + [1]
    return expected.size


@cocotb.test()
async def small_shapes(dut: Any) -> None:
    rng = np.random.default_rng(1)
    await reset(dut)
    reader, compared, shapes = Reader(dut, rng), 0, 0
    for number, patches in enumerate(small_patches()):
        if number % EVERY == 0:
            compared += await check(reader, patches, busy=0.2 if shapes % 2 else 0.0)
            shapes += 1
    dut._log.info(f"{shapes} shapes, {compared} codes")
    assert shapes > 60
    assert compared > 1000


@cocotb.test()
async def long_rows(dut: Any) -> None:
    """Runs over several chunks, to the last code of a chunk and one beyond; large dilations and borders."""
    rng = np.random.default_rng(2)
    await reset(dut)
    reader = Reader(dut, rng)
    for width, run in itertools.product((24, 25), (7, 8, 9, 16, 17, 24)):
        await check(reader, Patches(shape=(2, 3, width), kernel=(2, run), padding=(0, 5, 1, 3)), 0.1)
    far = Patches(shape=(1, 9, 19), kernel=(3, 3), dilation=(4, 9), padding=(3, 10, 3, 9), stride=(3, 5))
    await check(reader, far, 0.1)
