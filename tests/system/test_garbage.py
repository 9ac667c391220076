"""Random, truncated and corrupted frames: what they are, and that they cost nothing at the UART's pins."""

import random
import zlib

import numpy as np
import pytest
from cobs import cobs

from boards.board import Board
from boards.sim import SimLink
from emulator.spec import PRESETS, Program
from emulator.spec.packets import Opcode
from host.packets import DELIMITER, Request, encode_request
from tests.stimulus import inferred

pytestmark = pytest.mark.long


def valid(rng: random.Random) -> bytes:
    """Frame, without its delimiter, of a request that would do harm: a write, an inference, a sync."""
    opcode = rng.choice([Opcode.WRITE, Opcode.WRITE_SHORT, Opcode.INFER, Opcode.SYNC, Opcode.READ])
    size = 0 if opcode == Opcode.SYNC else rng.randrange(1, 16) * 4
    address = rng.randrange(8) << 24 | rng.randrange(64)
    return encode_request(Request(rng.randrange(1 << 16), opcode, address, rng.randbytes(size)))[:-1]


def garbage(rng: random.Random, sound: bytes) -> bytes:
    """One frame, without delimiter and without 0x00, that is no packet: noise, or of a ``sound`` one."""
    kind = rng.randrange(4)
    if kind < 2:  # noise, also too long for any buffer
        return bytes(rng.choices(range(1, 256), k=rng.randrange(*((1, 120), (200, 700))[kind])))
    if kind == 2:  # truncated
        return sound[: max(1, rng.randrange(len(sound)))]
    frame = bytearray(sound)
    for i in rng.sample(range(len(frame)), rng.randrange(1, 4)):
        frame[i] = rng.choice([b for b in range(1, 256) if b != frame[i]])
    return bytes(frame)


def body_of(frame: bytes) -> bytes | None:
    """The body, CRC taken off, of a frame that is a packet the device has room for."""
    try:
        body: bytes = cobs.decode(frame)
    except cobs.DecodeError:
        return None
    if len(body) < 14 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return None
    length = int.from_bytes(body[8:10], "little")
    return body[:-4] if len(body) == 14 + length and length <= PRESETS["tiny"].packet_bytes else None


def test_garbage_between_requests_at_the_uart_pins(program: Program, x: np.ndarray) -> None:
    link = SimLink(PRESETS["tiny"], pins=True)
    # Debris without a delimiter swallows the next request: the timeout decides how long that costs.
    with Board(link, timeout_s=0.05) as board:
        board.program(program)
        rng = random.Random(2)
        for i in range(len(x)):
            link.write(garbage(rng, valid(rng)) + DELIMITER + rng.randbytes(20))
            inferred(board, program, x[i : i + 1], seed=3, first_index=i)
