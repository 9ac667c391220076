"""Records of learning: a layer's settings, a column's, and a device table's place."""

from __future__ import annotations

from amaranth import signed
from amaranth.lib.data import StructLayout
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from emulator.spec.learning import LEVELS, SLOTS_MAX, STATE_BITS

INDEX_BITS = 16
"""Of rows, columns and places in memories."""
THRESHOLD_BITS = 17
ERROR_SHAPE = signed(9)
CHANGE_SHAPE = signed(18)
STATE_SHAPE = signed(STATE_BITS)
CODE_SHAPE = signed(9)
TRAIN_BITS = SLOTS_MAX
EXPONENT_SHAPE = signed(10)
TABLES = ("step", "asymmetry", "upper", "lower", "cycle")
"""Device tables, each of 16 values of 13 bits."""
TABLE_SHAPE = signed(13)


def layer_layout() -> StructLayout:
    """What a layer is: sizes, where its states, columns and live rows lie, and every constant of its
    arithmetic. ``variance_out`` and ``back_variance`` are squares."""
    index = INDEX_BITS
    return StructLayout(
        {
            "inputs": index,
            "outputs": index,
            "at_state": index,
            "at_column": index,
            "at_live": index,
            "dac_bits": 4,
            "adc_bits": 4,
            "shift": 6,
            "vshift": 6,
            "segment_bits": 4,
            "table_bits": 4,
            "variance_out": 32,
            "var_cell": 16,
            "bias_gain": 17,
            "bias_shift": 6,
            "row_rate": 16,
            "row_shift": 5,
            "column_rate": 16,
            "column_shift": 6,
            "back_gain": 16,
            "back_shift": 6,
            "back_bits": 4,
            "back_variance": 32,
            "back_var": 16,
            "slope_shift": 6,
            "slope_up": signed(18),
            "slope_down": signed(18),
            "step_shift": 5,
        }
    )


def column_layout() -> StructLayout:
    """A column's constants."""
    return StructLayout({"bias": signed(32), "gain": 16, "offset": signed(12), "scale": 16, "curve": 16})


def live_layout() -> StructLayout:
    """A row whose input is not 0."""
    return StructLayout({"row": INDEX_BITS, "x": 8})


def table_address_bits(g: Geometry) -> int:
    """Place of a device table's entry: layer, then level."""
    return bits_for(g.layers * LEVELS - 1)
