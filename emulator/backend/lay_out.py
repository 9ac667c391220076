"""lay_out: checks whether a program fits a device, and computes the contents of the
device's memories.

A layer with weight base W, column base C, K inputs: weight (k, m) lies in lane m mod N
at row address W + (m div N) * K + k; column m's parameters at C + m. C is a multiple of
the geometry's readouts. A grouped product's groups lie in lanes beside each other, in
whole readouts each, and then below.

Where the columns of a walk's product leave lanes idle, the lanes divide into as many
groups as the geometry has and the columns leave room for: N is then the lanes of one
group, and where in which of them row k lies says ``ndrite.emulator.spec.geometry``.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.backend.lowering import Lowered, lower
from ndrite.emulator.backend.walk import walk
from ndrite.emulator.spec.errors import GeometryError
from ndrite.emulator.spec.flow import of_kind
from ndrite.emulator.spec.geometry import (
    Geometry,
    bank_rows,
    beside,
    lane_groups,
    places_of_rows,
    whole_readouts,
    words_a_lane,
    words_of,
)
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS, Section, address
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Product
from ndrite.emulator.spec.walk_record import record


class Fitting(NamedTuple):
    """A program that fits a geometry: ``lowered``, the program as the steps that the
    device executes, and ``walk``, those steps as int32 records."""

    lowered: Lowered
    walk: npt.NDArray[np.int32]


def check_fits(program: Program, geometry: Geometry) -> Fitting:
    """Lower ``program`` for ``geometry`` and return the result. Raises GeometryError,
    naming the first limit of the geometry that the program exceeds."""

    def require(value: int, most: int, what: str, how: str = "") -> None:
        if value > most:
            raise GeometryError(
                f"program {program.name!r} does not fit geometry {geometry.name!r}: "
                f"{what} is {value}; at most {most}{how}"
            )

    if program.rows != geometry.rows:
        raise GeometryError(
            f"program {program.name!r} was compiled for arrays of {program.rows} rows; geometry "
            f"{geometry.name!r} has {geometry.rows}; compile it for a chip with that many rows"
        )
    # The number of outputs is checked before lowering, which builds an n x n identity
    # layer for a map output.
    require(program.outputs, geometry.max_outputs, "outputs")
    lowered = lower(program)
    require(len(lowered.products), geometry.layers, "number of layers")
    for i, product in enumerate(lowered.products):
        layer = product.layer
        bank_words = bank_rows(layer.inputs, product.patches.groups)
        require(bank_words, geometry.max_inputs, f"layer{i}.inputs")
        require(
            int(np.abs(layer.weights.astype(np.int64)).max()),
            geometry.weight_max,
            f"layer{i}.weights magnitude",
            f" (compile it for a chip whose cell.weight_bits is {geometry.weight_bits})",
        )
        if layer.readout == "analog" and not geometry.analog:
            raise GeometryError(
                f"program {program.name!r}: layer{i} has analog readout; "
                f"geometry {geometry.name!r} does not support it; use one with analog=True"
            )
        if (layer.sigma_out or layer.var_cell) and not geometry.noise:
            raise GeometryError(
                f"program {program.name!r}: layer{i} has read noise; geometry {geometry.name!r} was built "
                "without a noise generator (infer without noise, or use another geometry)"
            )
    if program.variation is not None and geometry.redraw:
        require(program.variation.code_max, geometry.weight_max, "variation.code_max")
    if lowered.fires:
        require(curves_a_pipe(lowered, geometry), geometry.curves, "number of curves of a neuron pipe")
        require(program.curve_base.shape[1], geometry.segments, "segments")
    require(weight_words(lowered, geometry), geometry.weight_depth, "weight words a lane")
    require(column_words(lowered, geometry), geometry.columns, "column parameters")
    return Fitting(lowered, walk(lowered, geometry, _step_bases(lowered, geometry)))


def weight_words(lowered: Lowered, geometry: Geometry) -> int:
    """Return how many words of each lane's weight memory the lowered program needs."""
    geometry = divided(lowered.program, geometry)
    return sum(_words(p, geometry) for p in lowered.products)


def _words(p: Product, geometry: Geometry) -> int:
    return words_a_lane(p.layer.inputs, p.share, p.patches.groups, geometry)


def divided(program: Program, geometry: Geometry) -> Geometry:
    """Return ``geometry``, with a single lane group if ``program`` is a chain of fully
    connected layers: for these the device never divides its lanes into groups.

    The layers of a chain follow each other without a pause, and lanes change their
    groups only when the array has run empty.
    """
    return dataclasses.replace(geometry, lane_groups=1) if program.is_chain else geometry


def column_words(lowered: Lowered, geometry: Geometry) -> int:
    """Return how many words of each column parameter memory the lowered program needs."""
    return _step_bases(lowered, geometry)[-1]


def curves_a_pipe(lowered: Lowered, geometry: Geometry) -> int:
    """Return the largest number of curves that a neuron pipe's table holds."""
    return max(curves.size for curves in _pipe_curves(lowered, geometry))


def _pipe_curves(lowered: Lowered, geometry: Geometry) -> list[npt.NDArray[np.uint16]]:
    """Return the curves that each neuron pipe's table holds, as sorted indices of the
    program's curve table.

    The program's curves are all in every pipe if they then fill at most as many words
    as one pipe has, so that segments of a program, which take turns, leave each other's
    curves in place. Of more curves each pipe holds those of its own columns.
    """
    curve_count = len(lowered.program.curve_base)
    if lowered.fires and curve_count * geometry.neurons <= geometry.curves:
        return [np.arange(curve_count, dtype=np.uint16)] * geometry.neurons
    needs: list[list[npt.NDArray[np.uint16]]] = [[np.zeros(0, np.uint16)] for _ in range(geometry.neurons)]
    for product in lowered.products:
        pipe_of = _pipes_of_columns(product, geometry)
        for pipe, curves in enumerate(needs if product.fires else []):
            curves.append(product.layer.curve[pipe_of == pipe])
    return [np.unique(np.concatenate(curves)) for curves in needs]


def _pipes_of_columns(product: Product, geometry: Geometry) -> npt.NDArray[np.int64]:
    """Return the number of the neuron pipe that computes each column, int64 (M,). The
    columns of every group begin at a multiple of ``readouts`` (``_step_bases``)."""
    return np.arange(product.layer.outputs) % product.share % geometry.neurons


def _with_curves_of_pipes(
    lowered: Lowered, geometry: Geometry
) -> tuple[list[Layer], list[npt.NDArray[np.uint16]]]:
    """Return the layers of all matrix products with each column's curve as its index in
    the table of the column's neuron pipe, and the curves of each pipe's table."""
    held, layers = _pipe_curves(lowered, geometry), []
    for product in lowered.products:
        curve, pipe_of = np.zeros_like(product.layer.curve), _pipes_of_columns(product, geometry)
        for pipe, curves in enumerate(held if product.fires else []):
            curve[pipe_of == pipe] = np.searchsorted(curves, product.layer.curve[pipe_of == pipe])
        layers.append(dataclasses.replace(product.layer, curve=curve))
    return layers, held


def _step_bases(lowered: Lowered, geometry: Geometry) -> list[int]:
    """Return the word address at which each step begins in the column parameter
    memories; one more entry is the end of the last step. The columns of every group of
    a grouped product are padded to a multiple of ``readouts``."""
    bases = [0]
    for step in lowered.steps:
        spans = [p.patches.groups * whole_readouts(p.share, geometry) for p in of_kind(Product, [step])]
        spans += [0 if step.operands is None else whole_readouts(step.operands.size, geometry)]
        bases.append(bases[-1] + max(spans))
    return bases


def descriptor(
    lowered: Lowered, i: int, geometry: Geometry, *, weight_base: int, column_base: int
) -> npt.NDArray[np.int32]:
    """Return the descriptor words of the layer of matrix product ``i``, int32 (8,): its
    constants, and where its weights and column parameters begin."""
    product, walked = lowered.products[i], not lowered.program.is_chain
    layer, groups = product.layer, product.patches.groups
    values = {name: getattr(layer, name) for name in DESCRIPTOR if hasattr(layer, name)} | {
        "tile_rows": layer.tile_rows(lowered.program.rows),
        "dac_log2": layer.dac_bits.bit_length() - 1,
        "analog": int(layer.readout == "analog"),
        "last": int(walked or i == len(lowered.products) - 1),
        "variance_out": layer.sigma_out**2,
        "weight_base": weight_base,
        "column_base": column_base,
        "number": lowered.numbers[i],
        "walked": int(walked),
        "fires": int(walked and product.fires),
        "second": int(product.skip is not None),
        "share": product.share if groups > 1 else geometry.lanes,
        "group_rows": bank_rows(layer.inputs, groups) // groups if groups > 1 else 0,
        "lane_groups": lane_groups(product.share, geometry).bit_length() - 1,
    }
    return record(values, DESCRIPTOR, DESCRIPTOR_WORDS).view(np.int32)


def parameters(layer: Layer) -> dict[str, npt.NDArray[np.int32]]:
    """Return a layer's column parameters as memory words: an int32 (M,) array for
    each memory region."""
    gain, offset = layer.gain.astype(np.uint32), layer.offset.astype(np.int64) & 0xFFF
    scale, curve = layer.scale.astype(np.uint32), layer.curve.astype(np.uint32)
    return {
        "readout": (gain | offset.astype(np.uint32) << 16).view(np.int32),
        "bias": layer.bias,
        "neuron": (scale | curve << 16).view(np.int32),
    }


def lay_out(program: Program, geometry: Geometry) -> list[Section]:
    """Return every memory word that ``program`` needs on ``geometry``, as contiguous
    sections. Raises GeometryError when the program does not fit."""
    lowered, steps = check_fits(program, geometry)
    layers, pipe_curves = _with_curves_of_pipes(lowered, geometry)
    geometry = divided(program, geometry)
    n, depth = geometry.lanes, geometry.weight_depth
    bases = _step_bases(lowered, geometry)
    weights = np.zeros((n, weight_words(lowered, geometry)), np.int32)
    held_by = {name: np.zeros(bases[-1], np.int32) for name in ("readout", "bias", "neuron", "operand")}
    for step, base in zip(lowered.steps, bases[:-1], strict=True):
        if step.operands is not None:
            held_by["operand"][base : base + step.operands.size] = step.operands
    row, descriptors = 0, []
    starts = [base for step, base in zip(lowered.steps, bases[:-1], strict=True) if step.layers]
    for i, (product, base) in enumerate(zip(lowered.products, starts, strict=True)):
        layer, groups, share = product.layer, product.patches.groups, product.share
        descriptors.append(descriptor(lowered, i, geometry, weight_base=row, column_base=base))
        spread = lane_groups(share, geometry)
        run = words_of(layer.inputs, spread)
        of_row, place = places_of_rows(layer.inputs, spread)
        # ``together`` is the number of columns that are computed at the same time (the
        # columns of a group or, without groups, one column per lane); ``at_once`` is
        # the number of such sets of columns that fit side by side in the lanes.
        together, at_once = (n, 1) if groups == 1 else (share, beside(share, geometry))
        apart = whole_readouts(share, geometry)
        for k, first in enumerate(range(0, layer.outputs, together)):
            block = layer.weights[:, first : first + together]
            down, lane = row + k // at_once * run, k % at_once * apart
            for column in range(block.shape[1]):
                weights[lane + column + of_row * (n // spread), down + place] = block[:, column]
        row += _words(product, geometry)
        for name, words in parameters(layers[i]).items():
            for group, values in enumerate(np.split(words, groups)):
                group_base = base + group * apart
                held_by[name][group_base : group_base + share] = values
    sections = [
        Section(f"weights of lane {lane}", address("weights", lane * depth), weights[lane])
        for lane in range(n)
    ]
    operand = held_by.pop("operand")
    held_by["layers"] = np.concatenate(descriptors)
    sections += [Section(name, address(name), words) for name, words in held_by.items()]
    if geometry.map_codes:
        sections += [Section("steps", address("steps"), steps)]
        if operand.any():
            sections += [Section("operand", address("operand"), operand)]
    for name, table in (("curve_base", program.curve_base), ("curve_slope", program.curve_slope)):
        padded = np.pad(table, ((0, 0), (0, geometry.segments - table.shape[1]))) if lowered.fires else table
        for pipe, curves in enumerate(pipe_curves):
            start = address(name, pipe * geometry.curves * geometry.segments)
            sections += [Section(f"{name} of pipe {pipe}", start, padded[curves].reshape(-1))] * (
                curves.size > 0
            )
    if program.variation is not None and geometry.redraw:
        sections.append(Section("variation", address("variation"), program.variation.words()))
    return sections
