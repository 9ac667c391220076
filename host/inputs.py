"""Checks of the arguments of ``infer``, before a byte is sent."""

import warnings

import numpy as np

from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.arithmetic import Codes
from ndrite.host.errors import InputError, InputWarning

SEED_LIMIT = 1 << 64
INDEX_LIMIT = 1 << 32
WHOLE = int, np.integer
FEW = 16
"""Smallest batch whose values say something about the range of a data set."""
LOW, VALUES_MAX = 63, 200
"""A batch whose largest code is at most LOW is taken for values in another unit; so is
a batch whose codes do not exceed the program's own input range, if that range ends at
VALUES_MAX or below."""
_warned: set[int] = set()
"""Tags of programs whose user has been warned."""


def check_inputs(x: object, program: Program, *, seed: int, first_index: int, noise: object) -> Codes:
    """Check the arguments of ``infer``, and return ``x`` as a C-contiguous uint8
    (n, inputs) array.

    Warns InputWarning, once for each program, when the codes of a batch look like
    values in the model's unit.

    Raises
    ------
    InputError
        Naming what is wrong and what is accepted. Other dtypes are refused,
        not converted: a silent cast of 0..1 floats would give zeros and a
        plausible accuracy.
    """
    inputs = program.inputs
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
    meaning = program.meaning
    # Only for programs that state what their inputs or outputs are: the codes for
    # segments of programs and for single matrix products come from this package,
    # not from the user.
    if len(x) >= FEW and (meaning.inputs is not None or meaning.classes or meaning.data_set is not None):
        _warn_of_values(x, program)
    return np.ascontiguousarray(x)


def _warn_of_values(x: Codes, program: Program) -> None:
    """Warn, once per program, if the codes use only a small part of 0..255, as grey
    values 0..16 would."""
    stored, top = program.meaning.inputs, int(x.max())
    end = LOW if stored is None else float(stored.high.max())
    limit = max(LOW, end) if end <= VALUES_MAX else LOW
    if not 0 < top <= limit or program.tag in _warned:
        return
    _warned.add(program.tag)
    unit = "" if stored is None else f" (in program {program.name!r} values to {end:g})"
    warnings.warn(
        f"inputs: no code of {len(x)} samples is above {top} of 255; if these are values in the model's own "
        f"unit{unit}, encode them first: ndrite.infer, ndrite.evaluate and ndrite.Classifier do, as does "
        "program.meaning.inputs.encode(x)",
        InputWarning,
        stacklevel=4,
    )


def check_program(program: object) -> None:
    """Raise InputError if ``program`` is not a ``Program``."""
    if not isinstance(program, Program):
        kind = type(program).__name__
        raise InputError(f"program is a {kind}; accepted: a Program, such as ndrite.load(FILE).program")


def check_variation(program: Program, geometry: Geometry | None) -> None:
    """Raise InputError if a board of ``geometry`` cannot simulate randomly sampled
    virtual chips of ``program``."""
    if program.variation is None:
        raise InputError(
            f"program {program.name!r} was compiled for one individual chip; accepted: a program compiled "
            "for virtual chips (ndrite compile --nominal)"
        )
    if geometry is not None and not geometry.redraw:
        raise InputError(
            f"geometry {geometry.name!r} was built without virtual chips (redraw 0); accepted: one with "
            "redraw 1, 2, 4 or 8"
        )
