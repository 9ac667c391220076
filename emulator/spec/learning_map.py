"""Memory map of a device that learns, as far as it differs from other devices: regions,
and the words of a layer's record.

Regions have the numbers of ``ndrite.emulator.spec.memory_map``; ``weights`` holds
states of devices (18 bits, signed), ``layers`` 16 words a layer: the fields of
``SETTINGS``, one behind the other, least significant first, and at the end the record
of the ``RUN``. Where neurons of layer i are tuned, record ``depth`` + i is their
ECRAMs': ``inputs`` is their row, and the columns' rate and shift, slopes and
``step_shift`` are theirs. Where pulses go to fast devices, the law in a layer's record
is theirs, and that of its own devices in record ``carries`` + i; both have ``every``,
``threshold`` and ``chopped`` of ``ndrite.emulator.spec.learning.Transfer``; ``every``
is 0 for a layer without. ``devices`` holds the device tables, ``TABLES`` one behind the
other, 16 words for each record. ``step_tables``, where ``geometry.step_tables`` says
so, holds for each record 64 words of steps down, then 64 of steps up: the mean (bits
8..0) and the deviation (bits 17..9) of ``ndrite.emulator.spec.learning.Steps``, for a
record that is ``tabled``. An INFER of such a device is an update: its payload is the
label (u16) and the sample's codes, its index the update's number, its answer whether
the answer before the update was right (0 or 1), then the pulses of each layer.
"""

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import FACTOR_MAX, LEVELS, SERIAL_SHIFT, STATE_PARTS
from ndrite.emulator.spec.memory_map import region_words
from ndrite.emulator.spec.registers import register_map_hash

MAGIC_LEARNING = 0x4C52444E
"""ASCII "NDRL": software that cannot drive a learning device rejects it."""
SETTINGS: dict[str, tuple[int, bool]] = {
    "inputs": (16, False),
    "outputs": (16, False),
    "at_state": (16, False),
    "at_column": (16, False),
    "dac_bits": (4, False),
    "adc_bits": (4, False),
    "shift": (6, False),
    "vshift": (6, False),
    "segment_bits": (4, False),
    "table_bits": (4, False),
    "variance_out": (32, False),
    "var_cell": (16, False),
    "bias_gain": (17, False),
    "bias_shift": (6, False),
    "row_rate": (16, False),
    "row_shift": (5, False),
    "column_rate": (16, False),
    "column_shift": (6, False),
    "back_gain": (16, False),
    "back_shift": (6, False),
    "back_bits": (4, False),
    "back_variance": (32, False),
    "back_var": (16, False),
    "slope_shift": (6, False),
    "slope_up": (18, True),
    "slope_down": (18, True),
    "step_shift": (5, False),
    "tuned_bits": (4, False),
    "behind_tuned": (1, False),
    "pulse_row": (16, False),
    "every": (16, False),
    "threshold": (16, False),
    "chopped": (1, False),
}
"""Name -> (bits, whether it is signed) of the fields in a layer's record.
``tuned_bits``: a neuron's ECRAM selects one of 2^bits curves, or 0 if neurons are not
tuned. ``behind_tuned``: whether the neurons of the preceding layer are tuned.
``pulse_row``: the first row of states to which pulses go: 0, or the first row of the
layer's fast devices."""
TABLED = {"tabled": (1, False)}
"""Fields that follow those of ``SETTINGS`` in a device with step tables.
``tabled``: the steps of the record's devices follow a step table, not ``slope_up``
and ``slope_down``."""
SETTING_WORDS = -(-sum(bits for bits, _ in (SETTINGS | TABLED).values()) // 32)
LAYER_WORDS = 16
RUN = ("die_seed_low", "die_seed_high", "slots", "depth", "carries", "next")
"""Words of the last record. ``depth``: number of layers. ``carries``: number of the
first record that holds the law of a layer's own devices, 0 if no layer has fast
devices. ``next``: number of the next update; the device counts on from there."""
REMEMBERED = 32
"""Number of latest updates whose answers a device keeps, more than a window holds. If
one of these updates is requested again, the device repeats the answer and not the
update. A request for any other update than the next one is answered with -1 in every
word and has no effect."""
TABLES = ("step", "asymmetry", "upper", "lower", "cycle")
_SERIAL = f"pulses one after the other below step_shift {SERIAL_SHIFT}"
FACTOR_BITS = FACTOR_MAX.bit_length()
"""Bits of an entry of a step table."""
STEP_WORDS = 2 * STATE_PARTS
"""Number of words of a record's step tables: down, then up."""
_LINES = (*(f"{name} {bits}" for name, (bits, _) in SETTINGS.items()), *RUN, *TABLES, _SERIAL)
LEARNING_MAP = register_map_hash(*_LINES)
"""Value of the register ``register_map`` of a device that learns; a host with other
records rejects the device."""
STEP_TABLES_MAP = register_map_hash(*_LINES, *TABLED, f"step tables {STEP_WORDS} {FACTOR_BITS}")
"""Value of the register ``register_map`` of a device that learns and has step tables."""
LABEL_CODES = 2
"""Number of codes that precede a sample's own codes and hold its label."""


def learning_words(geometry: Geometry) -> dict[str, int]:
    """Return the number of words of each memory region in a device that learns."""
    same = ("weights", "readout", "bias", "neuron", "curve_base", "curve_slope")
    words = region_words(geometry)
    tables = {"step_tables": geometry.layers * STEP_WORDS} if geometry.step_tables else {}
    return {name: words[name] for name in same} | {
        "layers": (geometry.layers + 1) * LAYER_WORDS,
        "devices": len(TABLES) * geometry.layers * LEVELS,
        **tables,
    }


def settings_of(geometry: Geometry) -> dict[str, tuple[int, bool]]:
    """Return name -> (bits, whether it is signed) of the fields in a layer's
    record of a device."""
    return SETTINGS | TABLED if geometry.step_tables else SETTINGS
