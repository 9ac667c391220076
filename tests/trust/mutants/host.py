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
    Mutant(
        "host/session.py",
        "if time.monotonic() > deadline:",
        "if False:",
        "a device that dribbles bytes holds the host for ever",
        ("tests/host/test_session.py",),
    ),
    Mutant(
        "host/session.py",
        "        deadline = self._deadline()\n        for _ in range(256):\n            try:\n"
        "                r = decode_response(self._frame(deadline))",
        "        for _ in range(256):\n            try:\n"
        "                r = decode_response(self._frame(self._deadline()))",
        "every piece of debris before a sync's answer has its own deadline",
        ("tests/host/test_session.py",),
    ),
    Mutant(
        "host/campaign.py",
        "plan.first_chip + start)",
        "plan.first_chip)",
        "the second piece of a campaign runs the first one's chips",
        ("tests/host/test_campaign.py",),
    ),
    Mutant(
        "host/campaign.py",
        "inference_index(plan.first_image + first, 0)",
        "inference_index(plan.first_image, 0)",
        "the second batch of images has the first one's noise",
        ("tests/host/test_campaign.py",),
    ),
    Mutant(
        "host/campaign.py",
        "idle = idle + 1 if (done, inferences) == seen else 0",
        "idle = idle + 1",
        "a long campaign is given up though it goes on",
        ("tests/host/test_campaign.py",),
    ),
    Mutant(
        "host/board.py",
        "tag 0 makes it refuse inference.\n" + '            self.write_register("program_tag", 0)\n',
        "\n",
        "a half programmed chip keeps its tag",
        ("tests/host/test_board.py",),
    ),
    Mutant(
        "host/board.py",
        '        if wrong:\n            self.write_register("program_tag", 0)\n',
        "        if wrong:\n",
        "a chip half repaired keeps its tag",
        ("tests/host/test_board.py",),
    ),
    Mutant(
        "host/board.py",
        '            self.write_register("program_tag", 0)\n        self._channel.write([Section("words"',
        '            pass\n        self._channel.write([Section("words"',
        "a chip whose words were written keeps its tag",
        ("tests/host/test_board.py",),
    ),
    Mutant(
        "host/board.py",
        "        self._require_held(program)\n        return result\n",
        "        return result\n",
        "a program lost during a campaign is not noticed",
        ("tests/host/test_campaign.py",),
    ),
    Mutant(
        "host/board.py",
        "        stop_campaign(self)\n        wrong = self._channel.differing(lay_out",
        "        wrong = self._channel.differing(lay_out",
        "a scrub looks at the cells of a virtual chip",
        ("tests/host/test_campaign.py",),
    ),
    Mutant(
        "host/links/uart.py",
        ', "write_timeout": WRITE_TIMEOUT_S}',
        "}",
        "a port nobody reads holds the host for ever",
        ("tests/host/test_uart.py",),
    ),
)
