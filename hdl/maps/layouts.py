"""Records that travel between the parts of a walk."""

from __future__ import annotations

from amaranth import unsigned
from amaranth.lib.data import ArrayLayout, StructLayout

from emulator.spec.geometry import WORD_ROWS
from emulator.spec.walk import STEP


def step_layout() -> StructLayout:
    """The fields of a step's record (``emulator.spec.walk``); negative ones in two's complement."""
    return StructLayout({name: width for name, (_, _, width) in STEP.items()})


def chunk_layout() -> StructLayout:
    """``count`` codes of a patch that lie beside each other, the rest 0; which of its ends they are."""
    return StructLayout(
        {
            "valid": 1,
            "codes": ArrayLayout(unsigned(8), WORD_ROWS),
            "count": 4,
            "channel_end": 1,
            "group_end": 1,
            "patch_end": 1,
        }
    )
