"""Doubles for fault cases: a device in Python that follows the packet rules, a link that damages bytes.

The true device is the RTL (tests/system); this one exists because faults can be placed in it exactly.
"""

from __future__ import annotations

import random
import zlib
from collections import deque

import numpy as np

from emulator.golden import Core
from emulator.spec import ChipImage, Geometry
from emulator.spec.packets import Opcode, Status
from emulator.spec.registers import BY_NAME, REGISTERS, identity
from host.packets import FrameError, Request, Response, decode_request, encode_response


class Responder:
    """Registers, memory and the sequence rule; INFER answers with ``image``'s golden outputs."""

    def __init__(self, geometry: Geometry, image: ChipImage | None = None) -> None:
        self.words: dict[int, int] = {r.address: 0 for r in REGISTERS}
        for name, value in identity(geometry, 0x1234).items():
            self.words[BY_NAME[name].address] = value
        self.image = image
        self.expected = 0
        self.latest: tuple[int, bytes] | None = None
        self.executed: list[Request] = []
        self._received = bytearray()

    def set(self, name: str, value: int) -> None:
        self.words[BY_NAME[name].address] = value

    def get(self, name: str) -> int:
        return self.words[BY_NAME[name].address]

    def feed(self, data: bytes) -> bytes:
        """Bytes the device sends in answer to ``data``."""
        out = bytearray()
        self._received += data
        while (end := self._received.find(0)) >= 0:
            frame = bytes(self._received[:end])
            del self._received[: end + 1]
            if not frame:
                continue
            try:
                request = decode_request(frame)
            except FrameError:
                continue
            out += self._answer(request)
        return bytes(out)

    def _answer(self, r: Request) -> bytes:
        if r.opcode == Opcode.SYNC:
            self.expected = (r.sequence + 1) & 0xFFFF
            self.latest = (r.sequence, self._encode(r, Status.OK))
            return self.latest[1]
        if self.latest is not None and r.sequence == self.latest[0]:
            return self.latest[1]
        if r.sequence != self.expected:
            return self._encode(r, Status.SEQUENCE)
        self.expected = (self.expected + 1) & 0xFFFF
        self.executed.append(r)
        status, payload = self._execute(r)
        self.latest = (r.sequence, self._encode(r, status, payload))
        return self.latest[1]

    def _encode(self, r: Request, status: Status, payload: bytes = b"") -> bytes:
        return encode_response(Response(r.sequence, r.opcode, status, self.expected, payload))

    def _execute(self, r: Request) -> tuple[Status, bytes]:
        match r.opcode:
            case Opcode.READ:
                count = int.from_bytes(r.payload, "little")
                return Status.OK, self._bytes(r.address, count)
            case Opcode.WRITE | Opcode.WRITE_SHORT:
                dtype = "<i4" if r.opcode == Opcode.WRITE else "<i2"
                for i, word in enumerate(np.frombuffer(r.payload, dtype).astype(np.int32)):
                    self.words[r.address + i] = int(word) & 0xFFFFFFFF
                return Status.OK, b""
            case Opcode.CHECK:
                count = int.from_bytes(r.payload, "little")
                return Status.OK, zlib.crc32(self._bytes(r.address, count)).to_bytes(4, "little")
            case Opcode.INFER:
                if not self.get("program_tag") or self.image is None:
                    return Status.NOT_PROGRAMMED, b""
                x = np.frombuffer(r.payload, np.uint8)[None]
                seed = self.get("seed_low") | self.get("seed_high") << 32
                y = Core(self.image).infer(
                    x, seed=seed, first_index=r.address, noise=bool(self.get("noise_enable"))
                )
                return Status.OK, y.astype("<i4").tobytes()
        return Status.BAD_OPCODE, b""

    def _bytes(self, address: int, count: int) -> bytes:
        values = [self.words.get(address + i, 0) for i in range(count)]
        return np.array(values, np.uint32).astype("<u4").tobytes()


class FaultyLink:
    """A link to a responder that damages the stream both ways at ``rate`` per byte, from a seed."""

    def __init__(self, device: Responder, *, rate: float = 0.0, seed: int = 0) -> None:
        self.device = device
        self.rate = rate
        self.silent = False
        self.closed = False
        self._random = random.Random(seed)
        self._chunks: deque[bytes] = deque()

    def write(self, data: bytes) -> None:
        if self.silent:
            return
        answer = self._damage(self.device.feed(self._damage(data)))
        if answer:
            self._chunks.append(answer)

    def read(self, timeout_s: float) -> bytes:
        return self._chunks.popleft() if self._chunks else b""

    def close(self) -> None:
        self.closed = True

    def inject(self, data: bytes) -> None:
        """Bytes that the host receives from nowhere."""
        self._chunks.append(data)

    def _damage(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self._random.random() >= self.rate:
                out.append(byte)
                continue
            kind = self._random.randrange(4)
            if kind == 0:
                continue  # dropped
            if kind == 1:
                out += bytes([byte, byte])
            elif kind == 2:
                out.append(byte ^ 1 << self._random.randrange(8))
            else:
                out += bytes([self._random.randrange(256), byte])
        return bytes(out)
