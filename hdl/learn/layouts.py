"""Records of learning: a layer's settings, a column's, and a device table's place."""

from __future__ import annotations

from amaranth import signed, unsigned
from amaranth.lib.data import StructLayout
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from emulator.spec.learning import LEVELS, SLOTS_MAX, STATE_BITS
from emulator.spec.learning_map import SETTINGS

INDEX_BITS = 16
"""Of rows, columns and places in memories."""
THRESHOLD_BITS = 17
ERROR_SHAPE = signed(9)
CHANGE_SHAPE = signed(18)
STATE_SHAPE = signed(STATE_BITS)
CODE_SHAPE = signed(9)
TRAIN_BITS = SLOTS_MAX
EXPONENT_SHAPE = signed(10)
TABLE_SHAPE = signed(13)
"""Of an entry of a device table."""


def layer_layout() -> StructLayout:
    """What a layer is: the record of ``emulator.spec.learning_map``."""
    return StructLayout({n: signed(bits) if low else unsigned(bits) for n, (bits, low) in SETTINGS.items()})


def column_layout() -> StructLayout:
    """A column's constants, as regions ``bias``, ``readout`` and ``neuron`` have them."""
    return StructLayout({"bias": signed(32), "gain": 16, "offset": signed(12), "scale": 16, "curve": 16})


def live_layout() -> StructLayout:
    """A row whose input is not 0."""
    return StructLayout({"row": INDEX_BITS, "x": 8})


def table_address_bits(g: Geometry) -> int:
    """Place of a device table's entry: layer, then level."""
    return bits_for(g.layers * LEVELS - 1)
