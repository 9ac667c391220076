"""How large a simulated device that learns must be for a program."""

import dataclasses

from emulator.backend.learning import check_learning_fits
from emulator.spec import PRESETS, Geometry
from emulator.spec.errors import GeometryError
from emulator.spec.learning import Learning
from emulator.spec.learning_map import LABEL_CODES

LANES = 16
"""At least so many, that small programs share a compiled board."""
READOUTS = 2
"""As boards that learn have."""


def sized_learning(learning: Learning) -> Geometry:
    """As large as the program needs, in powers of two.

    Raises
    ------
    GeometryError
        When no geometry can hold it.
    """
    program = learning.program
    lanes = max(LANES, _power_of_two(max(layer.outputs for layer in program.layers)))
    inputs = max(64, _power_of_two(program.inputs + LABEL_CODES))
    outputs = max(16, _power_of_two(1 + len(program.layers)))
    try:
        geometry = dataclasses.replace(
            PRESETS["64-lane"],
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
            redraw=0,
            analog=False,
            packet_bytes=max(64, inputs, 4 * outputs),
        )
    except GeometryError as error:
        raise GeometryError(f"program {program.name!r} is too large to be simulated: {error}") from None
    check_learning_fits(learning, geometry)
    return geometry


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
