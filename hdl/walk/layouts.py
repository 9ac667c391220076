"""Records that travel between the parts of a walk."""

from amaranth import unsigned
from amaranth.lib.data import ArrayLayout, StructLayout

from emulator.spec.geometry import WORD_ROWS
from emulator.spec.walk_record import GATE, HEADER, STEP

HEADER_LAYOUT = StructLayout({name: width for name, (_, _, width) in HEADER.items()})
"""The fields of record 0."""
STEP_LAYOUT = StructLayout({name: width for name, (_, _, width) in STEP.items()})
"""The fields of a step's record (``emulator.backend.walk``); negative ones in two's complement."""
GATE_LAYOUT = StructLayout({name: width for name, (_, _, width) in GATE.items()})
"""The fields that only a gate's record has."""
CHUNK_LAYOUT = StructLayout(
    {
        "valid": 1,
        "codes": ArrayLayout(unsigned(8), WORD_ROWS),
        "count": 4,
        "group_end": 1,
        "patch_end": 1,
    }
)
"""``count`` codes of a patch that lie beside each other, the rest 0; which of its ends they are."""
