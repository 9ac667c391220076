"""cocotb: packets that nobody takes, and a line error. Damaged frames: tests/trust/test_device_fuzz.py."""

import struct
import zlib
from typing import Any

import cocotb
from cobs import cobs
from cocotb.triggers import ClockCycles, RisingEdge

from tests.hdl.given import GEOMETRY
from tests.hdl.streams import pulse, reset

EVENTS = ("good", "framing", "crc", "overflow")
LATENCY = 6
"""Cycles from a frame's delimiter to its packet."""


def packet(payload: bytes) -> bytes:
    body = struct.pack("<BHBIH", 1, 0x0100, 4, 0x01000000, len(payload)) + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


@cocotb.test()
async def window_of_packets_then_overflow(dut: Any) -> None:
    await reset(dut)
    sent = [packet(bytes([i]) * (i + 1)) for i in range(GEOMETRY.window + 2)]
    overflow = 0
    for i, body in enumerate(sent):
        if i >= GEOMETRY.window:
            body = b"\xa5" + body[1:]  # of another version: no byte of it may replace one of a kept packet
        await send(dut, cobs.encode(body) + b"\0")
        for _ in range(LATENCY):
            await RisingEdge(dut.clk)
            overflow += int(dut.events.value) >> EVENTS.index("overflow") & 1
    assert overflow == 2
    for body in sent[: GEOMETRY.window]:
        assert await take(dut) == body
    assert not int(dut.ready.value)
    await send(dut, cobs.encode(sent[-1]) + b"\0")
    assert await take(dut) == sent[-1]


@cocotb.test()
async def line_error_spoils_one_frame(dut: Any) -> None:
    await reset(dut)
    frame = cobs.encode(packet(b"abc")) + b"\0"
    await send(dut, frame[:5])
    await pulse(dut, "line_error")
    await send(dut, frame[5:])
    await ClockCycles(dut.clk, LATENCY)
    assert not int(dut.ready.value)
    await send(dut, frame)
    assert await take(dut) == packet(b"abc")


async def send(dut: Any, data: bytes) -> None:
    for byte in data:
        await pulse(dut, "valid", data_in=byte)


async def take(dut: Any) -> bytes:
    """Read the current slot's packet and release it."""
    for _ in range(20):
        if int(dut.ready.value):
            break
        await RisingEdge(dut.clk)
    assert int(dut.ready.value), "no packet was kept"
    out = bytearray()
    size = 10
    while len(out) < size:
        dut.address.value = len(out)
        await ClockCycles(dut.clk, 3)
        out.append(int(dut.data.value))
        if len(out) == 10:
            size = 14 + int.from_bytes(out[8:10], "little")
    await pulse(dut, "release")
    await ClockCycles(dut.clk, 2)
    return bytes(out)
