"""Random, mutated and valid frames in one stream, against a model of the device's
side of the protocol.

The model says which frames are answered, how often, with which bytes, and what a
register holds afterwards: so nothing changes before a good CRC, every good frame is
answered once, and one delimiter resynchronises.
"""

import itertools
import random
import zlib
from collections import Counter

import numpy as np
from cobs import cobs

from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.packets import HEADER, HEADER_BYTES, VERSION, Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.host.memory import differing
from ndrite.host.packets import Request, encode_request
from tests.host.responder import Responder

TINY = PRESETS["tiny"]
CYCLES = 400_000
"""Times the scale: 25 makes 10^7."""
SCRATCH = BY_NAME["scratch"].address
BAD_OPCODE = 0x60


class Device(Responder):
    """What the device must do with each frame; of its memory only two
    registers are asked for."""

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
    """A request the model knows, mostly in sequence, at times repeated, early or
    of another version."""
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


def noise(rng: random.Random, sound: bytes) -> bytes:
    """A frame that is a packet by accident at most, delimiter included; a
    ``sound`` one's in part."""
    kind = rng.randrange(6)
    if kind == 0:
        return b"\0" * rng.randrange(1, 5)
    if kind < 3:  # also too long for any buffer
        return bytes(rng.choices(range(1, 256), k=rng.randrange(*((1, 120), (200, 700))[kind - 1]))) + b"\0"
    body = cobs.decode(sound[:-1])
    if kind == 3:  # of another length than its header says, or than there is room for
        body = body[:HEADER_BYTES] + bytes(rng.choice((1, TINY.packet_bytes + 1)))
        return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"
    if kind == 4:  # truncated
        return sound[: max(1, rng.randrange(len(sound) - 1))] + b"\0"
    frame = bytearray(sound)
    for i in rng.sample(range(len(frame) - 1), rng.randrange(1, 4)):
        frame[i] = rng.choice([b for b in range(1, 256) if b != frame[i]])
    return bytes(frame)


def judged(frame: bytes) -> bytes | str:
    """The body, CRC taken off, of a frame that is a packet; of another one
    what it counts as."""
    try:
        body: bytes = cobs.decode(frame)
    except cobs.DecodeError:
        return "framing"
    if len(body) > HEADER_BYTES + TINY.packet_bytes + 4:
        return "overflow"
    if len(body) < 4 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return "crc"
    said = int.from_bytes(body[8:10], "little")
    return body[:-4] if len(body) == HEADER_BYTES + said + 4 else "framing"


def test_frames_of_every_kind(scale: int, counted: list[str]) -> None:
    rng = random.Random(20)
    device = Device(TINY)
    link = SimLink(TINY)
    model = link.model
    frames = answers = 0
    errors: Counter[str] = Counter()
    program = random_program(TINY, np.random.default_rng(20), sizes=(12, 6, 3), noise=True)
    board = Board(link)
    board.program(program)
    board.write_register("program_tag", 0)
    board.clear_counters()
    kinds: Counter[str] = Counter()
    stalls = itertools.cycle(((0.0, 0.0), (0.3, 0.0), (0.4, 0.6)))
    # A session begins with a sync, before which no number is known.
    opening = encode_request(Request(0, Opcode.SYNC, 0))
    start = model.cycles
    stream = opening
    while model.cycles - start < CYCLES * scale:
        for _ in range(rng.randrange(6)):
            stream += noise(rng, packet(rng, device))
        stream += packet(rng, device)
        wanted = []
        for frame in filter(None, stream.split(b"\0")):
            frames += 1
            body = judged(frame)
            if isinstance(body, str):
                errors[body] += 1
            else:
                wanted.append(device.take(body))
                kinds[Status(cobs.decode(wanted[-1][:-1])[4]).name] += 1
        model.stall(*next(stalls), seed=frames)
        model.feed(stream)
        got = b""
        while model.unsent or got.count(b"\0") < len(wanted):
            before = model.cycles
            model.run(20_000)
            more = model.take()
            assert model.unsent or more or model.cycles - before < 20_000, f"no answer to {stream.hex()}"
            got += more
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
    assert {kind: counters[f"errors_{kind}"] for kind in ("framing", "crc", "overflow")} == errors
    assert min(errors.values()) > 20
    assert counters["inferences"] == 0
    assert differing(board.session, lay_out(program, TINY)) == []
    board.close()
