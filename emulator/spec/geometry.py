"""Geometry: the parameters that determine the gateware, checked when they are set.

Lane groups: group g of G takes, of a word of eight rows, the 8 / G rows from g * 8 / G
on. Its lanes store them consecutively: row k of a layer lies at (k div 8) * (8 / G) + k
mod (8 / G) from the start of the layer.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import GAUSS_FRACTION, INPUT_MAX, SIGMA_MAX
from ndrite.emulator.spec.errors import GeometryError

WORD_ROWS = 8
"""Number of input codes in one word of the input and activation buffers."""
DEPTH_MAX = 65536
"""Largest number of words in a lane's weight memory."""


def whole_words(codes: int) -> int:
    """Return ``codes`` rounded up to whole words of WORD_ROWS codes."""
    return -(-codes // WORD_ROWS) * WORD_ROWS


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Shape of an emulated crossbar core: its rows and lanes, its optional features,
    and the sizes of its memories.

    Raises GeometryError when a field is out of range or two fields contradict each other.

    Parameters
    ----------
    name:
        Preset name, for messages only; not part of the hardware's identity.
    rows:
        Rows of one crossbar tile (R).
    lanes:
        Columns computed in parallel (N), one weight memory and multiplier each.
    readouts:
        Columns read out per cycle (P); divides ``lanes``.
    weight_bits:
        Bits of a signed effective conductance code: 9 (-255..255) or 8 (-127..127).
    input_bits:
        Bits of an input code; the arithmetic fixes 8.
    weight_depth:
        Words of each lane's weight memory; a layer takes K * ceil(M / lanes).
    max_inputs:
        Longest input or activation vector.
    max_outputs:
        Longest result vector.
    columns:
        Entries of the column parameter memories, over all layers.
    layers:
        Layer descriptors.
    curves, segments:
        Curves in the table of a neuron pipe and PWL segments of each. There are
        ``neurons`` pipes; each holds the curves of its own columns only.
    noise:
        Whether the read-noise generator is built.
    analog:
        Whether layers with ``analog`` readout are supported (wider accumulators).
    skip:
        Whether rows whose input slice is 0 are passed over; results are the same.
    lane_groups:
        Most groups that the lanes divide into (1, 2, 4 or 8): each takes other rows of
        the same tile, and their sums are added before noise and readout. How many, is a
        layer's (``ndrite.emulator.spec.geometry``); results are the same. More than one
        needs ``skip`` and ``overlap``.
    lane_rows:
        Rows that a lane multiplies in a cycle, 1 or 2: any two of a word, read
        through both ports of its memory; results are the same. Two need ``skip``,
        and no ``redraw``.
    redraw:
        Weights of a virtual chip drawn per cycle; 0: neither virtual chips nor
        campaigns are built.
    campaign_words:
        32-bit words of the buffer a campaign reads its samples from.
    campaign_samples, campaign_votes:
        Labels, and vote counters (samples * outputs), that a campaign can hold.
    map_codes:
        Codes of feature maps that the device holds, for programs that it walks through
        by itself (``ndrite.emulator.backend.walk``); 0: it runs chains of full layers
        only. Needs ``overlap``.
    step_tables:
        Whether a device that learns takes laws with a step table
        (``ndrite.emulator.spec.learning.Steps``). Inference does not use it.
    overlap:
        Whether the next inference's first layer runs before the rest of this one's;
        then the core has four banks for inputs, activations and results each, and takes
        eight input codes a cycle. Results are the same and a host sees no difference.
    packet_bytes:
        Longest payload of one packet.
    window:
        Requests the device buffers, so the host may have this many unanswered.
    """

    name: str = "custom"
    rows: int = 128
    lanes: int = 64
    readouts: int = 4
    weight_bits: int = 9
    input_bits: int = 8
    weight_depth: int = 2048
    max_inputs: int = 1024
    max_outputs: int = 256
    columns: int = 512
    layers: int = 8
    curves: int = 256
    segments: int = 32
    noise: bool = True
    analog: bool = True
    skip: bool = False
    lane_groups: int = 1
    lane_rows: int = 1
    redraw: int = 0
    campaign_words: int = 65536
    campaign_samples: int = 1024
    campaign_votes: int = 16384
    map_codes: int = 0
    step_tables: bool = False
    overlap: bool = False
    packet_bytes: int = 1024
    window: int = 4

    def __post_init__(self) -> None:
        def require(ok: bool, field: str, accepted: str, when: str = "") -> None:
            if not ok:
                value = getattr(self, field)
                raise GeometryError(f"geometry {self.name!r}: {field} is {value}; accepted{when}: {accepted}")

        require(8 <= self.rows <= 1024 and self.rows % WORD_ROWS == 0, "rows", "8..1024, multiple of 8")
        require(1 <= self.lanes <= 1024, "lanes", "1..1024")
        divides = 1 <= self.readouts <= self.lanes and self.lanes % self.readouts == 0
        divisor = f"a power of two that divides lanes ({self.lanes})"
        require(divides and _power_of_two(self.readouts), "readouts", divisor)
        require(self.weight_bits in (8, 9), "weight_bits", "8 or 9")
        require(self.input_bits == 8, "input_bits", "8")
        for field, value, low, high in (
            ("weight_depth", self.weight_depth, 16, DEPTH_MAX),
            ("max_inputs", self.max_inputs, 2 * WORD_ROWS, 4096),
            ("max_outputs", self.max_outputs, 1, 4096),
            ("columns", self.columns, 4, 65536),
            ("layers", self.layers, 1, 64),
            ("curves", self.curves, 1, 4096),
            ("segments", self.segments, 2, 256),
            ("campaign_samples", self.campaign_samples, 16, 65536),
            ("campaign_votes", self.campaign_votes, 16, 1 << 20),
            ("packet_bytes", self.packet_bytes, 64, 4096),
        ):
            require(low <= value <= high and _power_of_two(value), field, f"a power of two, {low}..{high}")
        divides = self.redraw in (0, 1, 2, 4, 8) and (not self.redraw or self.lanes % self.redraw == 0)
        require(divides, "redraw", f"0, or 1, 2, 4 or 8 and a divisor of lanes ({self.lanes})")
        fits = 512 <= self.campaign_words <= 1 << 20 and self.campaign_words % 512 == 0
        require(fits, "campaign_words", "512..1048576, a multiple of 512")
        power = 1024 <= self.map_codes <= 1 << 20 and _power_of_two(self.map_codes)
        require(self.map_codes == 0 or power, "map_codes", "0, or a power of two, 1024..1048576")
        groups, into = self.lane_groups, f"into groups of a multiple of 8 and of readouts ({self.readouts})"
        fits = groups in (2, 4, 8) and self.lanes % (WORD_ROWS * groups) == 0
        divides = groups == 1 or (fits and self.lanes // groups % self.readouts == 0)
        require(divides, "lane_groups", f"1, or 2, 4 or 8 that divide lanes ({self.lanes}) {into}")
        alone = self.lane_groups == 1 or (self.skip and self.overlap)
        require(alone, "lane_groups", "1", " without skip and overlap")
        alone = self.lane_rows == 1 or (self.lane_rows == 2 and self.skip and not self.redraw)
        require(alone, "lane_rows", "1, or 2 with skip and without redraw")
        require(not self.map_codes or self.overlap, "map_codes", "0", " without overlap")
        require(self.columns % self.readouts == 0, "columns", f"a multiple of readouts ({self.readouts})")
        words_min = max(self.max_inputs, 4 * self.max_outputs)
        vector = f"at least one input or result vector ({words_min} bytes)"
        require(self.packet_bytes >= words_min, "packet_bytes", vector)
        require(1 <= self.window <= 16 and _power_of_two(self.window), "window", "1, 2, 4, 8 or 16")
        if self.partial_bits > 32:
            raise GeometryError(
                f"geometry {self.name!r}: {self.most_rows} rows on one column line need a "
                f"{self.partial_bits}-bit partial sum; accepted: at most 32 bits"
            )

    @property
    def weight_max(self) -> int:
        """Largest magnitude of a weight code, the code of the positive cell minus that
        of the negative cell."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def most_rows(self) -> int:
        """Largest number of rows that can add on one column line before readout."""
        return max(self.rows, self.max_inputs) if self.analog else self.rows

    @property
    def products(self) -> int:
        """Number of multiplications of an input by a weight that all lanes together do
        in a clock cycle."""
        return self.lanes * self.lane_rows

    @property
    def accumulator_max(self) -> int:
        """Largest magnitude that a lane's accumulator can reach."""
        return self.most_rows * INPUT_MAX * self.weight_max

    @property
    def accumulator_bits(self) -> int:
        """Bits of a lane's signed accumulator, enough for every possible input."""
        return self.accumulator_max.bit_length() + 1

    @property
    def noisy_bits(self) -> int:
        """Bits of a noisy column sum: the accumulator plus the largest noise term."""
        noise = (SIGMA_MAX << (11 - GAUSS_FRACTION)) + 1 if self.noise else 0
        return (self.accumulator_max + noise).bit_length() + 1

    @property
    def partial_bits(self) -> int:
        """Bits that a partial sum with ``analog`` readout needs after all input bit
        slices, with noise added in every slice."""
        noise = (SIGMA_MAX << (11 - GAUSS_FRACTION)) * INPUT_MAX if self.noise else 0
        return (self.most_rows * INPUT_MAX * self.weight_max + noise).bit_length() + 1

    @property
    def energy_max(self) -> int:
        """Largest value of the sum S of squared input slices over the rows
        of one column line."""
        return self.most_rows * INPUT_MAX**2

    @property
    def neurons(self) -> int:
        """Number of columns whose neurons are computed in a clock cycle: all columns of
        a readout if lanes can divide into groups, else 1."""
        return self.readouts if self.lane_groups > 1 else 1

    @property
    def noise_units(self) -> int:
        """Number of passes whose noise is computed at the same time. A core that starts
        passes at shorter intervals needs more of them."""
        return 4 if self.lane_groups > 1 else 2 if self.overlap else 1

    @property
    def second_operands(self) -> int:
        """Number of columns whose second operands, the maps added to a matrix product,
        are scaled in a clock cycle."""
        return min(2, self.neurons)

    @property
    def banks(self) -> int:
        """Number of banks in each of the core's input, activation and result memories:
        the number of inferences that may be in progress at once."""
        return 4 if self.overlap else 2

    @property
    def load_codes(self) -> int:
        """Number of input codes that can be loaded in a clock cycle."""
        return WORD_ROWS if self.overlap else 1

    @property
    def unpacks_words(self) -> bool:
        """Whether the codes of a packet, sparse or not, are loaded one byte per clock
        cycle. This is so with a map memory, which stores whole words."""
        return self.map_codes > 0

    def hardware_fields(self) -> dict[str, int]:
        """Return the fields that a host can read from a device, in the order of the
        identity block, with booleans as 0/1."""
        fields = dataclasses.asdict(self).items()
        return {name: int(value) for name, value in fields if name not in ("name", "overlap")}

    def groups(self, outputs: int) -> int:
        """Return how many column groups, of one column per lane, ``outputs`` columns
        need: ceil(outputs / lanes)."""
        return -(-outputs // self.lanes)


_USUAL = Geometry(name="64-lane", redraw=2)
PRESETS: dict[str, Geometry] = {
    g.name: g
    for g in (
        _USUAL,
        dataclasses.replace(_USUAL, name="8-lane", lanes=8, readouts=2, weight_depth=16384),
        Geometry(
            name="tiny",
            rows=16,
            lanes=4,
            readouts=2,
            weight_depth=512,
            max_inputs=64,
            max_outputs=16,
            columns=64,
            layers=4,
            curves=16,
            redraw=2,
            campaign_words=512,
            campaign_samples=32,
            campaign_votes=256,
            packet_bytes=64,
        ),
    )
}
"""Geometries by name. A board adds its own geometry in the file with its pins."""


def lane_groups(columns: int, geometry: Geometry) -> int:
    """Return into how many groups the lanes divide for a matrix product of ``columns``
    columns. The groups share the rows of a tile among them."""
    groups = geometry.lane_groups
    while groups > 1 and columns > geometry.lanes // groups:
        groups //= 2
    return groups


def words_of(rows: int, groups: int) -> int:
    """Return the weight words per lane for ``rows`` rows when the lanes divide into
    ``groups`` lane groups. With a single lane group the number is not rounded up to a
    multiple of WORD_ROWS."""
    return rows if groups == 1 else -(-rows // WORD_ROWS) * (WORD_ROWS // groups)


def words_a_lane(inputs: int, share: int, groups: int, geometry: Geometry) -> int:
    """Return the weight words per lane of a grouped matrix product with ``groups``
    groups, each of ``inputs`` rows and ``share`` columns."""
    runs = geometry.groups(share) if groups == 1 else -(-groups // beside(share, geometry))
    return runs * words_of(inputs, lane_groups(share, geometry))


def beside(share: int, geometry: Geometry) -> int:
    """Return how many groups of a grouped matrix product fit side by side in the lanes,
    each with ``share`` columns padded to whole readouts."""
    return max(1, geometry.lanes // lane_groups(share, geometry) // whole_readouts(share, geometry))


def bank_rows(inputs: int, groups: int) -> int:
    """Return how many codes of an input bank a grouped matrix product occupies, with
    ``groups`` groups of ``inputs`` codes. Each of several groups begins a new word."""
    return inputs if groups == 1 else groups * whole_words(inputs)


def whole_readouts(columns: int, geometry: Geometry) -> int:
    """Return ``columns`` rounded up to a multiple of the number of columns that the
    geometry reads out at once."""
    return -(-columns // geometry.readouts) * geometry.readouts


def places_of_rows(rows: int, groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return two arrays int64 (rows,): for each row the number of the lane group, and
    of the weight word in it, that hold the row."""
    k, group_rows = np.arange(rows), WORD_ROWS // groups
    return k % WORD_ROWS // group_rows, k // WORD_ROWS * group_rows + k % group_rows
