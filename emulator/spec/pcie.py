"""The contract of the PCIe endpoint and its driver: BAR0, the engine's registers,
descriptors and records.

BAR0 holds the register and memory map of ``ndrite.emulator.spec.memory_map``: region r
at byte ``r * region_bytes(geometry)``, its word w four bytes times w further. The DMA
engine's own registers (``ENGINE_REGISTERS``, 32 bit) lie at byte ``ENGINE_OFFSET`` of
region 0, whatever the geometry.

Programs are written and read back through BAR0; samples come and results go by DMA, in
a ring of descriptors in host memory. The host writes descriptors, then ``producer``;
the engine carries them out in order, writes one record each into a second ring and,
where the descriptor asks for it, raises an MSI after the record. A descriptor stands
for ``count`` inferences of ``inputs`` bytes each, one after the other from ``source``;
their ``outputs`` (s32) go to ``destination``; ``first_index`` is the first one's
inference index. Addresses are bus addresses, multiples of ``ALIGNMENT``; lengths follow
from counts and may be any.

descriptor  ``flags u8, reserved u24, count u32, source u64, destination u64, first_index u32, inputs u16,
outputs u16``

record  ``index u32, status u8, reserved u56, index u32``

``index`` counts descriptors since ``producer`` and ``consumer`` were 0, modulo 2^32; a
record stands when both its copies hold it. ``status`` is
``ndrite.emulator.spec.packets.Status``. Where DMA itself fails the engine halts
instead: ``error`` says why, an MSI is raised, and only ``CONTROL_RESET`` goes on.

Three rules keep an answer with status OK right:

- ``inputs`` and ``outputs`` of a descriptor are the program's; others end with
  BAD_LENGTH, and nothing is written to ``destination``.
- ``producer`` is at most the ring's length ahead of ``consumer``, modulo 2^32;
  otherwise the engine halts with ``PRODUCER`` before it reads the next descriptor.
- Memories are closed while work is under way: writes to them are dropped and counted in
  ``bad_posted``. After any dropped write, ``program_tag`` takes no value but 0 (another
  one becomes 0 and is counted too) until a 0 has been written there. A host writes 0,
  the words of the program, then its tag, and reads the tag back.
"""

import struct
from enum import IntEnum

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import region_words
from ndrite.emulator.spec.registers import numbered

VENDOR_ID = 0x10EE
"""PCI vendor id: that of the FPGA's manufacturer, as is usual for boards without an id
of their own that use its PCIe hard block."""
DEVICE_ID = 0x4E44
CLASS_CODE = 0x120000
"""PCI class code of a processing accelerator."""

REGION_SLOTS = 16
MIN_REGION_WORDS = 4096
ENGINE_OFFSET = 0x2000
ENGINE_MAGIC = 0x50434932
"""ASCII "PCI2", the version of the DMA engine whose descriptors have no opcode."""
ALIGNMENT = 8
DESCRIPTOR_LAYOUT = struct.Struct("<B3xIQQIHH")
DESCRIPTOR_BYTES = DESCRIPTOR_LAYOUT.size
RECORD_LAYOUT = struct.Struct("<IB7xI")
RECORD_BYTES = RECORD_LAYOUT.size
FLAG_INTERRUPT = 1
RING_LOG2_MAX = 12

CONTROL_RUN = 1
CONTROL_RESET = 2


class EngineError(IntEnum):
    """Reasons for which the DMA engine halts."""

    NONE = 0
    COMPLETION = 1
    """A read was answered with an error status, with poisoned data or with a
    wrong byte count."""
    TIMEOUT = 2
    """A read was not answered within ``read_timeout``."""
    BUS_MASTER = 3
    """Bus mastering was switched off while descriptors were being processed."""
    HUNG = 4
    """The watchdog reset the core; the chip counts as not programmed."""
    PRODUCER = 5
    """``ring_log2`` is above 12, or ``producer`` is further ahead of ``consumer`` than
    the ring is long, which it also is when it is behind. The ring then does not hold
    what the host has written."""


ENGINE_REGISTERS = numbered(
    [
        ("engine_magic", "ro", "0x50434932, ASCII PCI2"),
        ("control", "rw", "bit 0: run; bit 1 (reads 0): reset, dropping all work; poll state until idle"),
        ("state", "ro", "bit 0: work under way; bit 1: halted; bits 15..8: error"),
        ("ring_low", "rw", "descriptor ring, bus address, bits 31..0"),
        ("ring_high", "rw", "descriptor ring, bits 63..32"),
        ("records_low", "rw", "record ring, bus address, bits 31..0"),
        ("records_high", "rw", "record ring, bits 63..32"),
        ("ring_log2", "rw", "log2 of the entries of both rings, 0..12"),
        ("producer", "rw", "descriptors the host has written, modulo 2^32 (the doorbell)"),
        ("consumer", "ro", "descriptors carried out, modulo 2^32"),
        (
            "read_timeout",
            "rw",
            "clock cycles a read may wait for its completion, and after a reset its tag too",
        ),
        ("limits", "ro", "bits 3..0: max payload code; 7..4: max read request code; 8: bus master; 9: MSI"),
        (
            "bad_posted",
            "ro",
            "posted requests dropped: no such address, poisoned, while work is under way; tags withheld",
        ),
        ("bad_nonposted", "ro", "requests answered with an error status"),
        ("bad_completions", "ro", "completions without a request, dropped"),
        ("failed_reads", "ro", "reads that ended in an error completion"),
        ("timeouts", "ro", "reads given up"),
        ("interrupts", "ro", "MSIs raised"),
    ]
)
ENGINE_BY_NAME = {r.name: r for r in ENGINE_REGISTERS}
READ_TIMEOUT_CYCLES = 1 << 20
"""Reset value of ``read_timeout``: 17 ms at 62.5 MHz; PCIe allows 50 us to 50 ms by default."""


def region_slot_words(geometry: Geometry) -> int:
    """Return how many words of BAR0 each region occupies: a power of two that holds
    the largest region."""
    largest = max(MIN_REGION_WORDS, *region_words(geometry).values())
    return 1 << (largest - 1).bit_length()


def region_bytes(geometry: Geometry) -> int:
    """Return how many bytes of BAR0 each region occupies."""
    return 4 * region_slot_words(geometry)


def bar_bytes(geometry: Geometry) -> int:
    """Return the size of BAR0 in bytes."""
    return REGION_SLOTS * region_bytes(geometry)


def engine_offset(name: str) -> int:
    """Return the byte offset in BAR0 of the engine register ``name``."""
    return ENGINE_OFFSET + 4 * ENGINE_BY_NAME[name].address
