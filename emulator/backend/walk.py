"""walk: step records by which a device executes a program that is not a chain of
layers, with the program's maps in a memory of their own.

A product's codes may go through a max pool whose windows lie side by side on their way
into the map memory; then the pool is no step of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.backend.lowering import SAMPLE, Fill, Lowered, PerLoweredKind
from ndrite.emulator.backend.map_places import Place, places_of, size
from ndrite.emulator.spec.errors import GeometryError
from ndrite.emulator.spec.flow import joined, of_kind
from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry, whole_words
from ndrite.emulator.spec.patches import Pair
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Gate, Pool, Product
from ndrite.emulator.spec.walk_record import (
    GATE,
    HEADER,
    KINDS,
    POSITION_BITS_MIN,
    STEP,
    STEPS_A_LAYER,
    record,
)

WINDOW_MAX = 512
"""Largest number of codes in the window of an average pool, so that their sum
fits the multiplier."""
FLAT_MAX = 1 << 15
"""Limit on the number of codes in a row of a map or of a window that is read as one
contiguous run, since coordinates have 16 bits."""
WORD_MAX = (1 << 16) - 1
POOLED_TURNS_MIN = 2
"""Smallest number of writes per pixel for which the codes of a matrix product may be
pooled before they are stored. With fewer, an address of the map memory would be read
again too soon after it is written."""


def codes_of_maps(lowered: Lowered) -> int:
    """Return how many codes of map memory a lowered program needs on a device."""
    return _codes(places_of(lowered, _pooled(lowered), lowered.program.inputs))


def _codes(places: dict[int, Place]) -> int:
    """Return the number of codes from the start of the lowest map in memory to the
    end of the highest."""
    lowest = min(place.base for place in places.values())
    return max(place.end for place in places.values()) - lowest


def walk(lowered: Lowered, geometry: Geometry, bases: list[int]) -> npt.NDArray[np.int32]:
    """Return the step records by which a device executes a lowered program, int32 ((1 +
    steps) * RECORD_WORDS,): a header, then one record per step. A chain of fully
    connected layers has the header only.

    ``bases``: for each lowered step, where its values begin in region
    ``operand``. Raises GeometryError when the device cannot walk it; the message
    names what is in the way.
    """
    program = lowered.program
    if program.is_chain:
        return record({}, HEADER).view(np.int32)
    check_maps(program, geometry)
    steps_max = STEPS_A_LAYER * geometry.layers - 1

    def accept(ok: bool, what: str, accepted: str) -> None:
        if not ok:
            raise GeometryError(
                f"program {program.name!r}: {what}; accepted by geometry {geometry.name!r}: {accepted}"
            )

    accept(len(lowered.steps) <= steps_max, f"it takes {len(lowered.steps)} steps", f"at most {steps_max}")
    codes, codes_max = program.inputs, geometry.packet_bytes
    accept(codes <= codes_max, f"a sample has {codes} codes", f"at most {codes_max}")
    pooled = _pooled(lowered)
    places = places_of(lowered, pooled, codes)
    samples, span = samples_together(program, geometry, _codes(places))
    if _codes(places) > geometry.map_codes:
        places = places_of(lowered, pooled, codes, geometry.map_codes)
    records = _Records(lowered, geometry, program.rows, places, pooled, bases, accept)
    step_records: list[dict[str, int]] = []
    ends = {lowered.begins: 0, lowered.begins + lowered.body: 0}
    for i, step in enumerate(lowered.steps):
        if i in ends:
            ends[i] = len(step_records)
        if i - 1 not in pooled:
            step_records.append(_numbered(step.visit(records, i, step)))
    if _codes(places) > geometry.map_codes:
        raise GeometryError(
            f"program {program.name!r} does not fit geometry {geometry.name!r}: its maps need "
            f"{_codes(places)} codes of memory; accepted: at most {geometry.map_codes}"
        )
    header = {
        "steps": len(step_records),
        "begins": ends[lowered.begins],
        "body": ends[lowered.begins + lowered.body],
        "inputs": program.inputs,
        "calls": program.calls,
        "call_codes": program.inputs // program.calls,
        "samples": samples,
        "span": span,
    }
    words = [record(header, HEADER), *(record(fields, GATE | STEP) for fields in step_records)]
    return np.concatenate(words).view(np.int32)


def samples_together(program: Program, geometry: Geometry, codes: int) -> tuple[int, int]:
    """Return how many samples of ``program``, whose maps take ``codes`` codes of
    memory, a device walks together at most, and how many codes apart their maps lie.

    The samples have to fit into one packet, their results into one packet and
    into half of the result banks; the other half holds the results that the host
    has not taken yet.
    """
    span = whole_words(codes)
    results = min(geometry.packet_bytes // 4, geometry.banks * geometry.max_outputs // 2)
    fitting = (
        geometry.packet_bytes // whole_words(program.inputs),
        geometry.map_codes // span,
        results // program.outputs,
    )
    return max(1, min(fitting)), span


def check_maps(program: Program, geometry: Geometry) -> None:
    """Raise GeometryError unless ``program`` is a chain of fully connected layers or
    ``geometry`` has feature maps."""
    if not (program.is_chain or geometry.map_codes):
        raise GeometryError(
            f"program {program.name!r}: it is not a chain of full layers; accepted by geometry "
            f"{geometry.name!r}: chains"
        )


@dataclass(frozen=True, eq=False)
class _Records(PerLoweredKind):
    """Visitor that returns the record of step number i of a lowered program as
    a dictionary of fields. Its methods raise GeometryError, naming what the
    device cannot execute."""

    ours: Lowered
    geometry: Geometry
    rows: int
    places: dict[int, Place]
    pooled: dict[int, Pool]
    bases: list[int]
    accept: Callable[[bool, str, str], None]

    def gate(self, i: int, step: Gate) -> dict[str, int]:
        """Return the record of a gate step. The device processes the codes of the
        gate's maps one after another, in the order in which they are stored, which is
        the same for all these maps."""
        place = self._elements(i)
        fields = {
            "kind": KINDS["gate"],
            "terms": len(step.terms),
            "zero": step.zero,
            "pool_shift": step.gate_shift,
            "elements": size(place.shape),
        }
        for t, term in enumerate(step.terms):
            for name, m, zero in (("a", term.a, term.a_zero), ("b", term.b, term.b_zero)):
                if m is not None:
                    fields |= {f"{name}_base_{t}": self.places[m].base, f"{name}_zero_{t}": zero}
            fields |= {f"gain_{t}": term.gain, f"alone_{t}": int(term.b is None)}
        return fields | _each(place)

    def fill(self, i: int, step: Fill) -> dict[str, int]:
        """Return the record of a step that fills a map. It reads one-pixel patches
        outside of a map, so that every value read is the border code."""
        place = self._elements(i)
        channels = place.shape[0]
        fields = {"kind": KINDS["max"], "kernel_rows": 1, "kernel_columns": 1}
        fields |= _by_words(channels) | {"pause": min(channels, WORD_ROWS) - 1}
        return fields | {"border": step.code} | _each(place)

    def _elements(self, i: int) -> Place:
        """Return the location of the map that a gate or a fill writes. Raises
        GeometryError if the map has too many codes."""
        place = self.places[self.ours.targets[i]]
        codes = size(place.shape)
        self.accept(codes <= WORD_MAX, f"a gate or a state has {codes} codes", f"at most {WORD_MAX}")
        return place

    def pool(self, i: int, step: Pool) -> dict[str, int]:
        """Return the record of a pooling step: windows of one map, with the results
        written to one position of each block."""
        area = step.patches.kernel[0] * step.patches.kernel[1]
        few = step.of == "max" or area <= WINDOW_MAX
        fields = self._patches(i, step) | {"kind": KINDS[step.of], "pool_shift": step.pool_shift}
        self.accept(few, f"a pool averages {area} codes", f"at most {WINDOW_MAX}")
        to = self.places[self.ours.targets[i]]
        if step.block != (1, 1):
            to = to.of_block(step.block, self.ours.places.get(i, 0))
        return fields | place_fields(_written(to, step))

    def product(self, i: int, step: Product) -> dict[str, int]:
        """Return the record of a matrix product: its patches, a pool that directly
        follows it, and the map that is added as its second operand."""
        ours, places, patches, ungrouped = self.ours, self.places, step.patches, step.patches.groups == 1
        fields = self._patches(i, step) | {"kind": KINDS["product"], "last": int(not step.fires)}
        fields |= {"layer": len(of_kind(Product, ours.steps[:i])), "group_columns": step.share}
        lanes = self.geometry.lanes
        fits = ungrouped or step.share <= lanes
        self.accept(fits, f"a group of a product has {step.share} columns", f"at most {lanes}")
        self.accept(max(step.block) <= 255, f"a matrix product has block {step.block}", "sizes up to 255")
        is_single = step.fires or (patches.positions == 1 and step.block == (1, 1) and ungrouped)
        self.accept(
            is_single,
            f"the result is sums at {patches.positions} positions",
            "sums at one position, without groups",
        )
        target, window = ours.targets[i], (1, 1)
        if step.fires:
            place = places[ours.targets[i + 1] if i in self.pooled else target]
            if i in self.pooled:
                place, window = _written(place, self.pooled[i]), self.pooled[i].patches.kernel
            turn = _turn(step, place, self.geometry, window)
            groups = 1 if step.block == (1, 1) else patches.groups
            self.accept(groups <= 255, f"a matrix product with a block has {groups} groups", "at most 255")
            fields |= place_fields(place, block=step.block, window=window, turn=turn, groups=groups)
        # A matrix product without neurons returns sums, which are not stored in map
        # memory. The map that is added to its sums (``skip``) is still read from map
        # memory, addressed as a map of one pixel.
        elif step.skip is not None:
            fields |= place_fields(Place.alone(0, ours.shapes[target]))
        if step.skip is not None:
            second = places[step.skip]
            fields |= {"second": 1, "second_shift": step.skip_shift, "second_base": second.base}
            fields |= {"second_pixel": second.pixel, "second_line": second.line}
        return fields | {"sample_hop": ours.calls * patches.positions}

    def _patches(self, i: int, step: Product | Pool) -> dict[str, int]:
        """Return the record fields that say which maps a step reads, and how patches
        are cut from them."""
        patches, kind = step.patches, step.kind
        steps = max(*patches.stride, *patches.dilation)
        self.accept(steps <= 255, f"a {kind} has {patches}", "strides up to 255")
        self.accept(max(patches.padding) < 1 << 15, f"a {kind} has {patches}", "padding up to 32767")
        numbers = (patches.positions, patches.shape[0], patches.shape[1] * patches.shape[2])
        few = max(numbers) <= WORD_MAX
        self.accept(few, f"a {kind} has positions, channels, codes {numbers}", f"at most {WORD_MAX}")
        fields = patch_fields(step, self.places) | {"operand_base": self.bases[i]}
        return fields | {"of_sample": int(self.ours.calls > 1 and SAMPLE in step.sources)}


def _pooled(ours: Lowered) -> dict[int, Pool]:
    """Return the matrix products whose codes are pooled before they are stored, as a
    dictionary from the index of the product's step to the pool that follows it.

    Not where a call's end lies between them and the pool is a copy into a state that
    the answer still reads.
    """
    after, end = enumerate(ours.steps[1:]), ours.begins + ours.body - 1
    pool_of = {i: pool for i, step in after for pool in of_kind(Pool, [step]) if _goes_through(ours, i, pool)}
    if end in pool_of and ours.targets[end + 1] in ours.steps[-1].reads:
        del pool_of[end]
    return pool_of


def _goes_through(ours: Lowered, i: int, pool: Pool) -> bool:
    product, target, patches = ours.steps[i], ours.targets[i], pool.patches
    return (
        isinstance(product, Product)
        and pool.of == "max"
        and product.fires
        and pool.sources == (target,)
        and sum(target in step.reads for step in ours.steps) == 1
        and patches.kernel == patches.stride
        and max(patches.kernel) <= 15
        and patches.dilation == (1, 1)
        and not any(patches.padding)
        and pool.block == (1, 1)
        and ours.shapes[target][0] // product.patches.groups >= POOLED_TURNS_MIN
    )


def sample_order(program: Program) -> npt.NDArray[np.int64] | None:
    """Return the order in which a device takes the codes of a sample, int64 (inputs,),
    or None if the order is unchanged."""
    channels, height, width = program.shape
    if channels == 1 or height * width == 1:
        return None
    return np.arange(program.inputs).reshape(-1, channels, height * width).transpose(0, 2, 1).reshape(-1)


def patch_fields(step: Product | Pool, places: dict[int, Place]) -> dict[str, int]:
    """Return the record fields that say at which addresses a step reads its patches."""
    patches, first = step.patches, places[step.sources[0]]
    shape = joined([places[s].shape for s in step.sources])
    (channels, height, width), (kernel_rows, kernel_columns) = patches.shape, patches.kernel
    top, left = patches.padding[:2]
    pixel = first.pixel if shape[1] * shape[2] > 1 else shape[0]
    line, share = shape[2] * pixel, channels // patches.groups
    fields = {
        "positions": patches.positions,
        "start": first.base - top * line - left * pixel,
        "first_row": -top,
        "first_column": -left,
        "rows": height,
        "columns": width,
        "groups": patches.groups,
        "share": share,
        "last_share": share,
        "kernel_rows": kernel_rows,
        "kernel_columns": kernel_columns,
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
    if not step.layers:
        word_channels = min(channels, WORD_ROWS)
        return fields | _by_words(channels) | {"pause": max(0, word_channels - kernel_rows * kernel_columns)}
    # In a grouped product, a second word may follow after the last word of a
    # group whose number of inputs is no multiple of WORD_ROWS. One cycle of pause
    # makes time for it.
    fields["pause"] = int(patches.inputs % WORD_ROWS != 0)
    contiguous = patches.groups == 1 and pixel == channels and patches.dilation[1] == 1 and kernel_columns > 1
    if contiguous and width * channels < FLAT_MAX and (left + kernel_columns) * channels < FLAT_MAX:
        run = kernel_columns * channels
        fields |= {"flat": 1, "kernel_columns": 1, "share": run, "last_share": run}
        fields |= {"columns": width * channels, "first_column": -left * channels}
        fields |= {"stride_columns": patches.stride[1] * channels}
    return fields


def _by_words(channels: int) -> dict[str, int]:
    """Return the record fields that divide a pool's channels into groups of eight, one
    memory word each. The results of a group are written one by one."""
    groups = -(-channels // WORD_ROWS)
    share = min(channels, WORD_ROWS)
    return {"groups": groups, "share": share, "last_share": channels - (groups - 1) * share}


def _each(place: Place) -> dict[str, int]:
    """Return the record fields for writing results pixel by pixel to the location ``place``."""
    _, rows, columns = place.shape
    return place_fields(place) | {"grid_rows": rows, "grid_columns": columns}


def _turn(step: Product, place: Place, geometry: Geometry, window: Pair) -> int:
    """Return how many results of the matrix product ``step`` are written to memory at
    once: a divisor of the results per pixel and group.

    Second operands are scaled in pairs.
    """
    share = place.shape[0] // step.patches.groups
    turn = geometry.neurons if place.plane == 1 else 1
    turns_min = 1 if window == (1, 1) else POOLED_TURNS_MIN
    while turn > 1 and (share % turn or share < turns_min * turn or (turn % 2 and step.skip is not None)):
        turn -= 1
    return turn


def _numbered(fields: dict[str, int]) -> dict[str, int]:
    """Return ``fields`` with ``positions`` shifted to the top of its bit field, and
    with ``position_bits`` added. The device uses both to compute the number that
    selects the read noise at each position of the map."""
    positions = fields.get("positions", 0)
    bits = max(positions.bit_length(), POSITION_BITS_MIN)
    return fields | {"positions": positions << (STEP["positions"][2] - bits), "position_bits": bits}


def place_fields(
    place: Place, *, block: Pair = (1, 1), window: Pair = (1, 1), turn: int = 1, groups: int = 1
) -> dict[str, int]:
    """Return the record fields that say at which addresses results are written;
    ``turn`` results are written at once."""
    channels, rows, columns = place.shape
    return {
        "to_base": place.base,
        "to_plane": place.plane * turn,
        "turn": turn,
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
    """Return the location ``place`` in the form in which ``pool`` writes to it. For a
    map that is flattened to a single pixel, the pool writes the results of one
    channel after another."""
    shape = (pool.patches.shape[0], *pool.patches.grid)
    return place if place.shape == shape else Place(place.base, shape, 1, plane=shape[1] * shape[2])
