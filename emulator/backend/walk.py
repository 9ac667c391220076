"""walk: how a device goes through the steps of a program that is no chain, its maps in a memory of its own.

A product's codes may go through a max pool whose windows lie side by side on their way into the map memory;
then the pool is no step of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.backend.lowering import SAMPLE, Fill, Lowered, Walked, lower
from emulator.backend.map_places import Place, places_of, size
from emulator.backend.schedule import products_cycles
from emulator.spec.errors import GeometryError
from emulator.spec.geometry import WORD_ROWS, Geometry
from emulator.spec.patches import Pair
from emulator.spec.program import Program
from emulator.spec.steps import Gate, Pool, Product, joined, of_kind
from emulator.spec.walk_record import GATE, HEADER, KINDS, STEP, STEPS_A_LAYER, record

WINDOW_MAX = 512
"""Codes of an averaged window: their sum then fits the multiplier."""
FLAT_MAX = 1 << 15
"""Codes of a row that is read as one run: its coordinates are of 16 bits."""
POOLED_TURNS_MIN = 2
"""Turns of a pixel from which on a product's codes may be pooled as they come: a place of the map memory may
be read again no sooner."""


@dataclass(frozen=True)
class Walk:
    """Record 0 and the steps' records, by field."""

    header: dict[str, int]
    steps: tuple[dict[str, int], ...]

    def words(self) -> npt.NDArray[np.int32]:
        """Records int32 ((1 + steps) * RECORD_WORDS,)."""
        records = [record(self.header, HEADER)]
        records += [record(step, GATE | STEP) for step in self.steps]
        return np.concatenate(records).view(np.int32)


def no_walk() -> npt.NDArray[np.int32]:
    """Record 0 of a chain."""
    return record({}, HEADER).view(np.int32)


def walked_cycles(program: Program, geometry: Geometry) -> int:
    """The fewest cycles in which the array of ``geometry`` walks through ``program``.

    As ``bound_cycles``, with tables, copies and joins, which are products there; pools and gates take none.
    """
    ours = lower(program)
    first = ours.begins + ours.body
    parts = (
        (1, ours.steps[: ours.begins]),
        (ours.calls, ours.steps[ours.begins : first]),
        (ours.calls - 1, ours.steps[first:-1]),
        (1, ours.steps[-1:]),
    )
    return sum(times * products_cycles(of_kind(Product, some), geometry.lanes) for times, some in parts)


def bank_inputs(product: Product) -> int:
    """Codes that a patch takes in an input bank: every group begins a word."""
    groups, each = product.patches.groups, product.layer.inputs
    return each if groups == 1 else groups * (-(-each // WORD_ROWS) * WORD_ROWS)


def operands(step: Walked) -> npt.NDArray[np.int32] | None:
    """What of a step lies in region ``operand``: gains of second operands, or an average's divisors."""
    values = step.skip_gain if isinstance(step, Product) else step.mul if isinstance(step, Pool) else None
    return None if values is None else values.astype(np.int32)


def codes_of_maps(program: Program) -> int:
    """Codes of map memory that a walk through ``program`` takes."""
    steps = lower(program)
    return _codes(places_of(steps, _pooled(steps), program.inputs))


def _codes(places: dict[int, Place]) -> int:
    """Codes from the lowest place to the highest one's end."""
    lowest = min(place.base for place in places.values())
    return max(place.base + size(place.shape) for place in places.values()) - lowest


def walk(program: Program, geometry: Geometry, bases: list[int]) -> Walk:
    """The walk through ``program`` on ``geometry``.

    ``bases``: for each lowered step, where its values begin in region ``operand``. Raises GeometryError when
    the device cannot walk it; the message names what is in the way.
    """
    ours = lower(program)
    _check(program, ours, geometry)
    pooled = _pooled(ours)
    places = places_of(ours, pooled, program.inputs)
    if _codes(places) > geometry.map_codes:
        places = places_of(ours, pooled, program.inputs, geometry.map_codes)
    codes = _codes(places)
    if codes > geometry.map_codes:
        raise GeometryError(
            f"program {program.name!r} does not fit geometry {geometry.name!r}: codes of its maps are "
            f"{codes}; at most {geometry.map_codes}"
        )
    made: list[dict[str, int]] = []
    ends = {ours.begins: 0, ours.begins + ours.body: 0}
    layer = 0
    for i, (step, target) in enumerate(zip(ours.steps, ours.targets, strict=True)):
        if i in ends:
            ends[i] = len(made)
        if i - 1 in pooled:
            continue
        if isinstance(step, Gate):
            made.append(_gate(step, places, places[target]))
            continue
        if isinstance(step, Fill):
            made.append(_fill(step, places[target]))
            continue
        fields = patch_fields(step, places, program.rows) | {"operand_base": bases[i]}
        if ours.calls > 1 and SAMPLE in step.sources:
            fields["of_sample"] = 1
        if isinstance(step, Pool):
            fields |= {"kind": KINDS[step.of], "pool_shift": step.pool_shift}
            to = places[target]
            if step.block != (1, 1):
                to = to.of_block(step.block, ours.places.get(i, 0))
            fields |= place_fields(_written(to, step))
        else:
            window = (1, 1)
            if i in pooled:
                window, target = pooled[i].patches.kernel, ours.targets[i + 1]
            fields |= {"kind": KINDS["product"], "layer": layer, "last": int(not step.fires)}
            if step.fires:
                place = _written(places[target], pooled[i]) if i in pooled else places[target]
                turn = _turn(step, place, geometry, window)
                groups = 1 if step.block == (1, 1) else step.patches.groups
                fields |= place_fields(place, block=step.block, window=window, turn=turn, groups=groups)
            elif step.skip is not None:  # sums go nowhere; their second operands are read for one pixel
                place = Place.alone(0, ours.shapes[target])
                fields |= place_fields(place, block=step.block)
            fields |= {"group_columns": step.layer.outputs // step.patches.groups}
            if step.skip is not None:
                second = places[step.skip]
                fields |= {"second": 1, "second_shift": step.skip_shift, "second_base": second.base}
                fields |= {"second_pixel": second.pixel, "second_line": second.line}
            layer += 1
        made.append(fields)
    header = {
        "steps": len(made),
        "begins": ends[ours.begins],
        "body": ends[ours.begins + ours.body],
        "inputs": program.inputs,
        "calls": program.calls,
        "call_codes": program.inputs // program.calls,
    }
    return Walk(header, tuple(made))


def check_maps(program: Program, geometry: Geometry) -> None:
    """Raise GeometryError unless ``program`` is a chain of full layers or ``geometry`` has feature maps."""
    if not (program.is_chain or geometry.map_codes):
        raise GeometryError(
            f"program {program.name!r}: it is no chain of full layers; accepted by geometry "
            f"{geometry.name!r}: chains"
        )


def _check(program: Program, ours: Lowered, geometry: Geometry) -> None:
    """Raise GeometryError naming the first thing that a device does not walk."""

    def require(ok: bool, what: str, accepted: str) -> None:
        if not ok:
            raise GeometryError(
                f"program {program.name!r}: {what}; accepted by geometry {geometry.name!r}: {accepted}"
            )

    check_maps(program, geometry)
    most = STEPS_A_LAYER * geometry.layers - 1
    require(len(ours.steps) <= most, f"it takes {len(ours.steps)} steps", f"at most {most}")
    largest = geometry.packet_bytes
    require(program.inputs <= largest, f"a sample has {program.inputs} codes", f"at most {largest}")
    most = (1 << 16) - 1
    for step, target in zip(ours.steps, ours.targets, strict=True):
        if isinstance(step, Gate | Fill):
            codes = size(ours.shapes[target])
            require(codes <= most, f"a gate or a state has {codes} codes", f"at most {most}")
            continue
        patches, kind = step.patches, step.kind
        require(
            max(*patches.stride, *patches.dilation) <= 255, f"a {kind} has {patches}", "strides up to 255"
        )
        require(max(patches.padding) < 1 << 15, f"a {kind} has {patches}", "padding up to 32767")
        numbers = (patches.positions, patches.shape[0], patches.shape[1] * patches.shape[2])
        require(max(numbers) <= most, f"a {kind} has positions, channels, codes {numbers}", f"at most {most}")
        if isinstance(step, Pool):
            area = patches.kernel[0] * patches.kernel[1]
            few = step.of == "max" or area <= WINDOW_MAX
            require(few, f"a pool averages {area} codes", f"at most {WINDOW_MAX}")
            continue
        share = step.layer.outputs // patches.groups
        ungrouped = patches.groups == 1
        require(
            ungrouped or share <= geometry.lanes, f"a group has {share} columns", f"at most {geometry.lanes}"
        )
        require(max(step.block) <= 255, f"a product has block {step.block}", "at most 255 each way")
        few = step.block == (1, 1) or patches.groups <= 255
        require(few, f"a product has a block and {patches.groups} groups", "at most 255 groups")
        one = step.fires or (patches.positions == 1 and step.block == (1, 1) and ungrouped)
        require(one, f"the result is sums at {patches.positions} positions", "sums at one, of no groups")


def _pooled(ours: Lowered) -> dict[int, Pool]:
    """Product step -> the pool, the step after it, that takes its codes as they come.

    Not where a call's end lies between them and the pool is a copy into a state that the answer still reads.
    """
    after, end = enumerate(ours.steps[1:]), ours.begins + ours.body - 1
    found = {i: pool for i, pool in after if isinstance(pool, Pool) and _goes_through(ours, i, pool)}
    if end in found and ours.targets[end + 1] in ours.steps[-1].reads:
        del found[end]
    return found


def _goes_through(ours: Lowered, i: int, pool: Pool) -> bool:
    product, made, patches = ours.steps[i], ours.targets[i], pool.patches
    return (
        isinstance(product, Product)
        and pool.of == "max"
        and product.fires
        and pool.sources == (made,)
        and sum(made in step.reads for step in ours.steps) == 1
        and not any(made in area for area in ours.areas)
        and patches.kernel == patches.stride
        and max(patches.kernel) <= 15
        and patches.dilation == (1, 1)
        and not any(patches.padding)
        and pool.block == (1, 1)
        and ours.shapes[made][0] // product.patches.groups >= POOLED_TURNS_MIN
    )


def row_order(product: Product, rows: int) -> npt.NDArray[np.int64]:
    """The rows of a group of ``product`` in the order in which a walk reads them, int64 (K,).

    Those of each tile of ``rows`` rows by kernel row, kernel column and channel.
    """
    patches = product.patches
    area = patches.kernel[0] * patches.kernel[1]
    k = np.arange(patches.inputs)
    tile = k // product.layer.tile_rows(rows)
    return np.lexsort((k // area, k % area, tile if area > 1 else 0 * k))


def sample_order(program: Program) -> npt.NDArray[np.int64] | None:
    """The codes of a sample in the order in which a walk holds them, int64 (inputs,); None: as they are."""
    channels, height, width = program.shape
    if program.is_chain or channels == 1 or height * width == 1:
        return None
    return np.arange(program.inputs).reshape(-1, channels, height * width).transpose(0, 2, 1).reshape(-1)


def patch_fields(step: Product | Pool, places: dict[int, Place], rows: int) -> dict[str, int]:
    """The fields of where patches are read; ``rows``: a tile's."""
    patches, first = step.patches, places[step.sources[0]]
    shape = joined([places[s].shape for s in step.sources])
    (channels, height, width), (kernel_rows, kernel_columns) = patches.shape, patches.kernel
    top, left = patches.padding[:2]
    pixel = first.pixel if shape[1] * shape[2] > 1 else shape[0]
    line, area, share = shape[2] * pixel, kernel_rows * kernel_columns, channels // patches.groups
    fields = {
        "positions": patches.positions,
        "start": first.base - top * line - left * pixel,
        "first_row": -top,
        "first_column": -left,
        "rows": height,
        "columns": width,
        "groups": patches.groups,
        "share": share,
        "kernel_rows": kernel_rows,
        "kernel_columns": kernel_columns,
        "area": area,
        "pixel": patches.dilation[1] * pixel,
        "column_hop": patches.dilation[1],
        "line": patches.dilation[0] * line,
        "row_hop": patches.dilation[0],
        "border": step.border,
        "stride_columns": patches.stride[1],
        "stride_codes": patches.stride[1] * pixel,
        "stride_line": patches.stride[0] * line,
        "stride_rows": patches.stride[0],
        "grid_rows": patches.grid[0],
        "grid_columns": patches.grid[1],
    }
    if isinstance(step, Pool):
        # Eight channels at a time, whose results leave one by one.
        each = min(channels, WORD_ROWS)
        return fields | {"part_codes": WORD_ROWS, "pause": max(0, each - area)}
    # A group's last word may be two, which takes a cycle more.
    fields |= {"part_codes": share, "pause": int(patches.inputs % WORD_ROWS != 0)}
    tile = step.layer.tile_rows(rows)
    if area > 1 and patches.inputs > tile:
        return fields | {"part_codes": tile // area, "part_rest": tile % area}
    beside = patches.groups == 1 and pixel == channels and patches.dilation[1] == 1 and kernel_columns > 1
    if beside and width * channels < FLAT_MAX and (left + kernel_columns) * channels < FLAT_MAX:
        run = kernel_columns * channels
        fields |= {"flat": 1, "kernel_columns": 1, "share": run, "part_codes": run}
        fields |= {"columns": width * channels, "first_column": -left * channels}
        fields |= {"stride_columns": patches.stride[1] * channels}
    return fields


def _gate(step: Gate, places: dict[int, Place], place: Place) -> dict[str, int]:
    """Codes one after the other, as they lie in every map."""
    fields = {
        "kind": KINDS["gate"],
        "terms": len(step.terms),
        "zero": step.zero,
        "pool_shift": step.gate_shift,
        "elements": size(place.shape),
    }
    for t, term in enumerate(step.terms):
        fields |= {f"a_base_{t}": places[term.a].base, f"a_zero_{t}": term.a_zero, f"gain_{t}": term.gain}
        if term.b is None:
            fields[f"alone_{t}"] = 1
        else:
            fields |= {f"b_base_{t}": places[term.b].base, f"b_zero_{t}": term.b_zero}
    return fields | _each(place)


def _fill(step: Fill, place: Place) -> dict[str, int]:
    """Patches of one pixel each that lie beside their map: all border."""
    channels = place.shape[0]
    fields = {"kind": KINDS["max"], "groups": 1, "share": channels, "kernel_rows": 1, "kernel_columns": 1}
    fields |= {"area": 1, "part_codes": WORD_ROWS, "pause": min(channels, WORD_ROWS) - 1, "border": step.code}
    return fields | _each(place)


def _each(place: Place) -> dict[str, int]:
    """Results that come pixel by pixel."""
    _, rows, columns = place.shape
    return place_fields(place) | {"grid_rows": rows, "grid_columns": columns}


def _turn(step: Product, place: Place, geometry: Geometry, window: Pair) -> int:
    """Results of ``step`` that are written at once: those of a pixel, which its groups do not divide."""
    share = place.shape[0] // step.patches.groups
    turn = geometry.neurons if place.plane == 1 else 1
    pooled = window != (1, 1)
    while turn > 1 and (share % turn or (pooled and share < POOLED_TURNS_MIN * turn)):
        turn //= 2
    return turn


def place_fields(
    place: Place, *, block: Pair = (1, 1), window: Pair = (1, 1), turn: int = 1, groups: int = 1
) -> dict[str, int]:
    """The fields of where results are written, ``turn`` at once."""
    channels, rows, columns = place.shape
    return {
        "to_base": place.base,
        "to_plane": place.plane * turn,
        "turn": turn.bit_length() - 1,
        "to_pixel": place.pixel,
        "to_line": place.line,
        "to_rows": rows,
        "to_columns": columns,
        "to_channels": channels // groups // turn,
        "to_groups": groups,
        "block_rows": block[0],
        "block_columns": block[1],
        "pool_rows": window[0],
        "pool_columns": window[1],
    }


def _written(place: Place, pool: Pool) -> Place:
    """Where the results of ``pool`` go: into a map of a single pixel channel by channel."""
    shape = (pool.patches.shape[0], *pool.patches.grid)
    return place if place.shape == shape else Place(place.base, shape, 1, plane=shape[1] * shape[2])
