"""The device's memory map: regions of 32-bit words, and what their words hold.

An address is a 32-bit word address: region number << 24 | offset. Every memory word
holds one element, sign or zero extended to 32 bits:

==================  ===  =======================================================================
region              no.  offset -> element
==================  ===  =======================================================================
``registers``        0   register address
``weights``          1   lane * weight_depth + row address -> signed conductance code
``readout``          2   column -> gain (bits 15..0) | offset (bits 27..16, signed)
``bias``             3   column -> bias (signed 32 bit)
``neuron``           4   column -> scale (bits 15..0) | curve (bits 31..16)
``curve_base``       5   (pipe * curves + curve) * segments + segment -> base (signed 18 bit)
``curve_slope``      6   (pipe * curves + curve) * segments + segment -> slope (signed 18 bit)
``layers``           7   layer * 8 + field word -> descriptor (``DESCRIPTOR``)
``variation``        8   target code -> mean (bits 15..0) | sigma (bits 31..16), Q8.8 code units
``campaign_inputs``  9   sample * ceil(K / 4) + word -> four input codes, the first in bits 7..0
``labels``           10  sample -> class
``votes``            11  sample * outputs + class -> votes; read only
``correct``          12  chip of the campaign -> votes for the label; read only
``steps``            13  step * 32 + field word -> record (``walk_record``); 0 is the walk's own
``operand``          14  column or position -> gain of a second operand, or divisor of an average (16 bits)
``devices``          15  of devices that learn alone (``learning_map``)
``step_tables``      16  likewise
==================  ===  =======================================================================

Regions ``variation`` to ``correct`` exist where ``geometry.redraw`` is not 0. There a
write to ``weights`` sets the target of the cell pair too, from which virtual chips are
drawn (``ndrite.emulator.spec.variation``); a read gives what the array multiplies with.
``steps`` and ``operand`` exist where ``geometry.map_codes`` is not 0. ``curves`` and
``segments`` are the geometry's. Pipe ``column % geometry.neurons`` computes a column,
and the column's curve in region ``neuron`` is one of that pipe.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.variation import TABLE_WORDS
from ndrite.emulator.spec.walk_record import RECORD_WORDS, STEPS_A_LAYER

REGION_SHIFT = 24
_IN_ORDER = (
    "registers weights readout bias neuron curve_base curve_slope layers variation campaign_inputs labels "
    "votes correct steps operand devices step_tables"
)
REGIONS: dict[str, int] = {name: number for number, name in enumerate(_IN_ORDER.split())}
CAMPAIGN_CHIPS = 256
"""Largest number of virtual chips in one campaign command, and number of words in
region ``correct``."""

DESCRIPTOR_WORDS = 8
DESCRIPTOR: dict[str, tuple[int, int, int]] = {
    "inputs": (0, 0, 16),
    "outputs": (0, 16, 16),
    "tile_rows": (1, 0, 16),
    "dac_log2": (1, 16, 2),
    "analog": (1, 18, 1),
    "adc_bits": (1, 20, 4),
    "last": (1, 24, 1),
    "shift": (2, 0, 6),
    "vshift": (2, 8, 6),
    "segment_bits": (2, 16, 4),
    "table_bits": (2, 20, 4),
    "var_cell": (3, 0, 16),
    "variance_out": (4, 0, 32),
    "weight_base": (5, 0, 16),
    "column_base": (5, 16, 16),
    "number": (6, 0, 8),
    "walked": (6, 8, 1),
    "fires": (6, 9, 1),
    "second": (6, 10, 1),
    "lane_groups": (6, 11, 2),
    "share": (7, 0, 16),
    "group_rows": (7, 16, 16),
}
"""Field -> (word, least significant bit, width) of a layer descriptor.

variance_out = sigma_out^2, and ``number`` is the product's in the key of the read
noise. ``last`` ends an inference: a chain's last layer, or any that is ``walked``. Such
a one ``fires`` unless it gives the answer, and may add ``second`` operands. ``share``:
columns that follow each other through the array, a group's or as many as there are
lanes; ``group_rows``: inputs from a group's first row to the next one's.
``lane_groups``: the log2 of how many groups of lanes share a tile's rows
(``ndrite.emulator.spec.geometry``).
"""


@dataclass(frozen=True)
class Section:
    """Memory words to write at consecutive addresses: a start address and int32 words."""

    name: str
    address: int
    words: npt.NDArray[np.int32]

    @property
    def short(self) -> bool:
        """Whether every word of the section fits a signed 16-bit number, so that two
        bytes per word are enough."""
        return bool(self.words.size) and self.words.min() >= -32768 and self.words.max() <= 32767


def address(region: str, offset: int = 0) -> int:
    """Return the word address of an offset in a region."""
    return REGIONS[region] << REGION_SHIFT | offset


def region_words(geometry: Geometry) -> dict[str, int]:
    """Return the number of words in each memory region of a geometry, not
    including registers."""
    table = geometry.neurons * geometry.curves * geometry.segments
    return {
        "weights": geometry.lanes * geometry.weight_depth,
        "readout": geometry.columns,
        "bias": geometry.columns,
        "neuron": geometry.columns,
        "curve_base": table,
        "curve_slope": table,
        "layers": geometry.layers * DESCRIPTOR_WORDS,
    } | (campaign_words(geometry) | map_words(geometry))


def campaign_words(geometry: Geometry) -> dict[str, int]:
    """Return the number of words in each region that virtual chips and campaigns need;
    empty without ``geometry.redraw``."""
    if not geometry.redraw:
        return {}
    return {
        "variation": TABLE_WORDS,
        "campaign_inputs": geometry.campaign_words,
        "labels": geometry.campaign_samples,
        "votes": geometry.campaign_votes,
        "correct": CAMPAIGN_CHIPS,
    }


def map_words(geometry: Geometry) -> dict[str, int]:
    """Return the number of words in each region that programs with feature maps need;
    empty without ``geometry.map_codes``."""
    if not geometry.map_codes:
        return {}
    return {"steps": STEPS_A_LAYER * geometry.layers * RECORD_WORDS, "operand": geometry.columns}
