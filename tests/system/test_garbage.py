"""10^5 random, truncated and corrupted frames: chip state stays, the link lives, the counters show them."""

import random
import zlib

import numpy as np
import pytest
from cobs import cobs

from boards.board import Board
from boards.sim import SimLink
from emulator.backend.lay_out import lay_out
from emulator.spec import PRESETS, Program
from emulator.spec.packets import Opcode
from emulator.spec.registers import MAGIC
from host.memory import differing
from host.packets import DELIMITER, Request, encode_request
from tests.stimulus import inferred, ran

pytestmark = pytest.mark.long

FRAMES = 100_000
BATCH = 1_000
STATE = ("scratch", "program_tag", "noise_enable", "seed_low", "seed_high")
ERRORS = ("errors_framing", "errors_crc", "errors_overflow")


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


def test_garbage_changes_nothing(tiny: tuple[Board, SimLink], program: Program, x: np.ndarray) -> None:
    board, link = tiny
    ran(board, program, x, seed=3)
    before = {name: board.read_register(name) for name in STATE}
    board.clear_counters()
    rng = random.Random(1)
    sent = 0
    while sent < FRAMES:
        frames = [f for f in (garbage(rng, valid(rng)) for _ in range(BATCH)) if body_of(f) is None]
        link.write(DELIMITER.join(frames) + DELIMITER)
        sent += len(frames)
        while link.model.unsent:
            link.model.run(10_000)
        link.model.run(10_000)
        assert link.model.take() == b"", "garbage was answered"
        # the link lives: an ordinary request goes through, without a resynchronisation
        assert board.read_register("magic") == MAGIC
    counters = board.counters()
    assert sum(counters[name] for name in ERRORS) == sent
    assert all(counters[name] > sent // 100 for name in ("errors_framing", "errors_crc")), counters
    assert counters["inferences"] == 0
    assert {name: board.read_register(name) for name in STATE} == before
    assert differing(board.session, lay_out(program, board.geometry)) == []
    inferred(board, program, x, seed=3)
    assert board.session.statistics.resyncs == 1


def test_garbage_between_requests_at_the_uart_pins(program: Program, x: np.ndarray) -> None:
    link = SimLink(PRESETS["tiny"], pins=True)
    # Debris without a delimiter swallows the next request: the timeout decides how long that costs.
    with Board(link, timeout_s=0.05) as board:
        board.program(program)
        rng = random.Random(2)
        for i in range(len(x)):
            link.write(garbage(rng, valid(rng)) + DELIMITER + rng.randbytes(20))
            inferred(board, program, x[i : i + 1], seed=3, first_index=i)
