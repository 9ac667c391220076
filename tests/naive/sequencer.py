"""The order in which the gateware visits layers, column groups, row tiles and slices.

The result does not depend on it; what the core's blocks do is awaited in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.program import Program


@dataclass(frozen=True)
class Pass:
    """One pass: the rows of one tile, one input slice, into the columns of one group."""

    layer: int
    group: int
    tile: int
    slice: int
    rows: int
    first_column: int
    columns: int
    first: bool
    """First pass of its group: the partial sums start from it."""
    last: bool
    """Last pass of its group: the neurons fire after it."""


def passes(program: Program, geometry: Geometry) -> Iterator[Pass]:
    """Passes of one inference, in order: layer, group, tile, slice (slice 0 first)."""
    for i, layer in enumerate(program.layers):
        per_tile = layer.tile_rows(program.rows)
        tiles, steps = layer.tiles(program.rows), 8 // layer.dac_bits
        for group in range(geometry.groups(layer.outputs)):
            column = group * geometry.lanes
            for tile in range(tiles):
                row = tile * per_tile
                for j in range(steps):
                    yield Pass(
                        layer=i,
                        group=group,
                        tile=tile,
                        slice=j,
                        rows=min(per_tile, layer.inputs - row),
                        first_column=column,
                        columns=min(geometry.lanes, layer.outputs - column),
                        first=tile == 0 and j == 0,
                        last=tile == tiles - 1 and j == steps - 1,
                    )
