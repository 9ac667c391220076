"""packet_channel: the interface to a device, and its implementation in packets
over a byte stream."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.geometry import whole_words
from ndrite.emulator.spec.memory_map import Section
from ndrite.emulator.spec.packets import SPARSE_PROTOCOL, Opcode, sparse
from ndrite.host.links import Link
from ndrite.host.memory import differing, read_words, write_commands
from ndrite.host.session import Command, Session

Count = Callable[[int], None]
"""A function that is called with the number of words or inferences that have been done
since its last call."""


class Channel(Protocol):
    """Interface for driving one device: a channel reads and writes words and sections,
    and runs inferences. Every method raises ``HostError``."""

    def fit(self, geometry: Geometry, protocol: tuple[int, int]) -> None:
        """Adapt the channel to the device's geometry and protocol version (major,
        minor). Before this call only registers may be read."""
        ...

    def read(self, address: int, count: int) -> npt.NDArray[np.int32]:
        """Read ``count`` words from ``address`` up, int32 (count,)."""
        ...

    def write_register(self, address: int, value: int) -> None:
        """Set one register to a u32 value."""
        ...

    def write(self, sections: Sequence[Section], counted: Count) -> None:
        """Write every section. All words have arrived when the call returns, and not before."""
        ...

    def differing(self, sections: Sequence[Section]) -> list[Section]:
        """Return those sections whose words on the device differ from the
        words in the section."""
        ...

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        first_index: int,
        y: npt.NDArray[np.int32],
        counted: Count,
        together: int = 1,
    ) -> None:
        """Run samples ``x`` (n, inputs) on the device and put their outputs into ``y``
        (n, outputs), in order.

        ``together``: how many samples the device walks together at most.
        After a HostError the rows that were ``counted`` are filled.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Let the device work for ``seconds``."""
        ...

    def close(self) -> None:
        """Close the connection to the device."""
        ...


SAFE_PACKET_BYTES = 64
"""Payload size that every geometry accepts; used until the device has
reported its own limit."""
SPARSE_AT_ONCE = 256
"""Number of samples, rounded up to whole packets, whose sparse payloads are made at
once: few enough for the processor's cache."""
OPENING_ATTEMPTS = 3
"""Number of attempts while a device is opened, fewer than later: if nothing answers at
all, there is most likely no device."""


class PacketChannel:
    """Channel that sends packets over a link, with the interface
    ``ndrite.host.packet_channel.Channel``; closing it closes the link. Raises the
    errors of ``ndrite.host.session.Session``."""

    _sparse: bool
    """Whether samples are sent in the sparse form where that is shorter."""

    def __init__(self, link: Link, *, timeout_s: float, attempts: int) -> None:
        self.link = link
        self.session = Session(link, timeout_s=timeout_s, attempts=min(attempts, OPENING_ATTEMPTS))
        self._attempts = attempts
        self._packet_bytes = SAFE_PACKET_BYTES

    def fit(self, geometry: Geometry, protocol: tuple[int, int]) -> None:
        """Use the largest packets and the largest window of requests that
        the device accepts."""
        # Payloads without zeros are shorter. They are faster if the link is slower than
        # the array, or if the device unpacks codes as fast as it receives them.
        shorter = self.link.narrow or geometry.unpacks_words
        self._sparse = shorter and protocol >= SPARSE_PROTOCOL
        self.session.attempts = self._attempts
        self.session.window = geometry.window
        self._packet_bytes = geometry.packet_bytes

    def read(self, address: int, count: int) -> npt.NDArray[np.int32]:
        """Read ``count`` words from ``address`` up, int32 (count,)."""
        return read_words(self.session, address, count, self._packet_bytes)

    def write_register(self, address: int, value: int) -> None:
        """Set one register to a u32 value."""
        self.session.call(Command(Opcode.WRITE, address, value.to_bytes(4, "little")))

    def write(self, sections: Sequence[Section], counted: Count) -> None:
        """Write all sections in one batch, so that there are always requests under way,
        even between two sections."""
        commands = [c for s in sections for c in write_commands(s, self._packet_bytes)]

        def answered(i: int, _: bytes) -> None:
            command = commands[i]
            counted(len(command.payload) // (2 if command.opcode == Opcode.WRITE_SHORT else 4))

        self.session.forget_waits()
        self.session.run(commands, answered=answered)

    def differing(self, sections: Sequence[Section]) -> list[Section]:
        """Return those sections whose CRC on the device differs from the CRC of
        the section's words."""
        return differing(self.session, list(sections))

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        first_index: int,
        y: npt.NDArray[np.int32],
        counted: Count,
        together: int = 1,
    ) -> None:
        """Send as many samples in a packet as the device walks together; codes that are
        0 are left out of a packet if that makes it shorter and faster."""

        size = 4 * y.shape[1]
        answers = bytearray(y.nbytes)

        def answered(i: int, payload: bytes) -> None:
            first = i * together * size
            answers[first : first + len(payload)] = payload
            counted(len(payload) // size)

        commands = (
            Command(opcode, (first_index + i * together) & 0xFFFFFFFF, payload, answer_bytes=size * count)
            for i, (opcode, payload, count) in enumerate(self._payloads(x, together))
        )
        try:
            self.session.run(commands, answered=answered)
        finally:  # keep answers from before an error: a learning device does not repeat them
            y[...] = np.frombuffer(answers, "<i4").reshape(y.shape)

    def _payloads(self, x: npt.NDArray[np.uint8], each: int) -> Iterator[tuple[Opcode, bytes, int]]:
        """Yield the request, the payload and the number of samples for each packet of
        ``each`` samples; the last packet may have fewer."""
        # Each sample of a packet begins a new word; no padding follows the last one.
        padding = whole_words(x.shape[1]) - x.shape[1]
        at_once = -(-SPARSE_AT_ONCE // each) * each
        for start in range(0, len(x), at_once):
            part = x[start : start + at_once]
            short = sparse(part) if self._sparse else []
            padded = np.pad(part, ((0, 0), (0, padding))) if padding else part
            for first in range(0, len(part), each):
                rows = padded[first : first + each]
                size = rows.size - padding
                payload = b"".join(short[first : first + each])
                if short and len(payload) < size:
                    yield Opcode.INFER_SPARSE, payload, len(rows)
                else:
                    yield Opcode.INFER, rows.tobytes()[:size], len(rows)

    def wait(self, seconds: float) -> None:
        """Let the device work for ``seconds`` without listening."""
        self.link.wait(seconds)

    def close(self) -> None:
        """Close the link."""
        self.link.close()
