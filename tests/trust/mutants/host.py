"""Packets and session."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "host/packets.py",
        'if zlib.crc32(body) != int.from_bytes(crc, "little"):',
        "if False:",
        "host takes damaged frames",
        ("tests/host/test_packets.py", "tests/host/test_session.py"),
    ),
    Mutant(
        "host/packets.py",
        "if len(payload) != length:",
        "if len(payload) < length:",
        "host takes overlong payloads",
        ("tests/host/test_packets.py", "tests/trust/test_parsers.py"),
    ),
    Mutant(
        "host/packets.py",
        "response.opcode | RESPONSE_FLAG,",
        "response.opcode,",
        "response without its flag",
        ("tests/host/test_packets.py",),
    ),
    Mutant(
        "host/session.py",
        "if response.sequence != sequence or response.opcode != command.opcode:",
        "if response.opcode != command.opcode:",
        "host takes another request's answer",
        ("tests/host/test_session.py",),
    ),
    Mutant(
        "host/session.py",
        "            self._synced = False\n            raise\n",
        "            raise\n",
        "after an interruption the session goes on as if in step",
        ("tests/host",),
    ),
    Mutant(
        "host/session.py",
        "flight = deque(self._send(command) for _, command in flight)",
        "flight = deque(self._send(command) for _, command in list(flight)[1:])",
        "the unanswered request is not sent again",
        ("tests/host/test_session.py",),
    ),
    Mutant(
        "host/session.py",
        "if len(response.payload) != length:",
        "if len(response.payload) > length:",
        "host takes short answers",
        ("tests/host/test_session.py",),
    ),
)
