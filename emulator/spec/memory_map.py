"""The device's memory map: regions of 32-bit words, and where a program's arrays lie in them.

An address is a 32-bit word address: region number << 24 | offset. Every memory word holds one element,
sign or zero extended to 32 bits:

==================  ===  =======================================================================
region              no.  offset -> element
==================  ===  =======================================================================
``registers``        0   register address
``weights``          1   lane * weight_depth + row address -> signed conductance code
``readout``          2   column -> gain (bits 15..0) | offset (bits 27..16, signed)
``bias``             3   column -> bias (signed 32 bit)
``neuron``           4   column -> scale (bits 15..0) | curve (bits 31..16)
``curve_base``       5   curve * geometry.segments + segment -> base (signed 18 bit)
``curve_slope``      6   curve * geometry.segments + segment -> slope (signed 18 bit)
``layers``           7   layer * 8 + field word -> descriptor (``DESCRIPTOR``)
``variation``        8   target code -> mean (bits 15..0) | sigma (bits 31..16), Q8.8 code units
``campaign_inputs``  9   image * ceil(K / 4) + word -> four input codes, the first in bits 7..0
``labels``           10  image -> class
``votes``            11  image * outputs + class -> votes; read only
``correct``          12  chip of the campaign -> votes for the label; read only
``steps``            13  step * 32 + field word -> record (``emulator.spec.walk.STEP``); 0 is the walk's own
``operand``          14  column or position -> gain of a second operand, or divisor of an average (16 bits)
==================  ===  =======================================================================

Regions ``variation`` to ``correct`` exist where ``geometry.redraw`` is not 0. There a write to ``weights`` sets
the target of the cell pair too, from which virtual chips are drawn (``emulator.spec.variation``); a read gives
what the array multiplies with. ``steps`` and ``operand`` exist where ``geometry.map_codes`` is not 0.

A layer with weight base W, column base C, K inputs: weight (k, m) lies in lane m mod N at row address
W + (m div N) * K + k; column m's parameters at C + m. C is a multiple of the geometry's readouts. A grouped
product's groups follow each other so, each as a layer of its own share of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.spec.errors import GeometryError
from emulator.spec.geometry import Geometry
from emulator.spec.program import Program
from emulator.spec.steps import Product, Step
from emulator.spec.variation import TABLE_WORDS
from emulator.spec.walk import RECORD_WORDS, STEPS_A_LAYER, bank_inputs, no_walk, operands, walk

REGION_SHIFT = 24
REGIONS: dict[str, int] = {
    "registers": 0,
    "weights": 1,
    "readout": 2,
    "bias": 3,
    "neuron": 4,
    "curve_base": 5,
    "curve_slope": 6,
    "layers": 7,
    "variation": 8,
    "campaign_inputs": 9,
    "labels": 10,
    "votes": 11,
    "correct": 12,
    "steps": 13,
    "operand": 14,
}
CAMPAIGN_CHIPS = 256
"""Most virtual chips in one campaign command; words of region ``correct``."""

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
    "share": (7, 0, 16),
    "group_rows": (7, 16, 16),
}
"""Field -> (word, least significant bit, width) of a layer descriptor; variance_out = sigma_out^2, and
``number`` is the product's in the key of the read noise. ``last`` ends an inference: a chain's last layer, every
layer that is ``walked``, which ``fires`` unless it is the one that gives sums, and may add ``second`` operands. ``share``: columns that follow each other
through the array, a group's or as many as there are lanes; ``group_rows``: inputs from a group's first row to the
next one's."""


@dataclass(frozen=True)
class Section:
    """A run of memory words to write: start address and int32 words; ``short`` when all fit int16."""

    name: str
    address: int
    words: npt.NDArray[np.int32]

    @property
    def short(self) -> bool:
        """Whether every word is a sign-extended 16-bit value, so it travels in two bytes."""
        return bool(self.words.size) and self.words.min() >= -32768 and self.words.max() <= 32767


def address(region: str, offset: int = 0) -> int:
    """Word address of an offset in a region."""
    return REGIONS[region] << REGION_SHIFT | offset


def region_words(geometry: Geometry) -> dict[str, int]:
    """Words in each memory region of a geometry (registers not included)."""
    table = geometry.curves * geometry.segments
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
    """Words in the regions that virtual chips and campaigns need; none without ``geometry.redraw``."""
    if not geometry.redraw:
        return {}
    return {
        "variation": TABLE_WORDS,
        "campaign_inputs": geometry.campaign_words,
        "labels": geometry.campaign_images,
        "votes": geometry.campaign_votes,
        "correct": CAMPAIGN_CHIPS,
    }


def map_words(geometry: Geometry) -> dict[str, int]:
    """Words in the regions that walks need; none without ``geometry.map_codes``."""
    if not geometry.map_codes:
        return {}
    return {"steps": STEPS_A_LAYER * geometry.layers * RECORD_WORDS, "operand": geometry.columns}


def check_fits(program: Program, geometry: Geometry) -> None:
    """Raise ``GeometryError`` naming the first thing of ``program`` that ``geometry`` cannot hold."""

    def require(value: int, most: int, what: str) -> None:
        if value > most:
            raise GeometryError(
                f"program {program.name!r} does not fit geometry {geometry.name!r}: "
                f"{what} is {value}; at most {most}"
            )

    if program.rows != geometry.rows:
        raise GeometryError(
            f"program {program.name!r} was compiled for arrays of {program.rows} rows; geometry "
            f"{geometry.name!r} has {geometry.rows}"
        )
    require(len(program.layers), geometry.layers, "number of layers")
    require(program.outputs, geometry.max_outputs, "outputs")
    for i, product in enumerate(program.products):
        layer = product.layer
        require(bank_inputs(product), geometry.max_inputs, f"layer{i}.inputs")
        require(
            int(np.abs(layer.weights.astype(np.int64)).max()),
            geometry.weight_max,
            f"layer{i}.weights magnitude",
        )
        if geometry.slices > 1 and layer.dac_bits != 1:
            raise GeometryError(
                f"program {program.name!r}: layer{i}.dac_bits is {layer.dac_bits}; accepted by geometry "
                f"{geometry.name!r}, which adds {geometry.slices} slices at once: 1"
            )
        if layer.readout == "analog" and not geometry.analog:
            raise GeometryError(
                f"program {program.name!r}: layer{i} has analog readout; "
                f"geometry {geometry.name!r} was built without it"
            )
        if (layer.sigma_out or layer.var_cell) and not geometry.noise:
            raise GeometryError(
                f"program {program.name!r}: layer{i} has read noise; geometry {geometry.name!r} was built "
                "without a noise generator (infer without noise, or use another geometry)"
            )
    if program.variation is not None and geometry.redraw:
        require(program.variation.code_max, geometry.weight_max, "variation.code_max")
    if _fires(program):
        require(program.curve_base.shape[0], geometry.curves, "number of curves")
        require(program.curve_base.shape[1], geometry.segments, "segments")
    require(weight_words(program, geometry), geometry.weight_depth, "weight words a lane")
    require(column_words(program, geometry), geometry.columns, "column parameters")
    if not program.is_chain:
        walk(program, geometry, _step_bases(program, geometry))


def weight_words(program: Program, geometry: Geometry) -> int:
    """Words of each lane's weight memory that the program takes."""
    return sum(
        p.layer.inputs * p.patches.groups * geometry.groups(p.layer.outputs // p.patches.groups)
        for p in program.products
    )


def column_words(program: Program, geometry: Geometry) -> int:
    """Words of each column parameter memory that the program takes."""
    return sum(_column_span(step, geometry) for step in program.steps)


def _fires(program: Program) -> bool:
    return any(product.fires for product in program.products)


def _column_span(step: Step, geometry: Geometry) -> int:
    """Words of the column memories that a step takes, its groups at whole readouts each."""
    if isinstance(step, Product):
        groups = step.patches.groups
        return groups * _whole_readouts(step.layer.outputs // groups, geometry)
    divisors = operands(step)
    return 0 if divisors is None else _whole_readouts(divisors.size, geometry)


def _whole_readouts(columns: int, geometry: Geometry) -> int:
    return -(-columns // geometry.readouts) * geometry.readouts


def _step_bases(program: Program, geometry: Geometry) -> list[int]:
    """Where each step's values begin in the column memories."""
    spans = [_column_span(step, geometry) for step in program.steps]
    return [sum(spans[:i]) for i in range(len(spans))]


def descriptor(
    product: Product,
    geometry: Geometry,
    *,
    rows: int,
    last: bool,
    walked: bool,
    weight_base: int,
    column_base: int,
    number: int,
) -> npt.NDArray[np.int32]:
    """A layer's descriptor words, int32 (8,)."""
    layer, groups = product.layer, product.patches.groups
    values = {
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "tile_rows": layer.tile_rows(rows),
        "dac_log2": layer.dac_bits.bit_length() - 1,
        "analog": int(layer.readout == "analog"),
        "last": int(last),
        "variance_out": layer.sigma_out**2,
        "weight_base": weight_base,
        "column_base": column_base,
        "number": number,
        "walked": int(walked),
        "fires": int(walked and product.fires),
        "second": int(product.skip is not None),
        "share": layer.outputs // groups if groups > 1 else geometry.lanes,
        "group_rows": bank_inputs(product) // groups if groups > 1 else 0,
    }
    words = np.zeros(DESCRIPTOR_WORDS, np.uint32)
    for field, (word, low, width) in DESCRIPTOR.items():
        value = values.get(field, getattr(layer, field, 0))
        assert 0 <= value < 1 << width, f"descriptor field {field} = {value} exceeds {width} bits"
        words[word] |= np.uint32(value) << np.uint32(low)
    return words.view(np.int32)


def lay_out(program: Program, geometry: Geometry) -> list[Section]:
    """Every memory word that ``program`` needs on ``geometry``, as contiguous sections.

    Raises
    ------
    GeometryError
        When the program does not fit.
    """
    check_fits(program, geometry)
    n, depth = geometry.lanes, geometry.weight_depth
    used = weight_words(program, geometry)
    columns = column_words(program, geometry)
    weights = np.zeros((n, used), np.int32)
    readout = np.zeros(columns, np.uint32)
    bias = np.zeros(columns, np.int32)
    neuron = np.zeros(columns, np.uint32)
    operand = np.zeros(columns, np.int32)
    descriptors = []
    row, bases, walked = 0, _step_bases(program, geometry), not program.is_chain
    for step, base in zip(program.steps, bases, strict=True):
        values = operands(step)
        if values is not None:
            operand[base : base + values.size] = values
        if not isinstance(step, Product):
            continue
        layer, groups = step.layer, step.patches.groups
        descriptors.append(
            descriptor(
                step,
                geometry,
                rows=program.rows,
                last=walked or len(descriptors) == len(program.layers) - 1,
                walked=walked,
                weight_base=row,
                column_base=base,
                number=program.first_product + len(descriptors),
            )
        )
        k, share = layer.inputs, layer.outputs // groups
        for group in range(groups):
            for first in range(group * share, (group + 1) * share, n):
                block = layer.weights[:, first : min(first + n, (group + 1) * share)]
                weights[: block.shape[1], row : row + k] = block.T
                row += k
            here = base + group * _whole_readouts(share, geometry)
            mine, there = slice(group * share, (group + 1) * share), slice(here, here + share)
            readout[there] = (
                layer.gain[mine].astype(np.uint32)
                | (layer.offset[mine].astype(np.int64) & 0xFFF).astype(np.uint32) << 16
            )
            bias[there] = layer.bias[mine]
            neuron[there] = layer.scale[mine].astype(np.uint32) | layer.curve[mine].astype(np.uint32) << 16
    sections = [
        Section(f"weights of lane {lane}", address("weights", lane * depth), weights[lane])
        for lane in range(n)
    ]
    sections += [
        Section("readout", address("readout"), readout.view(np.int32)),
        Section("bias", address("bias"), bias),
        Section("neuron", address("neuron"), neuron.view(np.int32)),
        Section("layers", address("layers"), np.concatenate(descriptors)),
    ]
    if geometry.map_codes:
        records = walk(program, geometry, bases).words() if walked else no_walk()
        sections += [Section("steps", address("steps"), records)]
        if operand.any():
            sections += [Section("operand", address("operand"), operand)]
    if _fires(program):
        sections += [
            Section(name, address(name), _padded(table, geometry.segments))
            for name, table in (("curve_base", program.curve_base), ("curve_slope", program.curve_slope))
        ]
    if program.variation is not None and geometry.redraw:
        sections.append(Section("variation", address("variation"), program.variation.words()))
    return sections


def _padded(table: npt.NDArray[np.int32], segments: int) -> npt.NDArray[np.int32]:
    """Curve rows padded to the geometry's segments, flattened."""
    padded = np.zeros((table.shape[0], segments), np.int32)
    padded[:, : table.shape[1]] = table
    return padded.reshape(-1)
