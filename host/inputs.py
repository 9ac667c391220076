"""Checks on what a caller hands to ``infer``, before a byte is sent."""

from typing import Any

import numpy as np

from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.arrays import Codes
from ndrite.host.errors import InputError

SEED_LIMIT = 1 << 64
INDEX_LIMIT = 1 << 32
WHOLE = int, np.integer


def check_inputs(x: Any, inputs: int, *, seed: int, first_index: int, noise: Any = True) -> Codes:
    """``x`` as a C-contiguous uint8 (n, inputs) array.

    Raises
    ------
    InputError
        Naming what is wrong and what is accepted. Other dtypes are refused, not converted: a silent
        cast of 0..1 floats would give zeros and a plausible accuracy.
    """
    if not isinstance(x, np.ndarray):
        raise InputError(f"inputs are a {type(x).__name__}; accepted: a NumPy array uint8 (n, {inputs})")
    if x.dtype != np.uint8:
        raise InputError(f"inputs have dtype {x.dtype}; accepted: uint8 (codes 0..255)")
    if x.ndim != 2 or x.shape[1] != inputs:
        raise InputError(f"inputs have shape {x.shape}; accepted: (n, {inputs})")
    if not (isinstance(seed, WHOLE) and 0 <= seed < SEED_LIMIT):
        raise InputError(f"seed is {seed!r}; accepted: 0..2^64-1")
    if not (isinstance(first_index, WHOLE) and 0 <= first_index <= INDEX_LIMIT - len(x)):
        raise InputError(f"first_index is {first_index!r}; accepted: 0..2^32-{len(x)} for {len(x)} inputs")
    if not isinstance(noise, bool | np.bool_):
        raise InputError(f"noise is {noise!r}; accepted: True or False")
    return np.ascontiguousarray(x)


def check_program(program: Any) -> None:
    """Raise InputError where it is no ``Program``."""
    if not isinstance(program, Program):
        what = type(program).__name__
        raise InputError(f"program is a {what}; accepted: a Program, such as ndrite.load(FILE).program")


def check_variation(program: Program, geometry: Geometry | None) -> None:
    """Raise InputError when no virtual chips of ``program`` can be drawn on a board of ``geometry``."""
    if program.variation is None:
        raise InputError(
            f"program {program.name!r} is of one individual chip; accepted: one compiled for virtual chips "
            "(ndrite compile --nominal)"
        )
    if geometry is not None and not geometry.redraw:
        raise InputError(
            f"geometry {geometry.name!r} was built without virtual chips (redraw 0); accepted: one with "
            "redraw 1, 2, 4 or 8"
        )
