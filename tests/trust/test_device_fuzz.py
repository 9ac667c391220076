"""Random, mutated and valid frames in one stream, against a model of the device's side of the protocol.

The model says which frames are answered, how often, with which bytes, and what a register holds afterwards:
so nothing changes before a good CRC, every good frame is answered once, and one delimiter resynchronises.
"""

import random
import zlib
from collections import Counter

from cobs import cobs

from boards.sim import SimLink
from emulator.spec import PRESETS
from emulator.spec.memory_map import address
from emulator.spec.packets import VERSION, Opcode, Status
from emulator.spec.registers import BY_NAME, MAGIC
from host.packets import Request, Response, encode_request, encode_response

TINY = PRESETS["tiny"]
CYCLES = 400_000
"""Times the scale: 25 makes 10^7."""
SCRATCH = BY_NAME["scratch"].address
BAD_OPCODE = 0x60


class Device:
    """What the device must do with each frame; state: next sequence number, latest answer, one register."""

    def __init__(self) -> None:
        self.expected = 0
        self.cached: bytes | None = None
        self.scratch = 0

    def take(self, body: bytes) -> bytes:
        """The answer, in whole, to a body that is a packet (CRC taken off)."""
        version, opcode = body[0], body[3]
        sequence = int.from_bytes(body[1:3], "little")
        where = int.from_bytes(body[4:8], "little")
        payload = body[10:]
        if version != VERSION:
            self.cached = None
            return self._answer(sequence, opcode, Status.BAD_VERSION)
        if opcode == Opcode.SYNC:
            self.expected = (sequence + 1) % (1 << 16)
            return self._keep(sequence, opcode, Status.BAD_LENGTH if payload else Status.OK)
        if sequence == (self.expected - 1) % (1 << 16) and self.cached is not None:
            return self.cached
        if sequence != self.expected:
            self.cached = None
            return self._answer(sequence, opcode, Status.SEQUENCE)
        self.expected = (self.expected + 1) % (1 << 16)
        return self._keep(sequence, opcode, *self._execute(opcode, where, payload))

    def _execute(self, opcode: int, where: int, payload: bytes) -> tuple[Status, bytes]:
        if opcode == Opcode.READ:
            count = int.from_bytes(payload, "little")
            if len(payload) != 2 or not 0 < count <= TINY.packet_bytes // 4:
                return Status.BAD_LENGTH, b""
            words = {address("registers", SCRATCH): self.scratch, address("registers", 0): MAGIC}
            if count == 1 and where in words:
                return Status.OK, words[where].to_bytes(4, "little")
            return Status.BAD_ADDRESS, b""
        if opcode == Opcode.WRITE:
            if not payload or len(payload) % 4:
                return Status.BAD_LENGTH, b""
            if where != address("registers", SCRATCH):
                return Status.BAD_ADDRESS, b""
            self.scratch = int.from_bytes(payload[:4], "little")
            return Status.OK, b""
        if opcode == Opcode.INFER:
            return Status.NOT_PROGRAMMED, b""
        return Status.BAD_OPCODE, b""

    def _keep(self, sequence: int, opcode: int, status: Status, payload: bytes = b"") -> bytes:
        self.cached = self._answer(sequence, opcode, status, payload)
        return self.cached

    def _answer(self, sequence: int, opcode: int, status: Status, payload: bytes = b"") -> bytes:
        return encode_response(Response(sequence, opcode & 0x7F, status, self.expected, payload))


def packet(rng: random.Random, device: Device) -> bytes:
    """A request the model knows, mostly in sequence, at times repeated, early or of another version."""
    sequence = (device.expected + rng.choice((0, 0, 0, 0, -1, 1, rng.randrange(1 << 16)))) % (1 << 16)
    nowhere = 0x7F << 24 | rng.randrange(1 << 24)
    frame = rng.choice(
        (
            Request(sequence, Opcode.SYNC, 0, b"" if rng.random() < 0.8 else rng.randbytes(3)),
            Request(sequence, Opcode.READ, rng.choice((SCRATCH, 0, nowhere)), b"\x01\x00"),
            Request(sequence, Opcode.READ, SCRATCH, rng.randbytes(rng.choice((0, 1, 3)))),
            Request(sequence, Opcode.READ, SCRATCH, b"\x00\x00"),
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
    kind = rng.randrange(5)
    if kind == 0:
        return rng.randbytes(rng.randrange(60)).replace(b"\0", b"\1") + b"\0"
    if kind == 1:  # longer than any buffer
        return rng.randbytes(rng.randrange(100, 500)).replace(b"\0", b"\1") + b"\0"
    if kind == 2:
        return b"\0" * rng.randrange(1, 5)
    frame = bytearray(packet(rng, device)[:-1])
    if kind == 3:
        return bytes(frame[: rng.randrange(len(frame))]) + b"\0"
    for _ in range(rng.randrange(1, 4)):
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    return bytes(frame) + b"\0"


def body_of(frame: bytes) -> bytes | None:
    """The body, CRC taken off, of a frame that is a packet the device has room for."""
    try:
        body: bytes = cobs.decode(frame)
    except cobs.DecodeError:
        return None
    if len(body) < 14 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return None
    length = int.from_bytes(body[8:10], "little")
    return body[:-4] if len(body) == 14 + length and length <= TINY.packet_bytes else None


def test_frames_of_every_kind(scale: int, counted: list[str]) -> None:
    rng = random.Random(20)
    device = Device()
    link = SimLink(TINY)
    model = link.model
    frames = answers = 0
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
            if frame and (body := body_of(frame)) is not None:
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
    link.close()
