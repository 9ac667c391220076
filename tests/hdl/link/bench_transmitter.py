"""cocotb: frames of random bodies, decoded by the cobs library and checked with zlib, under backpressure."""

import zlib
from typing import Any

import cocotb
import numpy as np
from cobs import cobs
from cocotb.triggers import RisingEdge

from tests.hdl.given import GEOMETRY
from tests.hdl.streams import Sink, pulse, reset

LONGEST = GEOMETRY.packet_bytes + 10


def bodies(rng: np.random.Generator) -> list[bytes]:
    """Bodies with no zeros, only zeros, and runs around COBS's 254-byte limit."""
    edges = [bytes([7]) * n for n in (1, 253, 254, 255, 508, 509)] + [bytes(n) for n in (1, 2, 300)]
    edges += [
        bytes([1]) * 254 + b"\0",
        b"\0" + bytes([1]) * 254,
        bytes([1]) * 250 + b"\0" * 3 + bytes([2]) * 260,
    ]
    mixed = [bytes(rng.choice([0, 1, 255], int(rng.integers(1, 700))).astype(np.uint8)) for _ in range(6)]
    return [b[:LONGEST] for b in edges + mixed]


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.6])
async def frames(dut: Any, stall: float) -> None:
    rng = np.random.default_rng([6, int(stall * 10)])
    await reset(dut)
    sink = Sink(dut, "o", rng, stall)
    cocotb.start_soon(sink.run())
    sent = 0
    for body in bodies(rng):
        await pulse(dut, "begin")
        for byte in body:
            await pulse(dut, "put", data=byte)
            while rng.random() < stall / 2:
                await RisingEdge(dut.clk)
        await pulse(dut, "finish")
        for repeat in range(2):
            frame = await take_frame(dut, sink, sent)
            sent += len(frame) + 1
            assert cobs.decode(frame) == body + zlib.crc32(body).to_bytes(4, "little"), f"body {body.hex()}"
            while int(dut.busy.value):
                await RisingEdge(dut.clk)
            if not repeat:
                await pulse(dut, "repeat")
                await RisingEdge(dut.clk)


async def take_frame(dut: Any, sink: Sink, start: int) -> bytes:
    for _ in range(20_000):
        if 0 in sink.taken[start:]:
            return bytes(sink.taken[start : sink.taken.index(0, start)])
        await RisingEdge(dut.clk)
    raise AssertionError("no frame came")
