"""Packets that read, write and check words of the device, and the search for words
that have changed."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.memory_map import Section
from ndrite.emulator.spec.packets import Opcode
from ndrite.host.session import Command, Session

Words = npt.NDArray[np.int32]
CRC_BYTES = 4


def write_commands(section: Section, packet_bytes: int) -> Iterator[Command]:
    """Yield the commands that write a section, with two bytes per word if every word of
    the section fits in two bytes."""
    short = section.short
    opcode, word = (Opcode.WRITE_SHORT, 2) if short else (Opcode.WRITE, 4)
    data = section.words.astype("<i2" if short else "<i4").tobytes()
    for start in range(0, len(data), packet_bytes):
        yield Command(opcode, section.address + start // word, data[start : start + packet_bytes])


def read_commands(address: int, count: int, packet_bytes: int) -> Iterator[Command]:
    """Yield the commands that read ``count`` words from ``address`` up."""
    word_count = packet_bytes // 4
    for start in range(0, count, word_count):
        n = min(word_count, count - start)
        yield Command(Opcode.READ, address + start, n.to_bytes(2, "little"), answer_bytes=4 * n)


def check_command(section: Section) -> Command:
    """Return the command that requests the CRC over the words of a section in
    the device's memory."""
    return Command(
        Opcode.CHECK, section.address, section.words.size.to_bytes(4, "little"), answer_bytes=CRC_BYTES
    )


def section_crc(section: Section) -> int:
    """Return the CRC-32 that the device must report for a section: over the section's
    words, 32 bits each, little endian."""
    return zlib.crc32(section.words.astype("<i4").tobytes())


def read_words(session: Session, address: int, count: int, packet_bytes: int) -> Words:
    """Read ``count`` words from ``address`` up, int32 (count,). Raises the errors
    of ``Session.run``."""
    parts: list[bytes] = []
    session.run(
        read_commands(address, count, packet_bytes), answered=lambda _, payload: parts.append(payload)
    )
    return np.frombuffer(b"".join(parts), "<i4").astype(np.int32)


def differing(session: Session, sections: list[Section]) -> list[Section]:
    """Return those sections whose words on the device differ from the words in the
    section, found by CRC. Raises the errors of ``Session.run``."""
    crcs: list[int] = []
    session.run(
        (check_command(s) for s in sections),
        answered=lambda _, payload: crcs.append(int.from_bytes(payload, "little")),
    )
    return [s for s, crc in zip(sections, crcs, strict=True) if crc != section_crc(s)]


@dataclass(frozen=True)
class Upset:
    """What has changed in a memory section: how many words and bits, and the address,
    expected value and actual value of the first changed word."""

    section: str
    words: int
    bits: int
    address: int
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"{self.section}: {self.bits} bits in {self.words} words changed, first at {self.address:#010x} "
            f"(expected {self.expected & 0xFFFFFFFF:#010x}, found {self.found & 0xFFFFFFFF:#010x})"
        )


def examine(section: Section, read: Callable[[int, int], Words]) -> Upset:
    """Find which words have changed in a section whose CRC differs; ``read(address,
    count)`` reads words of the device."""
    words = read(section.address, section.words.size)
    changed = (words ^ section.words).view(np.uint32)
    where = np.flatnonzero(changed)
    first = int(where[0]) if where.size else 0
    bits = sum(int(word).bit_count() for word in changed[where])
    return Upset(
        section.name,
        int(where.size),
        bits,
        section.address + first,
        int(section.words[first]),
        int(words[first]),
    )
