"""Records of learning: a layer's settings, a column's, and a device table's place."""

from amaranth import signed, unsigned
from amaranth.lib.data import StructLayout
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import LEVELS, SLOTS_MAX, STATE_BITS
from ndrite.emulator.spec.learning_map import SETTINGS

INDEX_BITS = 16
"""Of rows, columns and places in memories."""
THRESHOLD_BITS = 17
ERROR_SHAPE = signed(9)
CHANGE_SHAPE = signed(18)
STATE_SHAPE = signed(STATE_BITS)
MOVED_SHAPE = signed(9)
CODE_SHAPE = signed(9)
TRAIN_BITS = SLOTS_MAX
EXPONENT_SHAPE = signed(10)
TABLE_SHAPE = signed(13)
"""Of an entry of a device table."""


def layer_layout() -> StructLayout:
    """Layer record, as ``ndrite.emulator.spec.learning_map`` lays it out in memory."""
    return StructLayout({n: signed(bits) if low else unsigned(bits) for n, (bits, low) in SETTINGS.items()})


def column_layout() -> StructLayout:
    """A column's constants, as regions ``bias``, ``readout`` and ``neuron`` have them."""
    return StructLayout({"bias": signed(32), "gain": 16, "offset": signed(12), "scale": 16, "curve": 16})


def live_layout() -> StructLayout:
    """A row whose input is not 0."""
    return StructLayout({"row": INDEX_BITS, "x": 8})


def address_bits(g: Geometry) -> int:
    """Bits of the address of a row of states, all layers counted."""
    return bits_for(g.weight_depth - 1)


def row_layout(g: Geometry) -> StructLayout:
    """Command to the lanes: ``add`` x times the row at ``address``, or ``end`` the sums so far."""
    return StructLayout({"add": 1, "end": 1, "x": 8, "address": address_bits(g)})


def trained_row_layout(g: Geometry) -> StructLayout:
    """A row of a layer whose train is wanted, with its input."""
    return StructLayout({"valid": 1, "x": 8, "row": address_bits(g)})


def answer_layout(g: Geometry) -> StructLayout:
    """A column's code ``y``, of the ``final`` layer or kept at ``place``; how fast it changes with z, and how
    far with the state of its neuron's ECRAM."""
    index = {"column": INDEX_BITS, "place": address_bits(g)}
    return StructLayout(
        {"valid": 1, "final": 1, **index, "y": 8, "change": CHANGE_SHAPE, "moved": MOVED_SHAPE}
    )


def error_layout(g: Geometry) -> StructLayout:
    """The error of a layer's column, in passing."""
    return StructLayout({"valid": 1, "lane": range(max(g.lanes, 2)), "value": ERROR_SHAPE})


def train_layout(g: Geometry) -> StructLayout:
    """The train of a layer's column, in passing."""
    return StructLayout({"valid": 1, "lane": range(max(g.lanes, 2)), "value": TRAIN_BITS})


def poke_layout(g: Geometry) -> StructLayout:
    """A state to be written."""
    where = {"lane": range(max(g.lanes, 2)), "address": address_bits(g)}
    return StructLayout({"write": 1, **where, "data": STATE_SHAPE})


def table_address_bits(g: Geometry) -> int:
    """Place of a device table's entry: layer, then level."""
    return bits_for(g.layers * LEVELS - 1)
