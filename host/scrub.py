"""Upsets: memory words on the device that are no longer what was written there."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulator.spec.memory_map import Section
from host.memory import Words


@dataclass(frozen=True)
class Upset:
    """Words of a memory section that have changed: how many words and bits, and the first of them."""

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
    """What has changed in a section whose CRC differs; ``read(address, count)`` gives its words."""
    found = read(section.address, section.words.size)
    changed = (found ^ section.words).view(np.uint32)
    where = np.flatnonzero(changed)
    first = int(where[0]) if where.size else 0
    bits = sum(int(word).bit_count() for word in changed[where])
    return Upset(
        section.name,
        int(where.size),
        bits,
        section.address + first,
        int(section.words[first]),
        int(found[first]),
    )
