"""lay_out: where a program's arrays lie in a device's memories, and whether they fit.

A layer with weight base W, column base C, K inputs: weight (k, m) lies in lane m mod N at row address
W + (m div N) * K + k; column m's parameters at C + m. C is a multiple of the geometry's readouts. A grouped
product's groups lie in lanes beside each other, in whole readouts each, and then below.

Where the columns of a walk's product leave lanes idle, the lanes divide into as many groups as the geometry
has and the columns leave room for: N is then the lanes of one group, and where in which of them row k lies
says ``emulator.spec.lane_groups``.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from emulator.backend.lowering import Lowered, Walked, lower
from emulator.backend.walk import bank_inputs, no_walk, operands, row_order, walk
from emulator.spec.errors import GeometryError
from emulator.spec.geometry import Geometry
from emulator.spec.lane_groups import places_of_rows, words_of
from emulator.spec.layer import Layer
from emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS, Section, address
from emulator.spec.program import Program
from emulator.spec.steps import Product
from emulator.spec.walk_record import record


def check_fits(program: Program, geometry: Geometry) -> None:
    """Raise ``GeometryError`` naming the first thing of ``program`` that ``geometry`` cannot hold."""

    def require(value: int, most: int, what: str, how: str = "") -> None:
        if value > most:
            raise GeometryError(
                f"program {program.name!r} does not fit geometry {geometry.name!r}: "
                f"{what} is {value}; at most {most}{how}"
            )

    if program.rows != geometry.rows:
        raise GeometryError(
            f"program {program.name!r} was compiled for arrays of {program.rows} rows; geometry "
            f"{geometry.name!r} has {geometry.rows}"
        )
    # First, as what gives a map of codes as sums has the square of their number of weights.
    require(program.outputs, geometry.max_outputs, "outputs")
    ours = lower(program)
    require(len(ours.products), geometry.layers, "number of layers")
    for i, product in enumerate(ours.products):
        layer = product.layer
        require(bank_inputs(product), geometry.max_inputs, f"layer{i}.inputs")
        require(
            int(np.abs(layer.weights.astype(np.int64)).max()),
            geometry.weight_max,
            f"layer{i}.weights magnitude",
            f" (compile it for a chip whose cell.weight_bits is {geometry.weight_bits})",
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
    if _fires(ours):
        require(program.curve_base.shape[0], geometry.curves, "number of curves")
        require(program.curve_base.shape[1], geometry.segments, "segments")
    require(weight_words(program, geometry), geometry.weight_depth, "weight words a lane")
    require(column_words(program, geometry), geometry.columns, "column parameters")
    if not program.is_chain:
        walk(program, geometry, _step_bases(ours, geometry))


def weight_words(program: Program, geometry: Geometry) -> int:
    """Words of each lane's weight memory that the program takes."""
    geometry = divided(program, geometry)
    return sum(_runs(p, geometry) * _run(p, geometry) for p in lower(program).products)


def divided(program: Program, geometry: Geometry) -> Geometry:
    """``geometry`` as ``program`` uses it: layers of a chain divide no lanes.

    They follow each other at once, and lanes change their groups only when the array has run empty.
    """
    return dataclasses.replace(geometry, lane_groups=1) if program.is_chain else geometry


def lane_groups(product: Product, geometry: Geometry) -> int:
    """Groups of lanes that share the rows of each tile of ``product``."""
    share, groups = product.layer.outputs // product.patches.groups, geometry.lane_groups
    while groups > 1 and share > geometry.lanes // groups:
        groups //= 2
    return groups


def _run(product: Product, geometry: Geometry) -> int:
    """Words of a patch's inputs in a lane."""
    return words_of(product.layer.inputs, lane_groups(product, geometry))


def _beside(product: Product, geometry: Geometry) -> int:
    """Groups that lie in lanes beside each other, each at whole readouts."""
    share = product.layer.outputs // product.patches.groups
    return max(1, geometry.lanes // lane_groups(product, geometry) // _whole_readouts(share, geometry))


def _runs(product: Product, geometry: Geometry) -> int:
    """Runs of words that a product takes in every lane."""
    if product.patches.groups == 1:
        return geometry.groups(product.layer.outputs)
    return -(-product.patches.groups // _beside(product, geometry))


def column_words(program: Program, geometry: Geometry) -> int:
    """Words of each column parameter memory that the program takes."""
    return sum(_column_span(step, geometry) for step in lower(program).steps)


def _fires(ours: Lowered) -> bool:
    return any(product.fires for product in ours.products)


def _column_span(step: Walked, geometry: Geometry) -> int:
    """Words of the column memories that a step takes, its groups at whole readouts each."""
    if isinstance(step, Product):
        groups = step.patches.groups
        return groups * _whole_readouts(step.layer.outputs // groups, geometry)
    divisors = operands(step)
    return 0 if divisors is None else _whole_readouts(divisors.size, geometry)


def _whole_readouts(columns: int, geometry: Geometry) -> int:
    return -(-columns // geometry.readouts) * geometry.readouts


def _step_bases(ours: Lowered, geometry: Geometry) -> list[int]:
    """Where each step's values begin in the column memories."""
    spans = [_column_span(step, geometry) for step in ours.steps]
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
    values = {name: getattr(layer, name) for name in DESCRIPTOR if hasattr(layer, name)} | {
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
        "lane_groups": lane_groups(product, geometry).bit_length() - 1,
    }
    return record(values, DESCRIPTOR, DESCRIPTOR_WORDS).view(np.int32)


def parameters(layer: Layer) -> dict[str, npt.NDArray[np.int32]]:
    """What the column memories hold of a layer, int32 (M,) by region."""
    gain, offset = layer.gain.astype(np.uint32), layer.offset.astype(np.int64) & 0xFFF
    scale, curve = layer.scale.astype(np.uint32), layer.curve.astype(np.uint32)
    return {
        "readout": (gain | offset.astype(np.uint32) << 16).view(np.int32),
        "bias": layer.bias,
        "neuron": (scale | curve << 16).view(np.int32),
    }


def lay_out(program: Program, geometry: Geometry) -> list[Section]:
    """Every memory word that ``program`` needs on ``geometry``, as contiguous sections. Raises GeometryError
    when the program does not fit."""
    check_fits(program, geometry)
    geometry = divided(program, geometry)
    n, depth = geometry.lanes, geometry.weight_depth
    used = weight_words(program, geometry)
    columns = column_words(program, geometry)
    weights = np.zeros((n, used), np.int32)
    held_by = {name: np.zeros(columns, np.int32) for name in ("readout", "bias", "neuron")}
    operand = np.zeros(columns, np.int32)
    descriptors: list[npt.NDArray[np.int32]] = []
    ours, row, walked = lower(program), 0, not program.is_chain
    bases = _step_bases(ours, geometry)
    for step, base in zip(ours.steps, bases, strict=True):
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
                last=walked or len(descriptors) == len(ours.products) - 1,
                walked=walked,
                weight_base=row,
                column_base=base,
                number=ours.numbers[len(descriptors)],
            )
        )
        share, spread, run = layer.outputs // groups, lane_groups(step, geometry), _run(step, geometry)
        of_row, place = places_of_rows(layer.inputs, spread)
        held = layer.weights[row_order(step, program.rows)] if walked else layer.weights
        # Columns that go through the array together: a group's, or as many as there are lanes.
        together, beside = (n, 1) if groups == 1 else (share, _beside(step, geometry))
        for i, first in enumerate(range(0, layer.outputs, together)):
            block = held[:, first : first + together]
            down, lane = row + i // beside * run, i % beside * _whole_readouts(share, geometry)
            for column in range(block.shape[1]):
                weights[lane + column + of_row * (n // spread), down + place] = block[:, column]
        row += _runs(step, geometry) * run
        for group in range(groups):
            here = base + group * _whole_readouts(share, geometry)
            mine, there = slice(group * share, (group + 1) * share), slice(here, here + share)
            for name, words in parameters(layer).items():
                held_by[name][there] = words[mine]
    sections = [
        Section(f"weights of lane {lane}", address("weights", lane * depth), weights[lane])
        for lane in range(n)
    ]
    held_by["layers"] = np.concatenate(descriptors)
    sections += [Section(name, address(name), words) for name, words in held_by.items()]
    if geometry.map_codes:
        records = walk(program, geometry, bases).words() if walked else no_walk()
        sections += [Section("steps", address("steps"), records)]
        if operand.any():
            sections += [Section("operand", address("operand"), operand)]
    if _fires(ours):
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
