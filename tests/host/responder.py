"""A double for fault cases: a device in Python that follows the packet rules,
and the link to it.

The true device is the RTL (tests/system); this one exists because faults can be
placed in it exactly.
"""

import zlib
from collections import deque

import numpy as np

from ndrite.emulator.golden import Core
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME, REGISTERS, identity
from ndrite.host.packets import FrameError, Request, Response, decode_request, encode_response
from tests.faulty_link import FaultRates, FaultyLink
from tests.stimulus import dense


class Responder:
    """Registers, memory and the sequence rule; INFER answers with
    ``program``'s golden outputs."""

    def __init__(self, geometry: Geometry, program: Program | None = None) -> None:
        self.words: dict[int, int] = {r.address: 0 for r in REGISTERS}
        for name, value in identity(geometry, 0x1234).items():
            self.words[BY_NAME[name].address] = value
        self.program = program
        self.expected = 0
        self.latest: tuple[int, bytes] | None = None
        self.executed: list[Request] = []
        self._received = bytearray()

    def set(self, name: str, value: int) -> None:
        self.words[BY_NAME[name].address] = value

    def get(self, name: str) -> int:
        return self.words[BY_NAME[name].address]

    def word(self, at: int) -> int:
        """The word at address ``at``: 0 where nothing was written, as in a
        device after power-on."""
        return self.words.get(at, 0)

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
            return self._keep(r, Status.BAD_LENGTH if r.payload else Status.OK)
        if self.latest is not None and r.sequence == self.latest[0]:
            return self.latest[1]
        if r.sequence != self.expected:
            return self._refuse(r, Status.SEQUENCE)
        self.expected = (self.expected + 1) & 0xFFFF
        self.executed.append(r)
        return self._keep(r, *self._execute(r))

    def _keep(self, r: Request, status: Status, payload: bytes = b"") -> bytes:
        self.latest = (r.sequence, self._encode(r, status, payload))
        return self.latest[1]

    def _refuse(self, r: Request, status: Status) -> bytes:
        self.latest = None
        return self._encode(r, status)

    def _encode(self, r: Request, status: Status, payload: bytes = b"") -> bytes:
        return encode_response(Response(r.sequence, r.opcode, status, self.expected, payload))

    def _execute(self, r: Request) -> tuple[Status, bytes]:
        match r.opcode:
            case Opcode.READ:
                if len(r.payload) != 2:
                    return Status.BAD_LENGTH, b""
                count = int.from_bytes(r.payload, "little")
                return Status.OK, self._bytes(r.address, count)
            case Opcode.WRITE | Opcode.WRITE_SHORT:
                dtype = "<i4" if r.opcode == Opcode.WRITE else "<i2"
                for i, word in enumerate(np.frombuffer(r.payload, dtype).astype(np.int32)):
                    self.words[r.address + i] = int(word) & 0xFFFFFFFF
                return Status.OK, b""
            case Opcode.CHECK:
                if len(r.payload) != 4:
                    return Status.BAD_LENGTH, b""
                count = int.from_bytes(r.payload, "little")
                return Status.OK, zlib.crc32(self._bytes(r.address, count)).to_bytes(4, "little")
            case Opcode.INFER | Opcode.INFER_SPARSE:
                if not self.get("program_tag") or self.program is None:
                    return Status.NOT_PROGRAMMED, b""
                codes: np.ndarray | None = np.frombuffer(r.payload, np.uint8)
                if r.opcode == Opcode.INFER_SPARSE:
                    codes = dense(r.payload, self.program.inputs)
                if codes is None or len(codes) != self.program.inputs:
                    return Status.BAD_LENGTH, b""
                x = codes[None]
                seed = self.get("seed_low") | self.get("seed_high") << 32
                y = Core(self.program).infer(
                    x, seed=seed, first_index=r.address, noise=bool(self.get("noise_enable"))
                )
                return Status.OK, y.astype("<i4").tobytes()
        return Status.BAD_OPCODE, b""

    def _bytes(self, address: int, count: int) -> bytes:
        values = [self.word(address + i) for i in range(count)]
        return np.array(values, np.uint32).astype("<u4").tobytes()


class ResponderLink:
    """A link to a responder; ``silent`` swallows what is sent."""

    narrow = True
    live = True

    def __init__(self, device: Responder) -> None:
        self.device = device
        self.silent = False
        self.closed = False
        self._chunks: deque[bytes] = deque()

    def write(self, data: bytes) -> None:
        if self.silent:
            return
        answer = self.device.feed(data)
        if answer:
            self._chunks.append(answer)

    def read(self, timeout_s: float) -> bytes:
        return self._chunks.popleft() if self._chunks else b""

    def wait(self, seconds: float) -> None:
        """Time does not matter to a responder."""

    def close(self) -> None:
        self.closed = True

    def inject(self, data: bytes) -> None:
        """Bytes that the host receives from nowhere."""
        self._chunks.append(data)


def faulty(link: ResponderLink, rate: float, seed: int) -> FaultyLink:
    """The link with bytes dropped, doubled, flipped and inserted, ``rate`` of them."""
    each = rate / 4
    return FaultyLink(link, FaultRates(drop=each, duplicate=each, flip=each, insert=each), seed=seed)
