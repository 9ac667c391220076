"""How large a simulated array must be for a program: the usual one where that will do."""

from __future__ import annotations

import dataclasses

from emulator.spec import PRESETS, Geometry, Program
from emulator.spec.errors import GeometryError
from emulator.spec.memory_map import check_fits, column_words, weight_words

USUAL = PRESETS["64-lane"]


def sized(program: Program, base: Geometry = USUAL) -> Geometry:
    """``base``, with the tile rows of ``program`` and every memory as large as the program needs.

    Sizes are powers of two, so that programs of about the same size share a compiled board.

    Raises
    ------
    GeometryError
        When no geometry can hold the program, larger than any memory may be.
    """
    several = len(program.layers) > 1
    needs = {
        "weight_depth": weight_words(program, base),
        "max_inputs": max(layer.inputs for layer in program.layers),
        "max_outputs": program.outputs,
        "columns": column_words(program, base),
        "layers": len(program.layers),
        "curves": program.curve_base.shape[0] if several else 1,
        "segments": program.curve_base.shape[1] if several else 1,
    }
    fields = {name: max(getattr(base, name), _power_of_two(need)) for name, need in needs.items()}
    longest = max(fields["max_inputs"], 4 * fields["max_outputs"])
    fields |= {"packet_bytes": max(base.packet_bytes, longest), "rows": program.rows}
    fields["campaign_votes"] = max(base.campaign_votes, fields["max_outputs"])
    if all(getattr(base, name) == value for name, value in fields.items()):
        return base
    try:
        geometry = dataclasses.replace(base, name=f"64-lane-{fields['weight_depth']}", **fields)
    except GeometryError as error:
        raise GeometryError(f"program {program.name!r} is too large to be simulated: {error}") from None
    check_fits(program, geometry)
    return geometry


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
