"""cocotb: good, damaged, truncated, overlong and surplus frames into the receiver, with gaps."""

import struct
import zlib
from collections import Counter
from typing import Any

import cocotb
import numpy as np
from cobs import cobs
from cocotb.triggers import ClockCycles, RisingEdge

from tests.hdl.given import GEOMETRY
from tests.hdl.streams import pulse, reset

EVENTS = ("good", "framing", "crc", "overflow")
LATENCY = 6
"""Cycles from a frame's delimiter to its packet."""


def packet(payload: bytes, *, length: int | None = None) -> bytes:
    head = struct.pack("<BHBIH", 1, 0x0100, 4, 0x01000000, len(payload) if length is None else length)
    body = head + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


def frames(rng: np.random.Generator) -> list[tuple[str, bytes]]:
    """(expected event, frame bytes with delimiter); '' where nothing is counted."""
    out: list[tuple[str, bytes]] = []
    for _ in range(120):
        size = int(rng.integers(0, GEOMETRY.packet_bytes + 1))
        payload = bytes(rng.choice([0, 1, 7, 255], size).astype(np.uint8))
        good = packet(payload)
        flipped = bytearray(good)
        flipped[int(rng.integers(0, len(good)))] ^= 1 << int(rng.integers(0, 8))
        stopped = cobs.encode(good)[:-1]
        cases = [
            *[("good", cobs.encode(good))] * 3,
            ("crc", cobs.encode(bytes(flipped))),
            ("crc", cobs.encode(good[: int(rng.integers(1, len(good)))])),
            ("framing", cobs.encode(packet(payload, length=len(payload) + 1))),
            ("overflow", cobs.encode(packet(bytes(GEOMETRY.packet_bytes + 1)))),
            ("framing" if stops_inside_a_block(stopped) else "crc", stopped),
            ("", b""),
        ]
        event, frame = cases[int(rng.integers(len(cases)))]
        out.append((event, frame + b"\0"))
    return out


def stops_inside_a_block(encoded: bytes) -> bool:
    try:
        cobs.decode(encoded)
    except cobs.DecodeError:
        return True
    return False


@cocotb.test()
@cocotb.parametrize(gap=[0.0, 0.3])
async def packets(dut: Any, gap: float) -> None:
    rng = np.random.default_rng([7, int(gap * 10)])
    await reset(dut)
    seen: Counter[str] = Counter()

    async def count() -> None:
        while True:
            await RisingEdge(dut.clk)
            bits = int(dut.events.value)
            seen.update(name for i, name in enumerate(EVENTS) if bits >> i & 1)

    cocotb.start_soon(count())
    expected: Counter[str] = Counter()
    for event, frame in frames(rng):
        await send(dut, frame, rng, gap)
        expected[event] += bool(event)
        if event == "good":
            assert await take(dut) == cobs.decode(frame[:-1])
        await ClockCycles(dut.clk, LATENCY)
        assert seen == +expected, f"after a frame that should count as {event!r}: {seen}, expected {expected}"
        assert not int(dut.ready.value)


@cocotb.test()
async def window_of_packets_then_overflow(dut: Any) -> None:
    rng = np.random.default_rng(8)
    await reset(dut)
    sent = [packet(bytes([i]) * (i + 1)) for i in range(GEOMETRY.window + 2)]
    overflow = 0
    for i, body in enumerate(sent):
        if i >= GEOMETRY.window:
            body = b"\xa5" + body[1:]  # of another version: no byte of it may replace one of a kept packet
        await send(dut, cobs.encode(body) + b"\0", rng, 0.0)
        for _ in range(LATENCY):
            await RisingEdge(dut.clk)
            overflow += int(dut.events.value) >> EVENTS.index("overflow") & 1
    assert overflow == 2
    for body in sent[: GEOMETRY.window]:
        assert await take(dut) == body
    assert not int(dut.ready.value)
    await send(dut, cobs.encode(sent[-1]) + b"\0", rng, 0.0)
    assert await take(dut) == sent[-1]


@cocotb.test()
async def line_error_spoils_one_frame(dut: Any) -> None:
    rng = np.random.default_rng(9)
    await reset(dut)
    frame = cobs.encode(packet(b"abc")) + b"\0"
    await send(dut, frame[:5], rng, 0.0)
    await pulse(dut, "line_error")
    await send(dut, frame[5:], rng, 0.0)
    await ClockCycles(dut.clk, LATENCY)
    assert not int(dut.ready.value)
    await send(dut, frame, rng, 0.0)
    assert await take(dut) == packet(b"abc")


async def send(dut: Any, data: bytes, rng: np.random.Generator, gap: float) -> None:
    for byte in data:
        while rng.random() < gap:
            await RisingEdge(dut.clk)
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
