"""The session: carries out requests and returns certain answers over a link that may
lose or damage bytes.

Several requests are in flight (the device's window). The device executes them in
sequence order and answers in that order, so the session only ever accepts the answer to
its oldest unanswered request, with matching sequence number, opcode and length and a
good CRC. Anything else (damage, silence, a refusal for sequence) leads to a
resynchronisation: a ``sync`` request under a fresh random sequence number, everything
before its answer discarded, then every unanswered request again, in order.

Silence is judged by what requests of the same kind have taken so far: ``SILENCES``
times the longest wait, and ``SILENCE_S`` at least. Each silence in a row doubles it, up
to the timeout; only those of the whole timeout count as failed attempts. If the answer
arrives after the resynchronisation has begun, the host was hasty, and no fault of the
link is counted. A simulated device has no such clock, and always gets the timeout.

A request may therefore be executed twice, the second time after later requests of the
same batch. A repeat is harmless because requests are idempotent and a batch holds
requests that do not depend on one another; ``Session.run`` returns only when all of
them are answered.
"""

import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.host.errors import DeviceError, IdentityError, LinkTimeout, ProtocolError
from ndrite.host.links import Link
from ndrite.host.packets import (
    DELIMITER,
    OVERHEAD_BYTES,
    FrameError,
    Request,
    Response,
    VersionError,
    decode_response,
    encode_request,
)

SEQUENCES = 1 << 16
TIMEOUT_S = 2.0
ATTEMPTS = 8
SILENCE_S = 0.03
"""Shortest silence, in seconds, that counts as a loss: a serial adapter may hold
bytes back for 16 ms."""
SILENCES = 4
PATIENCE = 4
"""Number of timeouts within which an answer must be complete, even if single
bytes keep arriving."""
WIDE = 8
"""Size of the window of requests from which it is refilled only when half of it has
been answered; a smaller window is refilled after every answer."""
PAYLOAD_MAX = 4096
"""Longest payload any geometry has."""
REBUILD = "rebuild the gateware, or use the host it was built with"
FRAME_MAX = PAYLOAD_MAX + OVERHEAD_BYTES + (PAYLOAD_MAX + OVERHEAD_BYTES) // 254 + 1


class Command(NamedTuple):
    """A request that has no sequence number yet, and the number of payload bytes that
    its answer must have."""

    opcode: Opcode
    address: int
    payload: bytes = b""
    answer_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.opcode.name.lower()} at {self.address:#010x}"


@dataclass
class SessionStatistics:
    """Counts of requests, bytes and faults since the session began."""

    requests: int = 0
    resyncs: int = 0
    timeouts: int = 0
    hasty: int = 0
    """Number of silences that were taken for losses although the answer was only late.
    They count neither as timeouts nor as resyncs."""
    damaged_frames: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class _Anomaly(Exception):
    """Internal error: the expected answer to a request did not arrive; ``silence``:
    nothing arrived at all.

    ``counts``: as a failed attempt.
    """

    def __init__(self, text: str, *, silence: bool = False, counts: bool = True) -> None:
        super().__init__(text)
        self.silence = silence
        self.counts = counts


class Session:
    """A session of requests and answers over one link. It handles sequence numbers, the
    window of unanswered requests, timeouts and retries.

    Parameters
    ----------
    link:
        The byte stream; the session does not close it.
    timeout_s:
        Longest silence before a resynchronisation, seconds (simulated ones on a
        simulated link); that before the first answer of a kind.
    attempts:
        Resynchronisations in a row without one accepted answer before giving up.
    """

    _next: int
    """Sequence number of the next request; a resynchronisation sets it."""

    def __init__(self, link: Link, *, timeout_s: float = TIMEOUT_S, attempts: int = ATTEMPTS) -> None:
        self.link = link
        self.timeout_s = timeout_s
        self.attempts = attempts
        self.window = 1
        self.statistics = SessionStatistics()
        self._frames: deque[bytes] = deque()
        self._rest = b""
        self._waits: dict[int, float] = {}
        self._quick = 1
        self._synced = False

    def forget_waits(self) -> None:
        """Forget the measured round-trip times, because the device has a
        different program now."""
        self._waits.clear()

    def run(
        self, commands: Iterable[Command], *, answered: Callable[[int, bytes], None] | None = None
    ) -> None:
        """Carry out all commands; ``answered(i, payload)`` is called for each command in order.

        Raises
        ------
        IdentityError
            The device speaks another packet version.
        DeviceError
            The device refused a command; later commands of the batch may have been executed.
        LinkTimeout, ProtocolError
            No certain answer within the allowed attempts.
        LinkError
            The link itself broke.
        """
        pending = iter(commands)
        flight: deque[tuple[int, Command]] = deque()
        index = failures = 0
        more = True
        try:
            if not self._synced:
                failures = self._resync(failures, _Anomaly("no session yet"))
            while more or flight:
                more = more and self._fill(flight, pending)
                if not flight:
                    break
                try:
                    response = self._accept(*flight[0])
                except _Anomaly as anomaly:
                    failures = self._resync(failures + anomaly.counts, anomaly)
                    flight = deque(self._send([command for _, command in flight]))
                    continue
                failures = 0
                _, command = flight.popleft()
                if response.status != Status.OK:
                    raise DeviceError(_status(response.status), str(command))
                if answered is not None:
                    answered(index, response.payload)
                index += 1
        except BaseException:
            # On any error, Ctrl-C included: answers may still be on their way, so the
            # next batch begins with a sync.
            self._synced = False
            raise

    def call(self, command: Command) -> bytes:
        """Carry out one command and return its answer's payload. Raises the
        errors of ``run``."""
        answers: list[bytes] = []
        self.run([command], answered=lambda _, payload: answers.append(payload))
        return answers[0]

    def _fill(self, flight: deque[tuple[int, Command]], pending: Iterator[Command]) -> bool:
        """Send commands until the window of unanswered requests is full; return False
        when no commands are left.

        A wide window is filled again when half of it is answered: several requests then
        share a datagram, and the device has the other half to work on meanwhile.
        """
        room = self.window - len(flight)
        if self.window >= WIDE and len(flight) > self.window // 2:
            return True
        fresh = list(itertools.islice(pending, room))
        self.statistics.requests += len(fresh)
        if fresh:
            flight.extend(self._send(fresh))
        return len(fresh) == room

    def _send(self, commands: list[Command]) -> Iterator[tuple[int, Command]]:
        """Send the requests for ``commands`` in one write to the link; return each
        command with its sequence number."""
        sequences = [(self._next + i) % SEQUENCES for i in range(len(commands))]
        self._next = (self._next + len(commands)) % SEQUENCES
        self._write(
            b"".join(
                encode_request(Request(sequence, command.opcode, command.address, command.payload))
                for sequence, command in zip(sequences, commands, strict=True)
            )
        )
        return zip(sequences, commands, strict=True)

    def _write(self, frames: bytes) -> None:
        self.statistics.bytes_sent += len(frames)
        self.link.write(frames)

    def _accept(self, sequence: int, command: Command) -> Response:
        """Return the answer to the request ``sequence``. Raises _Anomaly if anything
        else arrives, or nothing."""
        try:
            response = decode_response(self._frame(command.opcode, time.monotonic()))
        except VersionError as error:
            raise IdentityError(f"{error}; {REBUILD}") from None
        except FrameError as error:
            self.statistics.damaged_frames += 1
            raise _Anomaly(str(error)) from None
        if response.status == Status.SEQUENCE:
            raise _Anomaly("the device missed a request")
        if response.sequence != sequence or response.opcode != command.opcode:
            raise _Anomaly("the answer belongs to another request")
        length = command.answer_bytes if response.status == Status.OK else 0
        if len(response.payload) != length:
            raise _Anomaly(f"the answer has {len(response.payload)} payload bytes; expected: {length}")
        self._quick = 1
        return response

    def _resync(self, failures: int, cause: _Anomaly) -> int:
        """Agree with the device on a new sequence number, and discard all answers
        to earlier requests. ``failures`` attempts have failed before; return how
        many have failed now."""
        while failures <= self.attempts:
            self.statistics.resyncs += 1
            # The number is random, so that no stale answer matches it, whatever this or
            # an earlier process has sent.
            sequence = secrets.randbelow(SEQUENCES)
            # The leading delimiter ends a frame that was interrupted and that the
            # device may have received in part.
            self._write(DELIMITER + encode_request(Request(sequence, Opcode.SYNC, 0)))
            try:
                late = self._await_sync(sequence)
            except _Anomaly as anomaly:
                cause = anomaly
                failures += anomaly.counts
                continue
            if late and cause.silence and not cause.counts:
                self.statistics.hasty += 1
                self.statistics.timeouts -= 1
                self.statistics.resyncs -= 1
                self.forget_waits()
            self._next = (sequence + 1) % SEQUENCES
            self._synced = True
            return failures
        if cause.silence:
            raise LinkTimeout(
                f"device does not answer ({failures} attempts of {self.timeout_s:g} s); check power, "
                "cable and baud rate"
            )
        raise ProtocolError(f"gave up after {failures} attempts: {cause}")

    def _await_sync(self, sequence: int) -> bool:
        """Discard everything that arrives before the answer to a sync request; return
        whether complete answers were discarded."""
        expected = (sequence, Opcode.SYNC, Status.OK, (sequence + 1) % SEQUENCES, b"")
        # At most two windows of stale answers, and some damaged frames, arrive before
        # the answer to the sync.
        begun, late = time.monotonic(), False
        for _ in range(256):
            try:
                r = decode_response(self._frame(Opcode.SYNC, begun))
            except VersionError as error:
                raise IdentityError(
                    f"{error}; rebuild the device or use the host it was built with"
                ) from None
            except FrameError:
                self.statistics.damaged_frames += 1
                continue
            if (r.sequence, r.opcode, r.status, r.expected, r.payload) == expected:
                return late
            late = True
        raise _Anomaly("no answer to a sync, only other answers and debris")

    def _silence(self, opcode: int) -> float:
        """Return after how many seconds without a byte a request with
        ``opcode`` counts as lost."""
        waits = self._waits
        if not self.link.live or opcode not in waits:
            return self.timeout_s
        # Before it answers a sync, the device may still be working on all requests
        # that it was sent.
        longest = max(waits.values()) if opcode == Opcode.SYNC else waits[opcode]
        return min(self.timeout_s, self._quick * max(SILENCE_S, SILENCES * longest))

    def _frame(self, opcode: int, begun: float) -> bytes:
        """Return the next non-empty frame without its delimiter. The timeout depends on
        ``opcode``, the kind of the request that the frame should answer, and on
        ``begun``, the time at which the wait for it began.

        Anomaly when none comes in time. The whole of an answer has a deadline on this
        machine's clock; a simulated device is no exception: it answers in one piece, or
        was silent long before.
        """
        if self._frames:
            return self._frames.popleft()
        silence = self._silence(opcode)
        while not self._frames:
            if len(self._rest) > FRAME_MAX:
                self._rest = b""
                raise _Anomaly(f"more than {FRAME_MAX} bytes arrived without a delimiter")
            if time.monotonic() > begun + PATIENCE * self.timeout_s:
                self.statistics.timeouts += 1
                raise _Anomaly("bytes arrived, but no complete answer in time")
            data = self.link.read(silence)
            if not data:
                self.statistics.timeouts += 1
                self._quick *= 2
                raise _Anomaly("nothing arrived", silence=True, counts=silence >= self.timeout_s)
            self.statistics.bytes_received += len(data)
            *frames, self._rest = (self._rest + data).split(DELIMITER)
            self._frames.extend(filter(None, frames))
        self._waits[opcode] = max(self._waits.get(opcode, 0.0), time.monotonic() - begun)
        return self._frames.popleft()


def _status(code: int) -> Status:
    try:
        return Status(code)
    except ValueError:
        raise ProtocolError(
            f"the device answered with status {code}, which this host does not know; {REBUILD}"
        ) from None
