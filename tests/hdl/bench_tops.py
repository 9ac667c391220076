"""cocotb: program and infer through the UART pins, driven by cocotbext-uart's
independent model."""

import os
import struct
import zlib
from typing import Any

import cocotb
import numpy as np
from cobs import cobs
from cocotb.clock import Clock
from cocotbext.uart import UartSink, UartSource

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from tests.hdl.compared import same
from tests.hdl.given import GEOMETRY
from tests.hdl.streams import pulse
from tests.random_graphs import random_walk
from tests.stimulus import random_inputs

CLOCK_NS = 10
DIVISOR = int(os.environ["DIVISOR"])


def framed(number: int, opcode: int, address: int, payload: bytes) -> bytes:
    """A request's frame, written out."""
    body = struct.pack("<BHBIH", 1, number, opcode, address, len(payload)) + payload
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


class Pins:
    """Requests and responses over the two pins, one at a time unless ``post`` is used."""

    def __init__(self, dut: Any) -> None:
        baud = 10**9 // (CLOCK_NS * DIVISOR)
        self.dut = dut
        self.source = UartSource(dut.uart_rx, baud=baud, bits=8)
        self.sink = UartSink(dut.uart_tx, baud=baud, bits=8)
        self.sequence = 0

    async def post(self, opcode: int, address: int = 0, payload: bytes = b"") -> int:
        number = self.sequence
        await self.source.write(framed(number, opcode, address, payload))
        self.sequence = (number + 1) & 0xFFFF
        return number

    async def take(self) -> tuple[int, int, int, bytes]:
        frame = bytearray()
        while not frame or frame[-1]:
            frame += await self.sink.read(1)
        body = cobs.decode(bytes(frame[:-1]))
        assert zlib.crc32(body[:-4]) == int.from_bytes(body[-4:], "little")
        version, number, opcode, status, _, _, length = struct.unpack("<BHBBBHH", body[:10])
        assert version == 1
        assert length == len(body) - 14
        return number, opcode & 0x7F, status, body[10:-4]

    async def call(
        self, opcode: int, address: int = 0, payload: bytes = b"", status: int = Status.OK
    ) -> bytes:
        number = await self.post(opcode, address, payload)
        got = await self.take()
        assert got[:3] == (number, opcode, status), f"answer {got} to {Opcode(opcode).name}"
        return got[3]

    async def read(self, name: str, count: int = 1) -> list[int]:
        data = await self.call(Opcode.READ, BY_NAME[name].address, count.to_bytes(2, "little"))
        return list(struct.unpack(f"<{count}I", data))

    async def write(self, name: str, value: int) -> None:
        await self.call(Opcode.WRITE, BY_NAME[name].address, value.to_bytes(4, "little"))


async def begin(dut: Any) -> Pins:
    cocotb.start_soon(Clock(dut.clk, CLOCK_NS, "ns").start())
    pins = Pins(dut)
    await pulse(dut, "rst", 3)
    pins.sequence = 65530
    await pins.call(Opcode.SYNC)
    return pins


@cocotb.test()
async def whole_inferences(dut: Any) -> None:
    pins = await begin(dut)
    rng = np.random.default_rng(10)
    for trial in range(2):
        if GEOMETRY.map_codes:
            program = random_walk(GEOMETRY, rng, steps=3)
        else:
            program = random_program(GEOMETRY, rng, layers=2 + trial)
        x = random_inputs(program, rng, 6)
        await pins.write("program_tag", 0)
        for section in lay_out(program, GEOMETRY):
            step = GEOMETRY.packet_bytes // 4
            for i in range(0, len(section.words), step):
                part = section.words[i : i + step]
                opcode, form = (Opcode.WRITE_SHORT, "<i2") if section.short else (Opcode.WRITE, "<i4")
                await pins.call(opcode, section.address + i, part.astype(form).tobytes())
            crc = await pins.call(Opcode.CHECK, section.address, len(section.words).to_bytes(4, "little"))
            wanted = zlib.crc32(section.words.astype("<i4").tobytes())
            same(int.from_bytes(crc, "little"), wanted, f"CRC of {section.name}")
        await pins.call(Opcode.INFER, 0, x[0].tobytes(), Status.NOT_PROGRAMMED)
        await pins.write("program_tag", program.tag)
        await pins.write("noise_enable", 1)
        await pins.write("seed_low", 77 + trial)
        # As many in flight as the device has room for.
        expected = Core(program).infer(x, seed=77 + trial, first_index=3)
        posted = 0
        for answered, wanted in enumerate(expected):
            while posted < len(x) and posted - answered < GEOMETRY.window:
                await pins.post(Opcode.INFER, 3 + posted, x[posted].tobytes())
                posted += 1
            _, opcode, status, data = await pins.take()
            assert (opcode, status) == (Opcode.INFER, Status.OK)
            same(np.frombuffer(data, "<i4").tolist(), wanted.tolist(), f"trial {trial}, image {answered}")
        assert (await pins.read("inferences")) == [6 * (trial + 1)]
