"""Packets: what goes in comes out, and nothing damaged is ever taken for a packet."""

import zlib

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from emulator.spec.packets import RESPONSE_FLAG, RESPONSE_HEADER, VERSION, Opcode, Status
from host.packets import (
    DELIMITER,
    FrameError,
    Request,
    Response,
    VersionError,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)

u16 = st.integers(0, 0xFFFF)
payloads = st.binary(max_size=1200)
requests = st.builds(Request, u16, st.sampled_from(Opcode), st.integers(0, 0xFFFFFFFF), payloads)
responses = st.builds(Response, u16, st.sampled_from(Opcode), st.sampled_from(Status), u16, payloads)


@given(requests)
def test_request_round_trip(request_: Request) -> None:
    frame = encode_request(request_)
    assert frame.endswith(DELIMITER)
    assert DELIMITER not in frame[:-1]
    assert decode_request(frame[:-1]) == request_


@given(responses)
def test_response_round_trip(response: Response) -> None:
    assert decode_response(encode_response(response)[:-1]) == response


@given(responses, st.data())
def test_a_flipped_bit_and_a_torn_frame_are_refused(response: Response, data: st.DataObject) -> None:
    frame = bytearray(encode_response(response)[:-1])
    at = data.draw(st.integers(0, len(frame) - 1))
    torn = bytes(frame[:at])
    frame[at] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (torn, bytes(frame)):
        with pytest.raises(FrameError):
            decode_response(damaged)


def test_directions_are_not_confused() -> None:
    request = encode_request(Request(1, Opcode.SYNC, 0))[:-1]
    response = encode_response(Response(1, Opcode.SYNC, Status.OK, 2))[:-1]
    with pytest.raises(FrameError, match="request where"):
        decode_response(request)
    with pytest.raises(FrameError, match="response where"):
        decode_request(response)


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.packets.VERSION", 9)
    frame = encode_response(Response(1, Opcode.SYNC, Status.OK, 2))[:-1]
    monkeypatch.undo()
    with pytest.raises(VersionError, match="version 9; this host speaks 1"):
        decode_response(frame)


@pytest.mark.parametrize("said", [0, 3, 5])
def test_a_payload_of_another_length_than_the_header_says_is_refused(said: int) -> None:
    body = RESPONSE_HEADER.pack(VERSION, 1, Opcode.READ | RESPONSE_FLAG, Status.OK, 0, 2, said) + b"four"
    frame = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))
    with pytest.raises(FrameError, match=f"4 payload bytes; the header says {said}"):
        decode_response(frame)
