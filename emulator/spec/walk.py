"""walk: how a device goes through the steps of a program that is no chain, its maps in a memory of its own.

A walked program has products and pooling only, and ends in sums. A product's codes may go through a max pool
whose windows lie side by side on their way into the map memory; then the pool is no step of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from emulator.spec.errors import GeometryError
from emulator.spec.geometry import WORD_ROWS, Geometry
from emulator.spec.patches import Pair, Patches, Shape
from emulator.spec.program import Program
from emulator.spec.steps import Pool, Product, Step

RECORD_WORDS = 32
"""Words of a step's record; record 0 is the walk's own."""
STEPS_A_LAYER = 2
"""Records for each layer that the geometry has."""
KINDS = {"product": 0, "max": 1, "average": 2}
WINDOW_MAX = 512
"""Codes of an averaged window: their sum then fits the multiplier."""
POOLED_CHANNELS_MIN = 6
"""Channels from which on a product's codes may be pooled as they come: a place of the map memory may be read
again no sooner."""

HEADER: dict[str, tuple[int, int, int]] = {"steps": (0, 0, 8), "inputs": (1, 0, 16)}
"""Field -> (word, least significant bit, width) of record 0: steps to walk, 0 for a chain; codes of a sample."""
STEP: dict[str, tuple[int, int, int]] = {
    "kind": (0, 0, 2),
    "last": (0, 2, 1),
    "second": (0, 3, 1),
    "layer": (0, 8, 8),
    "pool_shift": (0, 16, 6),
    "second_shift": (0, 24, 6),
    "positions": (1, 0, 16),
    "operand_base": (1, 16, 16),
    "start": (2, 0, 24),
    "first_row": (3, 0, 16),
    "first_column": (3, 16, 16),
    "rows": (4, 0, 16),
    "columns": (4, 16, 16),
    "channels": (5, 0, 16),
    "kernel_rows": (5, 16, 16),
    "run": (6, 0, 16),
    "hop": (6, 16, 8),
    "row_hop": (6, 24, 8),
    "plane": (7, 0, 24),
    "border": (7, 24, 8),
    "line": (8, 0, 24),
    "stride_columns": (8, 24, 8),
    "stride_line": (9, 0, 24),
    "stride_rows": (9, 24, 8),
    "grid_rows": (10, 0, 16),
    "grid_columns": (10, 16, 16),
    "share": (11, 0, 16),
    "to_channels": (11, 16, 16),
    "to_base": (12, 0, 24),
    "pool_rows": (12, 24, 4),
    "pool_columns": (12, 28, 4),
    "to_plane": (13, 0, 24),
    "block_rows": (13, 24, 8),
    "to_line": (14, 0, 24),
    "block_columns": (14, 24, 8),
    "to_rows": (15, 0, 16),
    "to_columns": (15, 16, 16),
    "second_base": (16, 0, 24),
    "second_plane": (17, 0, 24),
    "second_line": (18, 0, 24),
}
"""Field -> (word, least significant bit, width) of a step's record.

``start`` is the place of the first patch's first code, in two's complement, as are ``first_row`` and
``first_column``, where that code lies on the map: before it where there is a border. ``line`` and
``stride_line`` are the codes between two rows of a kernel and of the grid. ``run`` codes of a kernel's row are
``hop`` apart. ``share``: channels of a group. The ``to_`` fields say where the results go, ``second_`` where the
second operands come from.
"""
SIGNED = ("start", "first_row", "first_column")
USED_WORDS = 1 + max(word for word, _, _ in STEP.values())


@dataclass(frozen=True)
class Place:
    """Where a map (C, H, W) lies: its first code, then row by row, channel by channel."""

    base: int
    shape: Shape

    @property
    def plane(self) -> int:
        """Codes of a channel."""
        return self.shape[1] * self.shape[2]


@dataclass(frozen=True)
class Walk:
    """The steps' fields, in order, and how many codes of map memory they take."""

    steps: tuple[dict[str, int], ...]
    codes: int
    inputs: int

    def words(self) -> npt.NDArray[np.int32]:
        """Records int32 ((1 + steps) * RECORD_WORDS,)."""
        records = [_record({"steps": len(self.steps), "inputs": self.inputs}, HEADER)]
        records += [_record(step, STEP) for step in self.steps]
        return np.concatenate(records).view(np.int32)


def no_walk() -> npt.NDArray[np.int32]:
    """Record 0 of a chain."""
    return _record({"steps": 0, "inputs": 0}, HEADER).view(np.int32)


def bank_inputs(product: Product) -> int:
    """Codes that a patch takes in an input bank: every group begins a word."""
    groups = product.patches.groups
    each = product.layer.inputs
    return each if groups == 1 else groups * (-(-each // WORD_ROWS) * WORD_ROWS)


def operands(step: Step) -> npt.NDArray[np.int32] | None:
    """What of a step lies in region ``operand``: gains of second operands, or an average's divisors."""
    values = step.skip_gain if isinstance(step, Product) else step.mul if isinstance(step, Pool) else None
    return None if values is None else values.astype(np.int32)


def walk(program: Program, geometry: Geometry, bases: Iterable[int]) -> Walk:
    """The walk through ``program`` on ``geometry``.

    ``bases``: for each step, where its values begin in region ``operand``.

    Raises
    ------
    GeometryError
        When the device cannot walk it; the message names the step.
    """
    _check(program, geometry)
    steps, pooled = list(program.steps), _pooled(program)
    places = _places(program, pooled)
    codes = codes_of_maps(program)
    if codes > geometry.map_codes:
        raise GeometryError(
            f"program {program.name!r} does not fit geometry {geometry.name!r}: codes of its maps are {codes}; "
            f"at most {geometry.map_codes}"
        )
    made, layer = [], 0
    for (i, step), base in zip(enumerate(steps), bases, strict=True):
        number = i + 1
        if isinstance(step, Pool) and i - 1 in pooled:
            continue
        flat = isinstance(step, Product)
        fields = _reads(step.patches, step.border, places[step.sources[0]], flat=flat)
        fields |= {"operand_base": base}
        if isinstance(step, Pool):
            fields |= {"kind": KINDS[step.of], "pool_shift": step.pool_shift}
            fields |= _writes(places[number], step.patches.shape[0])
        else:
            window = pooled[i].patches.kernel if i in pooled else (1, 1)
            fields |= {"layer": layer, "last": int(not step.fires)}
            if step.fires:
                place = places[number + (i in pooled)]
                fields |= _writes(place, place.shape[0], block=step.block, window=window)
            if step.skip is not None:
                second = places[step.skip]
                fields |= {"second": 1, "second_shift": step.skip_shift, "second_base": second.base}
                fields |= {"second_plane": second.plane, "second_line": second.shape[2]}
            layer += 1
        made.append(fields)
    return Walk(tuple(made), codes, program.inputs)


def codes_of_maps(program: Program) -> int:
    """Codes of map memory that a walk through ``program`` takes."""
    places = _places(program, _pooled(program))
    return max(place.base + int(np.prod(place.shape)) for place in places.values())


def _pooled(program: Program) -> dict[int, Pool]:
    """Product step -> the pool, the step after it, that takes its codes as they come."""
    return {i: pool for i, pool in enumerate(program.steps[1:]) if _goes_through(program, i, pool)}


def _check(program: Program, geometry: Geometry) -> None:
    """Raise GeometryError naming the first thing that a device does not walk."""

    def refuse(what: str, accepted: str) -> None:
        raise GeometryError(
            f"program {program.name!r}: {what}; accepted by geometry {geometry.name!r}: {accepted}"
        )

    if not geometry.map_codes:
        refuse("it is no chain of full layers", "chains, or the products of a program one by one")
    if program.states or program.calls > 1:
        refuse("it keeps states between calls", "one call a sample")
    most = STEPS_A_LAYER * geometry.layers - 1
    if len(program.steps) > most:
        refuse(f"it has {len(program.steps)} steps", f"at most {most}")
    if program.inputs > geometry.packet_bytes:
        refuse(f"a sample has {program.inputs} codes", f"at most {geometry.packet_bytes}")
    for i, step in enumerate(program.steps):
        if not isinstance(step, Product | Pool):
            refuse(f"step {i} is a {step.kind}", "products and pools")
            return
        patches = step.patches
        if len(step.sources) > 1:
            refuse(f"step {i} joins {len(step.sources)} maps", "steps of one source")
        if max(*patches.stride, *patches.dilation) > 255 or max(patches.padding) > 32767:
            refuse(f"step {i} has patches {patches}", "strides and dilations up to 255")
        if max(patches.positions, patches.shape[1] * patches.shape[2]) > 65535:
            refuse(f"step {i} has {patches.positions} positions", "up to 65535, on maps of as many")
        if isinstance(step, Pool):
            area = patches.kernel[0] * patches.kernel[1]
            if step.of == "average" and area > WINDOW_MAX:
                refuse(f"step {i} averages {area} codes", f"at most {WINDOW_MAX}")
            continue
        share = step.layer.outputs // patches.groups
        if patches.groups > 1 and share > geometry.lanes:
            refuse(f"step {i} has {share} columns a group", f"at most {geometry.lanes}, its lanes")
        if max(step.block) > 255:
            refuse(f"step {i} has block {step.block}", "at most 255 each way")
        if not step.fires and (patches.positions > 1 or step.block != (1, 1)):
            refuse(f"step {i} gives sums at {patches.positions} positions", "sums of one")
    last = program.steps[-1]
    if not isinstance(last, Product) or last.fires:
        refuse("its last step gives codes", "sums at the end")


def _goes_through(program: Program, i: int, pool: object) -> TypeGuard[Pool]:
    product = program.steps[i]
    if not (isinstance(product, Product) and isinstance(pool, Pool)):
        return False
    made, patches = 1 + i, pool.patches
    readers = [s for s in program.steps if made in s.reads]
    return (
        pool.of == "max"
        and product.fires
        and pool.sources == (made,)
        and len(readers) == 1
        and patches.kernel == patches.stride
        and max(patches.kernel) <= 15
        and patches.dilation == (1, 1)
        and not any(patches.padding)
        and product.shape(list(program.map_shapes[: 1 + i]))[0] >= POOLED_CHANNELS_MIN
    )


def _places(program: Program, pooled: dict[int, Pool]) -> dict[int, Place]:
    """Where every map that is kept lies: first fit among those that are still read."""
    shapes = program.map_shapes
    last_read = {0: 0}
    for i, step in enumerate(program.steps):
        last_read |= dict.fromkeys(step.reads, i)
    places: dict[int, Place] = {0: Place(0, shapes[0])}
    for i, step in enumerate(program.steps):
        number = 1 + i
        if i in pooled or (isinstance(step, Product) and not step.fires):
            continue
        # A pooled map is written while the product before it runs.
        begun = i - 1 if i - 1 in pooled else i
        alive = [p for m, p in places.items() if last_read.get(m, -1) >= begun]
        places[number] = Place(_first_fit(int(np.prod(shapes[number])), alive), shapes[number])
    return places


def _first_fit(size: int, alive: list[Place]) -> int:
    """The lowest base, a whole word's, at which ``size`` codes lie beside all of ``alive``."""
    spans = sorted((p.base, p.base + int(np.prod(p.shape))) for p in alive)
    base = 0
    for low, high in spans:
        if base + size <= low:
            break
        base = max(base, -(-high // WORD_ROWS) * WORD_ROWS)
    return base


def _reads(patches: Patches, border: int, place: Place, *, flat: bool) -> dict[str, int]:
    """The fields of where patches are read; ``flat``: channels need not be told apart."""
    (channels, rows, columns), (kernel_rows, run) = patches.shape, patches.kernel
    top, left = patches.padding[:2]
    width, plane = place.shape[2], place.plane
    if flat and patches.is_whole and patches.shape == place.shape:
        # The same codes as one run: as many in a cycle as there can be.
        channels, rows, kernel_rows, columns = 1, 1, 1, channels * rows * columns
        run, width = columns, columns
    groups = patches.groups
    return {
        "kind": KINDS["product"],
        "positions": patches.positions,
        "start": place.base - top * width - left,
        "first_row": -top,
        "first_column": -left,
        "rows": rows,
        "columns": columns,
        "channels": channels,
        "kernel_rows": kernel_rows,
        "run": run,
        "hop": patches.dilation[1],
        "row_hop": patches.dilation[0],
        "plane": plane,
        "border": border,
        "line": patches.dilation[0] * width,
        "stride_columns": patches.stride[1],
        "stride_line": patches.stride[0] * width,
        "stride_rows": patches.stride[0],
        "grid_rows": patches.grid[0],
        "grid_columns": patches.grid[1],
        "share": channels // groups,
    }


def _writes(place: Place, channels: int, *, block: Pair = (1, 1), window: Pair = (1, 1)) -> dict[str, int]:
    """The fields of where results are written."""
    return {
        "to_base": place.base,
        "to_plane": place.plane,
        "to_line": place.shape[2],
        "to_rows": place.shape[1],
        "to_columns": place.shape[2],
        "to_channels": channels,
        "block_rows": block[0],
        "block_columns": block[1],
        "pool_rows": window[0],
        "pool_columns": window[1],
    }


def _record(values: dict[str, int], table: dict[str, tuple[int, int, int]]) -> npt.NDArray[np.uint32]:
    words = np.zeros(RECORD_WORDS, np.uint32)
    for field, (word, low, width) in table.items():
        value = values.get(field, 0)
        least = -(1 << (width - 1)) if field in SIGNED else 0
        assert least <= value < 1 << width, f"walk field {field} = {value} exceeds {width} bits"
        words[word] |= np.uint32((value & ((1 << width) - 1)) << low)
    return words
