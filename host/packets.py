"""Encode and decode packets: request and response bodies, and their COBS frames.

The format is ``ndrite.emulator.spec.packets``. The host's direction is
encode_request/decode_response; the other two exist for test doubles and tools that
stand on the device's side.
"""

import zlib
from typing import NamedTuple

from cobs import cobs

from ndrite.emulator.spec.packets import (
    CRC_BYTES,
    HEADER,
    HEADER_BYTES,
    RESPONSE_FLAG,
    RESPONSE_HEADER,
    VERSION,
)

DELIMITER = b"\x00"
OVERHEAD_BYTES = HEADER_BYTES + CRC_BYTES


class FrameError(ValueError):
    """Error: a frame is not a well-formed packet, because of its COBS encoding,
    length, version or CRC."""


class VersionError(FrameError):
    """Error: a frame is an undamaged packet of another protocol version."""


class Request(NamedTuple):
    """A request from host to device: ``sequence`` 0..65535; ``address`` is a word
    address or the number of an inference (u32)."""

    sequence: int
    opcode: int
    address: int
    payload: bytes = b""


class Response(NamedTuple):
    """A response from device to host: ``opcode`` without the response flag;
    ``expected`` is the sequence number that the device expects next."""

    sequence: int
    opcode: int
    status: int
    expected: int
    payload: bytes = b""


def encode_request(request: Request) -> bytes:
    """Encode a request as a frame, including the delimiter."""
    header = HEADER.pack(VERSION, request.sequence, request.opcode, request.address, len(request.payload))
    return _frame(header + request.payload)


def encode_response(response: Response) -> bytes:
    """Encode a response as a frame, including the delimiter."""
    header = RESPONSE_HEADER.pack(
        VERSION,
        response.sequence,
        response.opcode | RESPONSE_FLAG,
        response.status,
        0,
        response.expected,
        len(response.payload),
    )
    return _frame(header + response.payload)


def decode_request(frame: bytes) -> Request:
    """Decode a frame without its delimiter as a request. Raises ``FrameError``
    if it is not one."""
    body = _body(frame)
    version, sequence, opcode, address, length = HEADER.unpack_from(body)
    payload = _payload(body, version, length)
    if opcode & RESPONSE_FLAG:
        raise FrameError("the frame is a response; accepted: a request")
    return Request(sequence, opcode, address, payload)


def decode_response(frame: bytes) -> Response:
    """Decode a frame without its delimiter as a response. Raises ``FrameError``
    if it is not one."""
    body = _body(frame)
    version, sequence, opcode, status, _, expected, length = RESPONSE_HEADER.unpack_from(body)
    payload = _payload(body, version, length)
    if not opcode & RESPONSE_FLAG:
        raise FrameError("the frame is a request; accepted: a response")
    return Response(sequence, opcode & ~RESPONSE_FLAG, status, expected, payload)


def _frame(body: bytes) -> bytes:
    encoded: bytes = cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little"))
    return encoded + DELIMITER


def _body(frame: bytes) -> bytes:
    """Decode a frame, check its CRC, and return its body without the CRC."""
    try:
        body: bytes = cobs.decode(frame)
    except cobs.DecodeError as error:
        raise FrameError(f"bad COBS: {error}") from None
    if len(body) < OVERHEAD_BYTES:
        raise FrameError(f"{len(body)} bytes; a packet has at least {OVERHEAD_BYTES}")
    body, crc = body[:-CRC_BYTES], body[-CRC_BYTES:]
    if zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise FrameError("CRC mismatch")
    return body


def _payload(body: bytes, version: int, length: int) -> bytes:
    if version != VERSION:
        raise VersionError(f"packet version {version}; this host speaks {VERSION}")
    payload = body[HEADER_BYTES:]
    if len(payload) != length:
        raise FrameError(f"{len(payload)} payload bytes; the header says {length}")
    return payload
