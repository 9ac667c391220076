"""Sizes of simulated devices: the geometry that a program, or a learning program, needs."""

import dataclasses
from typing import Any

from ndrite.emulator.backend.lay_out import check_fits, column_words, curves_a_pipe, weight_words
from ndrite.emulator.backend.learning import check_learning_fits
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.backend.walk import codes_of_maps
from ndrite.emulator.spec import PRESETS, Geometry, Program
from ndrite.emulator.spec.errors import GeometryError
from ndrite.emulator.spec.geometry import bank_rows
from ndrite.emulator.spec.learning import Learning
from ndrite.emulator.spec.learning_map import LABEL_CODES
from ndrite.emulator.spec.walk_record import STEPS_A_LAYER

USUAL = PRESETS["64-lane"]
MEMORIES = (
    "weight_depth",
    "max_inputs",
    "max_outputs",
    "columns",
    "layers",
    "curves",
    "segments",
    "packet_bytes",
)
WALKS = dataclasses.replace(USUAL, overlap=True, map_codes=16384, columns=1024, layers=16, weight_depth=4096)
"""Geometry with which sizing begins for a program with feature maps, so that programs
of similar size share one board."""
LANES = 16
"""Fewest lanes of a device that learns, so that small programs share a compiled board."""
READOUTS = 2
"""Readouts of a device that learns, as many as on FPGA boards."""


def sized(program: Program, base: Geometry = USUAL) -> Geometry:
    """Return the geometry ``base`` with the tile rows of ``program``, and with every
    memory as large as the program needs.

    A program that is no chain needs one with feature maps.

    Sizes are powers of two, so that programs of about the same size share a compiled
    board. Raises GeometryError when no geometry can hold the program, larger than
    any memory may be.
    """
    if not program.is_chain and not base.map_codes:
        usual, walking = dataclasses.asdict(base), dataclasses.asdict(WALKS)
        base = dataclasses.replace(WALKS, **{name: max(usual[name], walking[name]) for name in MEMORIES})
    lowered = lower(program)
    needs = {
        "weight_depth": weight_words(lowered, base),
        "max_inputs": max(bank_rows(p.layer.inputs, p.patches.groups) for p in lowered.products),
        "max_outputs": program.outputs,
        "columns": column_words(lowered, base),
        "layers": max(len(lowered.products), len(lowered.steps) // STEPS_A_LAYER + 1),
        "curves": max(1, curves_a_pipe(lowered, base)),
        "segments": program.curve_base.shape[1] if lowered.fires else 1,
    }
    sizes = dataclasses.asdict(base)
    fields = {name: max(sizes[name], _power_of_two(need)) for name, need in needs.items()}
    longest = max(fields["max_inputs"], 4 * fields["max_outputs"])
    if base.map_codes:
        longest = max(longest, _power_of_two(program.inputs))
        fields["map_codes"] = max(base.map_codes, _power_of_two(codes_of_maps(lowered)))
    fields |= {"packet_bytes": max(base.packet_bytes, longest), "rows": program.rows}
    fields["campaign_votes"] = max(base.campaign_votes, fields["max_outputs"])
    same = all(sizes[name] == value for name, value in fields.items())
    geometry = base if same else _made(program, base, name=_name(fields), **fields)
    # Enough memory is not the only condition: for example, a program with feature maps
    # does not fit if its last step is a matrix product whose sums are the output at
    # several positions.
    check_fits(program, geometry)
    return geometry


def sized_learning(learning: Learning) -> Geometry:
    """Return a geometry that is large enough for a learning program; its sizes are
    powers of two. Raises GeometryError when no geometry can hold the program."""
    program = learning.program
    lanes = max(LANES, _power_of_two(max(layer.outputs for layer in program.layers)))
    inputs = max(64, _power_of_two(program.inputs + LABEL_CODES))
    outputs = max(16, _power_of_two(1 + len(program.layers)))
    geometry = _made(
        program,
        USUAL,
        name=f"{lanes}-lane-learning",
        rows=program.rows,
        lanes=min(lanes, program.rows),
        readouts=READOUTS,
        weight_depth=max(256, _power_of_two(sum(layer.rows for layer in learning.layers))),
        max_inputs=inputs,
        max_outputs=outputs,
        columns=max(64, _power_of_two(sum(layer.outputs + READOUTS - 1 for layer in program.layers))),
        layers=max(4, _power_of_two(learning.records)),
        curves=max(16, _power_of_two(len(program.curve_base))),
        segments=program.curve_base.shape[1],
        step_tables=any(layer.tabled for layer in learning.layers),
        redraw=0,
        analog=False,
        packet_bytes=max(64, inputs, 4 * outputs),
    )
    check_learning_fits(learning, geometry)
    return geometry


def _made(program: Program, base: Geometry, **fields: Any) -> Geometry:
    try:
        return dataclasses.replace(base, **fields)
    except GeometryError as error:
        raise GeometryError(f"program {program.name!r} is too large to be simulated: {error}") from None


def _name(fields: dict[str, int]) -> str:
    maps = f"-maps-{fields['map_codes']}" if fields.get("map_codes") else ""
    return f"64-lane-{fields['weight_depth']}{maps}"


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
