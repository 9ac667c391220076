"""The receiver by itself: packets that nobody takes, and an error of the line.

What becomes of damaged frames: tests/trust/test_device_fuzz.py.
"""

import struct
import zlib
from typing import Any

from cobs import cobs

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.link.receiver import Receiver
from tests.hdl.interpreted import followed

TINY = PRESETS["tiny"]
REST: list[dict[str, Any]] = [{"valid": 0}, *[{}] * 6]
"""Cycles from a frame's delimiter to its packet."""


def packet(payload: bytes) -> bytes:
    body = struct.pack("<BHBIH", 1, 0x0100, 4, 0x01000000, len(payload)) + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


def frame(body: bytes) -> list[dict[str, Any]]:
    """The cycles in which a frame comes."""
    return [{"valid": 1, "data_in": byte} for byte in cobs.encode(body) + b"\0"] + REST


def taken(given: list[dict[str, Any]], sizes: list[int]) -> tuple[list[bytes], int, bool]:
    """Packets of such sizes that are read behind what is given, overflows, and
    whether there are more."""
    starts = []
    for size in sizes:
        starts.append(len(given) + 2)
        given = [*given, *({"address": i} for i in range(size)), {}, {}, {"release": 1}, {"release": 0}, {}]
    seen = followed(Receiver(TINY), given, "ready", "data", "events.overflow")
    read = [
        bytes(seen[i][1] for i in range(start, start + n)) for start, n in zip(starts, sizes, strict=True)
    ]
    return read, sum(overflow for _, _, overflow in seen), bool(seen[-1][0])


def test_a_window_of_packets_is_kept_whatever_comes_behind_them() -> None:
    sent = [packet(bytes([i]) * (i + 1)) for i in range(TINY.window + 2)]
    # Those behind it are of another version: no byte of them may replace one of a kept packet.
    sent[TINY.window :] = [b"\xa5" + body[1:] for body in sent[TINY.window :]]
    kept = sent[: TINY.window]
    read = taken([cycle for body in sent for cycle in frame(body)], [len(body) for body in kept])
    assert read == (kept, 2, False)


def test_a_line_error_spoils_one_frame() -> None:
    good = frame(packet(b"abc"))
    bad = [*good[:5], {"valid": 0, "line_error": 1}, {"line_error": 0}, *good[5:]]
    assert taken(bad + good, [len(packet(b"abc"))]) == ([packet(b"abc")], 0, False)
