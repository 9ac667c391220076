"""The session: certain answers over a bad link, or a typed error; never a doubtful number."""

import itertools
import time

import pytest

from emulator.spec import PRESETS
from emulator.spec.packets import Opcode, Status
from emulator.spec.registers import BY_NAME
from host.errors import DeviceError, IdentityError, LinkTimeout, ProtocolError
from host.packets import Response, decode_request, encode_response
from host.session import Command, Session
from tests.host.responder import Responder, ResponderLink, faulty

SCRATCH = BY_NAME["scratch"].address


def write(value: int, address: int = SCRATCH) -> Command:
    return Command(Opcode.WRITE, address, value.to_bytes(4, "little"))


def read(address: int = SCRATCH) -> Command:
    return Command(Opcode.READ, address, b"\x01\x00", answer_bytes=4)


def open_session(rate: float = 0.0, seed: int = 0, window: int = 4) -> tuple[Session, ResponderLink]:
    link = ResponderLink(Responder(PRESETS["tiny"]))
    session = Session(faulty(link, rate, seed), timeout_s=0.01, attempts=40)
    session.window = window
    return session, link


def test_answers_come_in_order() -> None:
    session, _ = open_session()
    session.run(write(7 * i, 0x01000000 + i) for i in range(50))
    answers: dict[int, bytes] = {}
    session.run((read(0x01000000 + i) for i in range(50)), answered=answers.__setitem__)
    assert [int.from_bytes(answers[i], "little") for i in range(50)] == [7 * i for i in range(50)]
    assert session.statistics.resyncs == 1


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("window", [1, 4])
def test_lossy_link_gives_exact_answers(rate: float, window: int) -> None:
    resyncs = 0
    for seed in range(20):
        session, _ = open_session(rate, seed, window)
        session.run(write(seed + 7 * i, 0x01000000 + i) for i in range(100))
        answers: list[int] = []
        session.run(
            (read(0x01000000 + i) for i in range(100)),
            answered=lambda _, payload, answers=answers: answers.append(int.from_bytes(payload, "little")),
        )
        assert answers == [seed + 7 * i for i in range(100)]
        resyncs += session.statistics.resyncs - 1
    assert resyncs > 1000 * rate, "the link was too kind to show anything"


def test_a_sequence_number_wraps() -> None:
    session, link = open_session()
    session.call(read())
    session._next = link.device.expected = 0xFFFE
    session.run(write(i) for i in range(10))
    assert link.device.get("scratch") == 9
    assert session.statistics.resyncs == 1


def test_stale_answers_before_the_first_request_are_discarded() -> None:
    session, link = open_session()
    link.inject(encode_response(Response(3, Opcode.READ, Status.OK, 4, b"\xff\xff\xff\xff")))
    link.inject(b"\x05debris")
    session.call(write(42))
    assert int.from_bytes(session.call(read()), "little") == 42


def test_an_answer_of_wrong_length_is_not_accepted() -> None:
    session, link = open_session()
    session.call(write(42))
    forged = encode_response(Response(session._next, Opcode.READ, Status.OK, 0, b"\x01\x02"))
    link.inject(forged)
    assert int.from_bytes(session.call(read()), "little") == 42
    assert session.statistics.resyncs == 2


def test_the_answer_to_another_request_is_not_accepted() -> None:
    session, link = open_session()
    session.call(write(42))
    link.inject(encode_response(Response(session._next - 1, Opcode.READ, Status.OK, 0, b"\x01\0\0\0")))
    assert int.from_bytes(session.call(read()), "little") == 42
    assert session.statistics.resyncs == 2


def test_silence_ends_in_a_timeout() -> None:
    session, link = open_session()
    session.attempts = 3
    link.silent = True
    with pytest.raises(LinkTimeout, match="does not answer"):
        session.call(read())
    link.silent = False
    session.call(read())


def test_endless_garbage_ends_in_a_protocol_error() -> None:
    session, link = open_session()
    session.attempts = 2
    link.read = lambda timeout_s: b"\x07" * 100  # type: ignore[method-assign]
    with pytest.raises(ProtocolError, match="without a delimiter"):
        session.call(read())
    link.read = lambda timeout_s: b"\x07\x00" * 100  # type: ignore[method-assign]
    with pytest.raises(ProtocolError, match="debris"):
        session.call(read())


@pytest.mark.parametrize("byte", [b"\x00", b"\x07", b"\x01\x00"])
@pytest.mark.parametrize("synced", [False, True])
def test_a_device_that_dribbles_holds_nobody(byte: bytes, synced: bool) -> None:
    """A byte now and then, each within the longest silence, is no answer either."""
    session, link = open_session()
    session.attempts = 2
    if synced:
        session.call(read())
    reads = 0

    def dribble(timeout_s: float) -> bytes:
        nonlocal reads
        reads += 1
        assert reads < 400, "for ever"
        time.sleep(timeout_s / 10)
        return byte

    link.read = dribble  # type: ignore[method-assign]
    with pytest.raises((LinkTimeout, ProtocolError)):
        session.call(read())


def test_a_slow_answer_is_taken() -> None:
    session, link = open_session()
    session.timeout_s = 1.0
    session.call(write(42))
    whole = link.read
    pending = bytearray()

    def slow(timeout_s: float) -> bytes:
        pending.extend(whole(timeout_s))
        byte = bytes(pending[:1])
        del pending[:1]
        return byte

    link.read = slow  # type: ignore[method-assign]
    assert int.from_bytes(session.call(read()), "little") == 42
    assert session.statistics.resyncs == 1


def test_a_refusal_is_raised_and_the_session_goes_on() -> None:
    session, _ = open_session()
    refused = Command(Opcode.INFER, 0, bytes(20), answer_bytes=12)
    with pytest.raises(DeviceError, match="infer at 0x00000000: not programmed") as caught:
        session.run([write(1), refused, write(2)])
    assert caught.value.status == Status.NOT_PROGRAMMED
    assert int.from_bytes(session.call(read()), "little") in (1, 2)


def test_another_packet_version_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    session, link = open_session()
    monkeypatch.setattr("host.packets.VERSION", 2)
    frame = encode_response(Response(0, Opcode.SYNC, Status.OK, 1))
    monkeypatch.undo()
    link.read = lambda timeout_s: frame  # type: ignore[method-assign]
    with pytest.raises(IdentityError, match="version 2; this host speaks 1; rebuild"):
        session.call(read())


def test_interruption_leaves_a_usable_session() -> None:
    session, link = open_session()

    def interrupt(i: int, _: bytes) -> None:
        if i == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.run((write(i) for i in range(100)), answered=interrupt)
    sent: list[bytes] = []
    link.write, plain = (lambda data: (sent.append(data), plain(data))[1]), link.write  # type: ignore[method-assign]
    session.call(write(1234))
    assert decode_request(sent[0].strip(b"\0")).opcode == Opcode.SYNC, (
        "answers of before may still be under way"
    )
    assert link.device.get("scratch") == 1234
    assert int.from_bytes(session.call(read()), "little") == 1234


def test_a_torn_request_does_not_swallow_the_next() -> None:
    session, link = open_session()
    session.call(read())
    link.write(b"\x20torn")
    session._synced = False
    session.attempts = 0
    session.call(write(3))
    assert link.device.get("scratch") == 3


def test_a_wide_window_is_filled_again_by_halves() -> None:
    """So that requests share datagrams; never more than the window are unanswered."""
    session, link = open_session(window=16)
    session.call(read())
    written, unanswered, answers = [0], [0], list[bytes]()
    plain_write, plain_read = link.write, link.read

    def write_counted(data: bytes) -> None:
        written[-1] += data.count(0)
        unanswered.append(unanswered[-1] + data.count(0))
        plain_write(data)

    def read_one(timeout_s: float) -> bytes:
        written.append(0)
        answers.extend(plain_read(timeout_s).split(b"\0")[:-1])
        unanswered.append(unanswered[-1] - 1)
        return answers.pop(0) + b"\0"

    link.write, link.read = write_counted, read_one  # type: ignore[method-assign]
    session.run([read()] * 100)
    assert max(unanswered) == 16
    assert [n for n in written if n] == [16, *[8] * 10, 4]


def silences_of(link: ResponderLink) -> list[float]:
    """How long each read of the link from now on may be silent, seconds; it grows as they come."""
    silences: list[float] = []
    plain = link.read

    def listen(timeout_s: float) -> bytes:
        silences.append(timeout_s)
        return plain(timeout_s)

    link.read = listen  # type: ignore[method-assign]
    return silences


def test_silence_is_judged_by_what_answers_have_taken() -> None:
    """Of a known kind it is short, and doubles up to the timeout; of an unknown one it is the timeout."""
    session, link = open_session()
    session.timeout_s, session.attempts = 2.0, 1
    silences = silences_of(link)
    session.call(read())
    assert silences == [2.0, 2.0], "neither sync nor read is known"
    session.call(read())
    assert silences.pop() < 0.05
    link.silent = True
    with pytest.raises(LinkTimeout):
        session.call(read())
    quick = silences[2:]
    assert quick[-1] == quick[-2] == 2.0, "only silences of the whole timeout count as attempts"
    assert all(b in (2 * a, 2.0) for a, b in itertools.pairwise(quick[1:]))
    link.silent = False
    session.call(read())
    session.forget_waits()
    session.call(read())
    assert silences[-1] == 2.0


def test_silence_of_a_simulated_link_is_always_the_timeout() -> None:
    session, link = open_session()
    link.live = False
    silences = silences_of(link)
    for _ in range(3):
        session.call(read())
    assert set(silences) == {session.timeout_s}


def test_a_late_answer_is_no_fault_of_the_link() -> None:
    """The host asks again too soon once, blames nobody, and then waits for the whole timeout."""
    session, link = open_session()
    session.timeout_s = 2.0
    session.call(write(42))
    for _ in range(2):
        session.call(read())
    before, plain, silences = session.statistics.requests, link.read, []

    def late(timeout_s: float) -> bytes:
        silences.append(timeout_s)
        return b"" if len(silences) == 1 else plain(timeout_s)

    link.read = late  # type: ignore[method-assign]
    assert int.from_bytes(session.call(read()), "little") == 42
    found = session.statistics
    assert (found.hasty, found.timeouts, found.resyncs, found.requests - before) == (1, 0, 1, 1)
    assert silences[0] < 0.05
    assert silences[-1] == 2.0
