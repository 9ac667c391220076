"""walk_record: the layout of a program's step records in words of 32 bits
(region ``steps``)."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.steps import GATE_TERMS_MAX

RECORD_WORDS = 32
"""Number of words in the record of a program step; record 0 is the header of the program."""
STEPS_A_LAYER = 2
"""Number of step records for each layer that the geometry has."""
KINDS = {"product": 0, "max": 1, "average": 2, "gate": 3}
POSITION_BITS_MIN = 8
"""Smallest number of bits of the field ``positions`` that the device examines."""

Fields = dict[str, tuple[int, int, int]]
"""Fields of a record: name -> (word, least significant bit, width)."""

HEADER: Fields = {
    "steps": (0, 0, 8),
    "begins": (0, 8, 8),
    "body": (0, 16, 8),
    "inputs": (1, 0, 16),
    "calls": (1, 16, 16),
    "call_codes": (2, 0, 16),
    "samples": (2, 16, 16),
    "span": (3, 0, 24),
}
"""Fields of record 0. ``steps``: number of steps (0 for a chain of fully connected
layers). ``begins``: how many steps only initialise a sample. ``body``: how many steps
precede the change of the states. ``inputs``: codes of a sample. ``calls``: time steps
of a sample. ``call_codes``: codes of each time step. ``samples``: how many samples can
be walked together. ``span``: the maps of each of them lie so many codes behind those
of the one before."""
STEP: Fields = {
    "kind": (0, 0, 2),
    "last": (0, 2, 1),
    "second": (0, 3, 1),
    "of_sample": (0, 4, 1),
    "flat": (0, 5, 1),
    "layer": (0, 8, 8),
    "pool_shift": (0, 16, 6),
    "second_shift": (0, 24, 6),
    "positions": (1, 0, 16),
    "operand_base": (1, 16, 16),
    "start": (2, 0, 24),
    "pause": (2, 24, 4),
    "first_row": (3, 0, 16),
    "first_column": (3, 16, 16),
    "rows": (4, 0, 16),
    "columns": (4, 16, 16),
    "groups": (5, 0, 16),
    "share": (5, 16, 16),
    "kernel_rows": (6, 0, 16),
    "kernel_columns": (6, 16, 16),
    "pixel": (7, 0, 24),
    "border": (7, 24, 8),
    "line": (8, 0, 24),
    "row_hop": (8, 24, 8),
    "stride_line": (9, 0, 24),
    "stride_rows": (9, 24, 8),
    "stride_codes": (10, 0, 24),
    "column_hop": (10, 24, 8),
    "stride_columns": (11, 0, 16),
    "last_share": (11, 16, 16),
    "group_columns": (12, 0, 16),
    "grid_rows": (13, 0, 16),
    "grid_columns": (13, 16, 16),
    "to_channels": (14, 0, 16),
    "pool_rows": (14, 16, 4),
    "pool_columns": (14, 20, 4),
    "turn": (14, 24, 4),
    "to_base": (15, 0, 24),
    "block_rows": (15, 24, 8),
    "to_plane": (16, 0, 24),
    "block_columns": (16, 24, 8),
    "to_line": (17, 0, 24),
    "to_groups": (17, 24, 8),
    "to_rows": (18, 0, 16),
    "to_columns": (18, 16, 16),
    "to_pixel": (19, 0, 24),
    "second_base": (20, 0, 24),
    "position_bits": (20, 24, 5),
    "second_pixel": (21, 0, 24),
    "second_line": (22, 0, 24),
    "sample_hop": (23, 0, 32),
}
"""Fields of a program step's record.

A map lies row by row, pixel by pixel, the channels of a pixel beside each other.
``start`` is the place of the first patch's first code; ``first_row`` and
``first_column`` say where that code lies on the map: before it where there is a border.
``of_sample``: each call's inputs lie behind those of the last. ``line`` and ``pixel``
are the codes between two rows and two columns of a kernel, ``stride_line`` and
``stride_codes`` those of the grid.

``positions`` are the upper ``position_bits`` of their field.

A patch is read group by group (``share`` channels each, ``last_share`` in the last), a
group kernel row by kernel row, kernel column by kernel column, and there a run of its
channels. A pool's groups are eight channels. ``flat``: a kernel's row is one run, its
columns codes; then a run may lie partly beside the map. ``pause``: cycles between a
group's last chunk and the next one.

The ``to_`` fields say where the results go, ``second_`` where the second operands come
from. ``turn`` codes lie beside each other and are written at once: ``to_channels``
counts such turns of one of ``to_groups`` groups, ``to_plane`` is what they take.
Without blocks all channels are one group. ``group_columns``: results of a group, whose
last turns may be fewer than neurons.

The number of a patch, which selects its read noise, is ``sample_hop`` larger
in the next sample.
"""
GATE: Fields = {"terms": (1, 0, 3), "zero": (1, 8, 8), "elements": (10, 0, 16)}
"""Fields of a gate's record that replace the fields of patches; there are up to four terms."""
for _t in range(GATE_TERMS_MAX):
    GATE |= {f"a_base_{_t}": (2 + 2 * _t, 0, 24), f"a_zero_{_t}": (2 + 2 * _t, 24, 8)}
    GATE |= {f"b_base_{_t}": (3 + 2 * _t, 0, 24), f"b_zero_{_t}": (3 + 2 * _t, 24, 8)}
    GATE |= {f"gain_{_t}": (20 + _t, 0, 17), f"alone_{_t}": (20 + _t, 17, 1)}
SIGNED = ("start", "first_row", "first_column", *(f"gain_{t}" for t in range(GATE_TERMS_MAX)))
"""Names of the fields in two's complement."""
USED_WORDS = 1 + max(word for word, _, _ in (STEP | GATE).values())


def record(values: dict[str, int], fields: Fields, count: int = RECORD_WORDS) -> npt.NDArray[np.uint32]:
    """Pack the fields of a program step's record into words uint32 (count,). Fields
    that are not in ``values`` are 0."""
    words = np.zeros(count, np.uint32)
    unknown = set(values) - set(fields)
    assert not unknown, f"no such fields: {unknown}"
    for field, value in values.items():
        word, low, width = fields[field]
        lowest = -(1 << (width - 1)) if field in SIGNED else 0
        assert lowest <= value < 1 << width, f"field {field} = {value} exceeds {width} bits"
        words[word] |= np.uint32((value & ((1 << width) - 1)) << low)
    return words
