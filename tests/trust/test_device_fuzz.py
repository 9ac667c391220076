"""Random, mutated and valid frames in one stream, against a model of the device's side of the protocol.

The model says which frames are answered, how often, with which bytes, and what a register holds afterwards:
so nothing changes before a good CRC, every good frame is answered once, and one delimiter resynchronises.
"""

import random
import zlib
from collections import Counter

import numpy as np
from cobs import cobs

from boards.board import Board
from boards.sim import SimLink
from emulator.backend.lay_out import lay_out
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS
from emulator.spec.packets import HEADER, HEADER_BYTES, VERSION, Opcode, Status
from emulator.spec.registers import BY_NAME
from host.memory import differing
from host.packets import Request, encode_request
from tests.host.responder import Responder
from tests.system.test_garbage import body_of, garbage

TINY = PRESETS["tiny"]
CYCLES = 400_000
"""Times the scale: 25 makes 10^7."""
SCRATCH = BY_NAME["scratch"].address
BAD_OPCODE = 0x60


class Device(Responder):
    """What the device must do with each frame; of its memory only two registers are asked for."""

    def take(self, body: bytes) -> bytes:
        """The answer, in whole, to a body that is a packet (CRC taken off)."""
        version, sequence, opcode, where, _ = HEADER.unpack_from(body)
        request = Request(sequence, opcode, where, body[HEADER_BYTES:])
        return self._answer(request) if version == VERSION else self._refuse(request, Status.BAD_VERSION)

    def _execute(self, r: Request) -> tuple[Status, bytes]:
        if r.opcode == Opcode.READ:
            count = int.from_bytes(r.payload, "little")
            if len(r.payload) != 2 or not 0 < count <= TINY.packet_bytes // 4:
                return Status.BAD_LENGTH, b""
            if count > 1 or r.address not in (SCRATCH, 0):
                return Status.BAD_ADDRESS, b""
            return super()._execute(r)
        if r.opcode == Opcode.WRITE:
            if not r.payload or len(r.payload) % 4:
                return Status.BAD_LENGTH, b""
            if r.address != SCRATCH:
                return Status.BAD_ADDRESS, b""
            return super()._execute(r._replace(payload=r.payload[:4]))
        return (Status.NOT_PROGRAMMED if r.opcode == Opcode.INFER else Status.BAD_OPCODE), b""


def packet(rng: random.Random, device: Device) -> bytes:
    """A request the model knows, mostly in sequence, at times repeated, early or of another version."""
    sequence = (device.expected + rng.choice((0, 0, 0, 0, -1, 1, rng.randrange(1 << 16)))) % (1 << 16)
    nowhere = 0x7F << 24 | rng.randrange(1 << 24)
    frame = rng.choice(
        (
            Request(sequence, Opcode.SYNC, 0, b"" if rng.random() < 0.8 else rng.randbytes(3)),
            Request(sequence, Opcode.READ, rng.choice((SCRATCH, 0, nowhere)), b"\x01\x00"),
            Request(sequence, Opcode.READ, SCRATCH, rng.randbytes(rng.choice((0, 1, 3)))),
            Request(sequence, Opcode.READ, SCRATCH, rng.choice((b"\0\0", b"\xff\xff"))),
            Request(sequence, Opcode.WRITE, SCRATCH, rng.randbytes(4)),
            Request(sequence, Opcode.WRITE, rng.choice((SCRATCH, nowhere)), rng.randbytes(4)),
            Request(sequence, Opcode.WRITE, SCRATCH, rng.randbytes(rng.choice((0, 1, 3, 5)))),
            Request(sequence, Opcode.INFER, rng.randrange(1 << 32), rng.randbytes(rng.randrange(1, 20))),
            Request(sequence, BAD_OPCODE, rng.randrange(1 << 32), rng.randbytes(rng.randrange(20))),
        )
    )
    encoded = encode_request(frame)
    if rng.random() < 0.03:
        body = bytearray(cobs.decode(encoded[:-1]))
        body[0] = rng.choice([v for v in range(256) if v != VERSION])
        body[-4:] = zlib.crc32(body[:-4]).to_bytes(4, "little")
        encoded = cobs.encode(bytes(body)) + b"\0"
    return encoded


def noise(rng: random.Random, device: Device) -> bytes:
    """A frame that is a packet by accident at most, delimiter included."""
    if rng.randrange(5) == 0:
        return b"\0" * rng.randrange(1, 5)
    return garbage(rng, packet(rng, device)[:-1]) + b"\0"


def test_frames_of_every_kind(scale: int, counted: list[str]) -> None:
    rng = random.Random(20)
    device = Device(TINY)
    link = SimLink(TINY)
    model = link.model
    frames = answers = bad = 0
    program = random_program(TINY, np.random.default_rng(20), sizes=(12, 6, 3), noise=True)
    board = Board(link)
    board.program(program)
    board.write_register("program_tag", 0)
    board.clear_counters()
    kinds: Counter[str] = Counter()
    # A session begins with a sync, before which no number is known.
    opening = encode_request(Request(0, Opcode.SYNC, 0))
    start = model.cycles
    stream = opening
    while model.cycles - start < CYCLES * scale:
        for _ in range(rng.randrange(6)):
            stream += noise(rng, device)
        stream += packet(rng, device)
        wanted = []
        for frame in stream.split(b"\0")[:-1]:
            frames += frame != b""
            body = body_of(frame) if frame else None
            bad += frame != b"" and body is None
            if body is not None:
                wanted.append(device.take(body))
                kinds[Status(cobs.decode(wanted[-1][:-1])[4]).name] += 1
        model.feed(stream)
        got = b""
        while model.unsent or got.count(b"\0") < len(wanted):
            before = model.cycles
            model.run(20_000)
            got += model.take()
            assert model.unsent or got or model.cycles - before < 20_000, f"no answer to {stream.hex()}"
        model.run(200)
        got += model.take()
        expected = b"".join(wanted)
        assert got == expected, f"{stream.hex()}: expected {expected.hex()}, got {got.hex()}"
        answers += len(wanted)
        stream = b""
    counted.append(
        f"device fuzz: {model.cycles - start:,} cycles, {frames:,} frames, {answers:,} answered, each as the "
        f"model says ({', '.join(f'{name.lower()} {n:,}' for name, n in sorted(kinds.items()))})"
    )
    assert set(kinds) >= {"OK", "BAD_OPCODE", "BAD_ADDRESS", "BAD_LENGTH", "SEQUENCE", "BAD_VERSION"}
    assert kinds["NOT_PROGRAMMED"] > 0
    # The counters show what was none, and no memory has changed.
    board = Board(link)
    counters = board.counters()
    assert sum(counters[f"errors_{kind}"] for kind in ("framing", "crc", "overflow")) == bad > 0
    assert counters["inferences"] == 0
    assert differing(board.session, lay_out(program, TINY)) == []
    board.close()
