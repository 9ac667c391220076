"""cocotb: the patches of every small shape, and long rows, against ``Patches.cut``."""

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from ndrite.emulator.backend.map_places import Place
from ndrite.emulator.backend.walk import patch_fields
from ndrite.emulator.spec.errors import ProgramError
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Pool, Product
from ndrite.hdl.walk.map_memory import MAP_LATENCY
from ndrite.hdl.walk.patch_reader import CHUNK_LATENCY
from ndrite.hdl.walk.records import CHUNK_LAYOUT, STEP_LAYOUT
from tests.emulator.spec.test_program import layer
from tests.hdl.probe import packed, unpacker
from tests.hdl.streams import pulse, reset

EVERY = int(os.environ["EVERY"])
"""Of the small shapes, one in so many."""
CHUNK = unpacker(CHUNK_LAYOUT)
CODES = 1024
CYCLES = 20000
PADDINGS = ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 2), (2, 2, 1, 1))


def small_patches() -> Iterator[Patches]:
    """Maps of up to four rows and columns, kernels up to 3 x 3, strides and dilations
    1 and 2, borders."""
    sides, kernel, pairs = range(1, 5), (1, 2, 3), tuple(itertools.product((1, 2), repeat=2))
    spans = itertools.product((1, 3), sides, sides, kernel, kernel, pairs, pairs, PADDINGS)
    for *shape, kh, kw, stride, dilation, padding in spans:
        how = {"kernel": (kh, kw), "stride": stride, "dilation": dilation, "padding": padding}
        with contextlib.suppress(ProgramError):
            yield Patches(shape=tuple(shape), **how)


class Reader:
    """The device under test with a map memory of ours."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.memory = rng.integers(0, 256, CODES)
        twice = self.memory.astype(np.uint8).tobytes() * 2
        self.words = [int.from_bytes(twice[at : at + 8], "little") for at in range(CODES)]

    async def patches(
        self, fields: dict[str, int], samples: int, span: int, busy: float
    ) -> list[list[dict[str, Any]]]:
        """The chunks of each patch; the memory is busy, and patches may not begin,
        with chance ``busy``."""
        dut, rng, edge = self.dut, self.rng, RisingEdge(self.dut.clk)
        dut.step.value = packed(STEP_LAYOUT, **fields)
        dut.samples.value, dut.span.value = samples, span
        await ClockCycles(dut.clk, 10)
        await pulse(dut, "begin")
        found: list[list[dict[str, Any]]] = [[]]
        asked: deque[int] = deque([0] * MAP_LATENCY)
        quiet = 0
        for _ in range(CYCLES):
            if quiet == CHUNK_LATENCY + 3:
                break
            # Whether or not it asks: what it does not ask for it must not take.
            granted = rng.random() >= busy
            dut.granted.value = int(granted)
            dut.may.value = int(rng.random() >= busy)
            dut.data.value = self.words[asked[0] % CODES]
            await edge
            # Somebody else's words come where it was not granted its own.
            asked.append(int(dut.address.value) if granted else int(rng.integers(CODES)))
            asked.popleft()
            chunk = CHUNK(int(dut.chunk.value))
            if chunk["valid"]:
                found[-1].append(chunk)
                if chunk["patch_end"]:
                    found.append([])
            quiet = quiet + 1 if int(dut.done.value) else 0
        else:
            raise AssertionError(f"no end after {CYCLES} cycles")
        assert found[-1] == [], "chunks behind the last patch"
        return found[:-1]


async def check(reader: Reader, patches: Patches, busy: float, *, pools: bool = False) -> int:
    """One step's patches, a product's or a pool's; how many codes were compared."""
    rng = reader.rng
    base, border = int(rng.integers(0, 512)), int(rng.integers(0, 256))
    c, h, w = patches.shape
    whole = (c, h + int(rng.integers(0, 2)), w + int(rng.integers(0, 2)))
    pixel = c + int(rng.integers(0, 2))
    expected_groups = [range(g * patches.inputs, (g + 1) * patches.inputs) for g in range(patches.groups)]
    if pools:
        step: Any = Pool(of="max", sources=(0,), patches=patches, border=border)
        places = range(patches.kernel[0] * patches.kernel[1])
        words = [range(i, min(i + 8, c)) for i in range(0, c, 8)]
        expected_groups = [[place * c + ch for place in places for ch in word] for word in words]
    else:
        any_layer = layer(patches.inputs, patches.groups)
        step = Product(layer=any_layer, sources=(0,), patches=patches, border=border)
    fields = patch_fields(step, {0: Place(base, whole, pixel)})
    fields |= {"kind": int(pools)}
    at = np.arange(whole[1] * whole[2]).reshape(1, *whole[1:]) * pixel + np.arange(c).reshape(-1, 1, 1)
    if whole[1] * whole[2] == 1:
        at = np.arange(c).reshape(whole)
    samples, span = int(rng.integers(1, 4)), int(rng.integers(0, 200))
    maps = np.stack([reader.memory[(base + sample * span + at) % CODES] for sample in range(samples)])
    expected = np.concatenate(list(patches.cut(maps.reshape(samples, *whole), border)))
    found = await reader.patches(fields, samples, span, busy)
    assert len(found) == samples * patches.positions, patches
    for position, chunks in enumerate(found):
        codes: list[list[int]] = [[]]
        for chunk in chunks:
            codes[-1] += chunk["codes"][: chunk["count"]]
            if chunk["group_end"]:
                codes.append([])
        wanted = [[int(expected[position][k]) for k in group] for group in expected_groups]
        assert codes == [*wanted, []], (patches, pools, position)
        assert all(not any(chunk["codes"][chunk["count"] :]) for chunk in chunks), (patches, position)
        assert [chunk["patch_end"] for chunk in chunks] == [0] * (len(chunks) - 1) + [1]
        if pools:
            assert len(chunks) == len(words) * len(places), (patches, position)
    return int(expected.size)


@cocotb.test()
async def small_shapes(dut: Any) -> None:
    rng = np.random.default_rng(1)
    await reset(dut)
    reader, compared, shapes = Reader(dut, rng), 0, 0
    for number, patches in enumerate(small_patches()):
        if number % EVERY == 0:
            compared += await check(reader, patches, 0.2 if shapes % 2 else 0.0, pools=shapes % 3 == 0)
            shapes += 1
    dut._log.info(f"{shapes} shapes, {compared} codes")
    assert shapes > 60
    assert compared > 1000


@cocotb.test()
async def long_rows(dut: Any) -> None:
    """Runs over several chunks, to the last code of a chunk and one beyond; large
    dilations and borders."""
    rng = np.random.default_rng(2)
    await reset(dut)
    reader = Reader(dut, rng)
    for width, run in itertools.product((24, 25), (7, 8, 9, 16, 17, 24)):
        patches = Patches(shape=(2, 3, width), kernel=(2, run), padding=(0, 5, 1, 3))
        for pools in (False, True):
            await check(reader, patches, 0.1, pools=pools)
    far = Patches(shape=(1, 9, 19), kernel=(3, 3), dilation=(4, 9), padding=(3, 10, 3, 9), stride=(3, 5))
    for pools in (False, True):
        await check(reader, far, 0.1, pools=pools)


@cocotb.test()
async def many_channels(dut: Any) -> None:
    """Groups of channels; of pools, words of eight and what is left."""
    rng = np.random.default_rng(3)
    await reset(dut)
    reader = Reader(dut, rng)
    for channels, groups in ((8, 1), (9, 1), (16, 2), (17, 1), (24, 3), (12, 12)):
        for kernel in ((1, 1), (3, 3), (2, 5), (3, 4)):
            patches = Patches(
                shape=(channels, 3, 5), kernel=kernel, padding=(1, 1, 0, 1), groups=groups, stride=(2, 2)
            )
            await check(reader, patches, 0.1)
            if groups == 1:
                await check(reader, patches, 0.1, pools=True)
