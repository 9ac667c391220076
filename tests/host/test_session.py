"""Packets, of which nothing damaged is taken for one, and the session: certain answers
or a typed error."""

import dataclasses
import itertools
import time
import zlib
from collections import deque
from collections.abc import Callable

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from ndrite.emulator.spec import PRESETS, GeometryError
from ndrite.emulator.spec.packets import RESPONSE_FLAG, RESPONSE_HEADER, VERSION, Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.host import packets
from ndrite.host.errors import DeviceError, IdentityError, LinkTimeout, ProtocolError
from ndrite.host.packets import (
    FrameError,
    Request,
    Response,
    decode_request,
    decode_response,
    encode_response,
)
from ndrite.host.session import FRAME_MAX, PAYLOAD_MAX, Command, Session
from tests.host.responder import Responder, ResponderLink, faulty

u16 = st.integers(0, 0xFFFF)
contents = st.binary(max_size=1200)
requests = st.builds(Request, u16, st.sampled_from(Opcode), st.integers(0, 0xFFFFFFFF), contents)
responses = st.builds(Response, u16, st.sampled_from(Opcode), st.sampled_from(Status), u16, contents)


@given(requests)
def test_request_round_trip(request_: Request) -> None:
    frame = packets.encode_request(request_)
    assert frame.endswith(packets.DELIMITER)
    assert packets.DELIMITER not in frame[:-1]
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
    request = packets.encode_request(Request(1, Opcode.SYNC, 0))[:-1]
    response = encode_response(Response(1, Opcode.SYNC, Status.OK, 2))[:-1]
    with pytest.raises(FrameError, match="the frame is a request; accepted: a response"):
        decode_response(request)
    with pytest.raises(FrameError, match="the frame is a response; accepted: a request"):
        decode_request(response)


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndrite.host.packets.VERSION", 9)
    frame = encode_response(Response(1, Opcode.SYNC, Status.OK, 2))[:-1]
    monkeypatch.undo()
    with pytest.raises(packets.VersionError, match="version 9; this host speaks 1"):
        decode_response(frame)


@pytest.mark.parametrize("said", [0, 3, 5])
def test_a_payload_of_another_length_than_the_header_says_is_refused(said: int) -> None:
    body = RESPONSE_HEADER.pack(VERSION, 1, Opcode.READ | RESPONSE_FLAG, Status.OK, 0, 2, said) + b"four"
    frame = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))
    with pytest.raises(FrameError, match=f"4 payload bytes; the header says {said}"):
        decode_response(frame)


def test_the_largest_frame_is_as_long_as_the_session_waits_for() -> None:
    """Bytes of which none is 0 take the most room."""
    longest = encode_response(Response(0x0101, Opcode.READ, Status.OK, 0x0101, b"\x01" * PAYLOAD_MAX))
    assert len(longest) - 1 == FRAME_MAX
    tiny = PRESETS["tiny"]
    assert dataclasses.replace(tiny, packet_bytes=PAYLOAD_MAX).packet_bytes == PAYLOAD_MAX
    with pytest.raises(GeometryError, match="packet_bytes"):
        dataclasses.replace(tiny, packet_bytes=PAYLOAD_MAX + 1)


def test_a_response_has_the_specified_bytes() -> None:
    frame = encode_response(Response(0x0201, Opcode.READ, Status.SEQUENCE, 0x0403, b"four"))
    assert cobs.decode(frame[:-1])[:-4] == bytes([1, 0x01, 0x02, 0x82, 4, 0, 0x03, 0x04, 4, 0]) + b"four"


SCRATCH = BY_NAME["scratch"].address


def write(value: int, address: int = SCRATCH) -> Command:
    return Command(Opcode.WRITE, address, value.to_bytes(4, "little"))


def read(address: int = SCRATCH) -> Command:
    return Command(Opcode.READ, address, b"\x01\x00", answer_bytes=4)


def opened(link: ResponderLink, rate: float = 0.0, seed: int = 0, window: int = 4) -> Session:
    session = Session(faulty(link, rate, seed), timeout_s=0.01, attempts=40)
    session.window = window
    return session


@pytest.fixture
def link() -> ResponderLink:
    return ResponderLink(Responder(PRESETS["tiny"]))


@pytest.fixture
def session(link: ResponderLink) -> Session:
    return opened(link)


def scratch(session: Session) -> int:
    """What the device says is in its register."""
    return int.from_bytes(session.call(read()), "little")


def hear(link: ResponderLink, through: Callable[[float, Callable[[float], bytes]], bytes]) -> None:
    """From now on a read of the link is ``through``, given the longest silence
    and the read itself."""
    plain = link.read
    link.read = lambda timeout_s: through(timeout_s, plain)  # type: ignore[method-assign]


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("window", [1, 4])
def test_lossy_link_gives_exact_answers(link: ResponderLink, rate: float, window: int) -> None:
    resyncs = 0
    for seed in range(20):
        session = opened(link, rate, seed, window)
        session.run(write(seed + 7 * i, 0x01000000 + i) for i in range(100))
        answers: list[int] = []
        session.run(
            (read(0x01000000 + i) for i in range(100)),
            answered=lambda _, payload, answers=answers: answers.append(int.from_bytes(payload, "little")),
        )
        assert answers == [seed + 7 * i for i in range(100)]
        resyncs += session.statistics.resyncs - 1
    assert resyncs > 1000 * rate, "the link was too kind to show anything"


def test_a_sequence_number_wraps(session: Session, link: ResponderLink) -> None:
    session.call(read())
    session._next = link.device.expected = 0xFFFE
    session.run(write(i) for i in range(10))
    assert link.device.get("scratch") == 9
    assert session.statistics.resyncs == 1


def test_stale_answers_before_the_first_request_are_discarded(session: Session, link: ResponderLink) -> None:
    link.inject(encode_response(Response(3, Opcode.READ, Status.OK, 4, b"\xff\xff\xff\xff")))
    link.inject(b"\x05debris")
    session.call(write(42))
    assert scratch(session) == 42


@pytest.mark.parametrize(
    ("before", "opcode", "payload"),
    [(0, Opcode.READ, b"\x01\x02"), (1, Opcode.READ, b"\x01\0\0\0"), (0, Opcode.CHECK, b"\x01\0\0\0")],
)
def test_an_answer_of_wrong_length_or_to_another_request_is_not_accepted(
    session: Session, link: ResponderLink, before: int, opcode: Opcode, payload: bytes
) -> None:
    session.call(write(42))
    link.inject(encode_response(Response(session._next - before, opcode, Status.OK, 0, payload)))
    assert scratch(session) == 42
    assert session.statistics.resyncs == 2


def test_a_session_waits_two_seconds_eight_times_unless_told_otherwise(link: ResponderLink) -> None:
    session = Session(link)
    assert (session.timeout_s, session.attempts) == (2.0, 8)
    assert session.window == 1, "until the device has told how many requests it takes at once"


def test_silence_ends_in_a_timeout(session: Session, link: ResponderLink) -> None:
    session.attempts = 3
    link.silent = True
    with pytest.raises(LinkTimeout, match="does not answer"):
        session.call(read())
    link.silent = False
    session.call(read())


@pytest.mark.parametrize(("garbage", "said"), [(b"\x07", "without a delimiter"), (b"\x07\x00", "debris")])
def test_endless_garbage_ends_in_a_protocol_error(
    session: Session, link: ResponderLink, garbage: bytes, said: str
) -> None:
    session.attempts = 2
    hear(link, lambda *_: garbage * 100)
    with pytest.raises(ProtocolError, match=said):
        session.call(read())


def test_garbage_that_ends_is_forgotten(session: Session, link: ResponderLink) -> None:
    session.call(write(42))
    garbage = deque([b"\x07" * (FRAME_MAX + 1)])
    hear(link, lambda timeout_s, plain: garbage.popleft() if garbage else plain(timeout_s))
    assert scratch(session) == 42
    assert (session.statistics.resyncs, session.statistics.timeouts) == (2, 0)


@pytest.mark.parametrize("byte", [b"\x00", b"\x07", b"\x01\x00"])
@pytest.mark.parametrize("synced", [False, True])
def test_a_device_that_dribbles_holds_nobody(
    session: Session, link: ResponderLink, byte: bytes, synced: bool
) -> None:
    """A byte now and then, each within the longest silence, is no answer either."""
    session.attempts = 2
    if synced:
        session.call(read())
    reads = itertools.count(1)

    def dribble(timeout_s: float, _: object) -> bytes:
        assert next(reads) < 400, "for ever"
        time.sleep(timeout_s / 10)
        return byte

    hear(link, dribble)
    with pytest.raises((LinkTimeout, ProtocolError)):
        session.call(read())
    assert session.statistics.timeouts >= 2


def test_a_slow_answer_is_taken(session: Session, link: ResponderLink) -> None:
    session.timeout_s = 1.0
    session.call(write(42))
    pending = deque[int]()

    def slow(timeout_s: float, plain: Callable[[float], bytes]) -> bytes:
        pending.extend(plain(timeout_s))
        return bytes([pending.popleft()]) if pending else b""

    hear(link, slow)
    assert scratch(session) == 42
    assert session.statistics.resyncs == 1


def test_a_refusal_is_raised_and_the_session_goes_on(session: Session) -> None:
    refused = Command(Opcode.INFER, 0, bytes(20), answer_bytes=12)
    with pytest.raises(DeviceError, match="infer at 0x00000000: not programmed") as caught:
        session.run([write(1), refused, write(2)])
    assert caught.value.status == Status.NOT_PROGRAMMED
    assert caught.value.request == "infer at 0x00000000"
    assert scratch(session) in (1, 2)


def test_another_packet_version_is_refused_at_once(
    session: Session, link: ResponderLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndrite.host.packets.VERSION", 2)
    frame = encode_response(Response(0, Opcode.SYNC, Status.OK, 1))
    monkeypatch.undo()
    hear(link, lambda *_: frame)
    with pytest.raises(IdentityError, match="version 2; this host speaks 1; rebuild"):
        session.call(read())


def test_interruption_leaves_a_usable_session(session: Session, link: ResponderLink) -> None:

    def interrupt(i: int, _: bytes) -> None:
        if i == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.run((write(i) for i in range(100)), answered=interrupt)
    sent: list[bytes] = []
    link.write, plain = (lambda data: (sent.append(data), plain(data))[1]), link.write  # type: ignore[method-assign]
    session.call(write(1234))
    sync = decode_request(sent[0].strip(b"\0"))
    assert sync.opcode == Opcode.SYNC, "answers of before may still be under way"
    assert (sync.address, sync.payload) == (0, b"")
    assert link.device.get("scratch") == 1234
    assert scratch(session) == 1234


def test_a_torn_request_does_not_swallow_the_next(session: Session, link: ResponderLink) -> None:
    session.call(read())
    link.write(b"\x20torn")
    session._synced = False
    session.attempts = 0
    session.call(write(3))
    assert link.device.get("scratch") == 3


# The window, and how many of 100 requests are sent in each write to the link.
@pytest.mark.parametrize(
    ("window", "writes"), [(16, [16, *[8] * 10, 4]), (8, [8, *[4] * 23]), (7, [7, *[1] * 93])]
)
def test_a_wide_window_is_filled_again_by_halves(
    session: Session, link: ResponderLink, window: int, writes: list[int]
) -> None:
    """So that requests share datagrams; never more than the window are unanswered."""
    session.window = window
    session.call(read())
    written, unanswered, answers = [0], [0], list[bytes]()
    plain = link.write

    def write_counted(data: bytes) -> None:
        written[-1] += data.count(0)
        unanswered.append(unanswered[-1] + data.count(0))
        plain(data)

    def read_one(timeout_s: float, plain: Callable[[float], bytes]) -> bytes:
        written.append(0)
        answers.extend(plain(timeout_s).split(b"\0")[:-1])
        unanswered.append(unanswered[-1] - 1)
        return answers.pop(0) + b"\0"

    link.write = write_counted  # type: ignore[method-assign]
    hear(link, read_one)
    session.run([read()] * 100)
    assert max(unanswered) == window
    assert [n for n in written if n] == writes


def silences_of(link: ResponderLink) -> list[float]:
    """How long each read of the link from now on may be silent, seconds; it
    grows as they come."""
    silences: list[float] = []

    def listen(timeout_s: float, plain: Callable[[float], bytes]) -> bytes:
        silences.append(timeout_s)
        return plain(timeout_s)

    hear(link, listen)
    return silences


def test_silence_is_judged_by_what_answers_have_taken(session: Session, link: ResponderLink) -> None:
    """Of a known kind it is short, and doubles up to the timeout; of an unknown one
    it is the timeout."""
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


def test_silence_of_a_simulated_link_is_always_the_timeout(session: Session, link: ResponderLink) -> None:
    link.live = False
    silences = silences_of(link)
    for _ in range(3):
        session.call(read())
    assert set(silences) == {session.timeout_s}


def test_a_late_answer_is_no_fault_of_the_link(session: Session, link: ResponderLink) -> None:
    """The host asks again too soon once, blames nobody, and then waits for
    the whole timeout."""
    session.timeout_s = 2.0
    session.call(write(42))
    for _ in range(2):
        session.call(read())
    before, silences = session.statistics.requests, list[float]()

    def late(timeout_s: float, plain: Callable[[float], bytes]) -> bytes:
        silences.append(timeout_s)
        return b"" if len(silences) == 1 else plain(timeout_s)

    hear(link, late)
    assert scratch(session) == 42
    found = session.statistics
    assert (found.hasty, found.timeouts, found.resyncs, found.requests - before) == (1, 0, 1, 1)
    assert silences[0] < 0.05
    assert silences[-1] == 2.0


def test_traffic_and_faults_are_counted(session: Session, link: ResponderLink) -> None:
    """Each byte, request and fault once: a damaged answer, and one before the
    answer to a sync."""
    sent, received = list[bytes](), list[bytes]()
    plain = link.write

    def write_counted(data: bytes) -> None:
        sent.append(data)
        plain(data)

    def read_counted(timeout_s: float, read: Callable[[float], bytes]) -> bytes:
        received.append(read(timeout_s))
        return received[-1]

    link.write = write_counted  # type: ignore[method-assign]
    hear(link, read_counted)
    session.call(write(42))
    link.inject(b"\x03\x11\x22\x00")
    assert scratch(session) == 42
    session._synced = False
    link.inject(b"\x03\x11\x22\x00")
    session.run([read(), read()])
    assert vars(session.statistics) == {
        "requests": 4,
        "resyncs": 3,
        "timeouts": 0,
        "hasty": 0,
        "damaged_frames": 2,
        "bytes_sent": sum(map(len, sent)),
        "bytes_received": sum(map(len, received)),
    }


def test_a_lost_request_is_a_fault_of_the_link(session: Session, link: ResponderLink) -> None:
    """However soon it was asked for again."""
    session.timeout_s = 2.0
    session.call(read())
    losses, plain = [True], link.write
    link.write = lambda data: losses.pop() and None if losses else plain(data)  # type: ignore[method-assign]
    session.call(read())
    counts = session.statistics
    assert (counts.hasty, counts.timeouts, counts.resyncs) == (0, 1, 2)


def swallow_reads(link: ResponderLink) -> list[int]:
    """From now on no READ reaches the device; the number of those that were sent."""
    swallowed, plain = [0], link.write

    def pass_others(data: bytes) -> None:
        opcodes = [decode_request(frame).opcode for frame in data.split(b"\0") if frame]
        swallowed[0] += opcodes.count(Opcode.READ)
        if Opcode.READ not in opcodes:
            plain(data)

    link.write = pass_others  # type: ignore[method-assign]
    return swallowed


def test_attempts_are_counted_from_the_last_answer(session: Session, link: ResponderLink) -> None:
    """A device that answers each sync and nothing else is given up like one that is silent."""
    session.window, session.attempts = 1, 3
    swallowed = swallow_reads(link)
    with pytest.raises(LinkTimeout, match=r"does not answer \(4 attempts of 0\.01 s\)"):
        session.run([write(1), read()])
    assert swallowed == [4]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The session's time in seconds, which a test moves."""
    now = [100.0]
    monkeypatch.setattr("ndrite.host.session.time.monotonic", lambda: now[0])
    return now


def test_a_silence_is_at_least_30_ms_and_doubles_up_to_the_timeout(
    session: Session, link: ResponderLink, clock: list[float]
) -> None:
    session.timeout_s, session.attempts = 1.0, 1
    silences, plain = silences_of(link), link.write
    swallowed = swallow_reads(link)
    with pytest.raises(LinkTimeout):
        session.call(read())
    assert silences == pytest.approx([1.0, 1.0, 0.06, 1.0]), "sync, read, a known sync, read"
    assert swallowed == [2]
    link.write = plain  # type: ignore[method-assign]
    for _ in range(2):
        session.call(read())
    assert silences.pop() == pytest.approx(0.03)
    link.silent = True
    silences.clear()
    with pytest.raises(LinkTimeout):
        session.call(read())
    assert silences == pytest.approx([0.03, 0.06, 0.12, 0.24, 0.48, 0.96, 1.0, 1.0])


def test_a_silence_is_four_times_the_longest_wait(
    session: Session, link: ResponderLink, clock: list[float]
) -> None:
    """Of requests of that kind, and of all kinds before the answer to a sync."""
    session.timeout_s = 2.0
    silences, delays = list[float](), [0.0, 0.25, 0.0, 0.0, 0.0]

    def answer_late(timeout_s: float, plain: Callable[[float], bytes]) -> bytes:
        silences.append(timeout_s)
        clock[0] += delays.pop(0)
        return plain(timeout_s)

    hear(link, answer_late)
    session.call(read())
    session.call(read())
    session._synced = False
    session.call(read())
    assert silences == [2.0, 2.0, 1.0, 1.0, 1.0]


def test_bytes_that_come_one_by_one_have_four_timeouts(
    session: Session, link: ResponderLink, clock: list[float]
) -> None:
    session.timeout_s, session.attempts = 1.0, 0
    session.call(read())
    reads = [0]

    def dribble(timeout_s: float, _: object) -> bytes:
        reads[0] += 1
        clock[0] += 0.5
        return b"\x07"

    hear(link, dribble)
    with pytest.raises(ProtocolError, match="bytes arrived, but no complete answer in time"):
        session.call(read())
    assert (reads[0], session.statistics.timeouts) == (9, 1)


@pytest.mark.parametrize(("stale", "syncs"), [(255, 1), (256, 2)])
def test_a_sync_is_repeated_after_256_other_answers(
    session: Session, link: ResponderLink, stale: int, syncs: int
) -> None:
    link.inject(encode_response(Response(3, Opcode.READ, Status.OK, 4, bytes(4))) * stale)
    session.call(read())
    assert session.statistics.resyncs == syncs


def test_the_longest_answer_may_come_before_its_delimiter(session: Session, link: ResponderLink) -> None:
    session.call(read())
    session._next = 0x0101
    payload = b"\x01" * PAYLOAD_MAX
    frame = encode_response(Response(0x0101, Opcode.READ, Status.OK, 0x0102, payload))
    parts = deque([frame[:FRAME_MAX], frame[FRAME_MAX:]])
    assert parts[1] == packets.DELIMITER
    hear(link, lambda *_: parts.popleft())
    assert session.call(Command(Opcode.READ, SCRATCH, b"\x00\x04", answer_bytes=PAYLOAD_MAX)) == payload
