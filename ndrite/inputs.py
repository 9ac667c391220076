"""A user's inputs, in the unit of the user's model, as the codes 0..255 that a chip takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.spec.inputs import InputRange
from emulator.spec.meaning import Meaning
from host import InputError


class InputWarning(UserWarning):
    """Inputs outside the range that the program stores."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes uint8 (n, inputs), and how many of the values given lay outside the range of their input.

    ``first`` says which the first of them is, and what its input accepts.
    """

    codes: npt.NDArray[np.uint8]
    clipped: int = 0
    first: str = ""

    @property
    def warning(self) -> str | None:
        """What the user must know of the values that were clipped; None when none was."""
        if not self.clipped:
            return None
        share = 100 * self.clipped / self.codes.size
        return (
            f"{self.clipped:,} of {self.codes.size:,} input values ({share:.2g} %) lie outside the range of "
            f"their input and were held at its ends; the first: {self.first}"
        )


def encode(
    x: npt.NDArray[Any], meaning: Meaning, inputs: int, *, what: str = "x", codes: bool = False
) -> Encoded:
    """Codes of inputs (n, ...) for a network or program of this meaning.

    With an input range, ``x`` is in the model's own unit, whatever its dtype; ``codes``
    says that it holds codes all the same. Without a range, ``x`` must be codes, uint8.

    Raises
    ------
    InputError
        When shape or dtype do not fit, a value is not finite, or values lie so far outside the stored range
        (by more than its whole width) that they must be in another unit.
    """
    stored = meaning.inputs
    if not isinstance(x, np.ndarray) or x.ndim < 2 or x[:1].size not in (0, inputs):
        raise InputError(f"{what}: shape {np.shape(x)}; accepted: (n, {inputs})")
    flat = x.reshape(len(x), inputs)
    if codes or stored is None:
        if flat.dtype != np.uint8:
            unit = "" if codes else "; the program stores no input range that floats could be in"
            raise InputError(f"{what}: dtype {flat.dtype}; accepted: uint8, codes 0..255{unit}")
        return Encoded(np.ascontiguousarray(flat))
    if not np.issubdtype(flat.dtype, np.number) or np.issubdtype(flat.dtype, np.complexfloating):
        raise InputError(f"{what}: dtype {flat.dtype}; accepted: real numbers in {_words(stored)}")
    values = flat.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{what}: holds a value that is not finite; accepted: finite numbers")
    least, most = float(stored.low.min()), float(stored.high.max())
    width = most - least
    if values.size and (values.min() < least - width or values.max() > most + width):
        hint = "; if they are codes 0..255, say so (codes)" if flat.dtype == np.uint8 else ""
        raise InputError(
            f"{what}: values are {values.min():g}..{values.max():g}; accepted: the model's own unit, "
            f"{_words(stored)} in the program{hint}"
        )
    outside = (values < stored.low) | (values > stored.high)
    first = ""
    if outside.any():
        row, column = (int(place) for place in np.argwhere(outside)[0])
        low, high = (np.broadcast_to(end, (inputs,))[column] for end in (stored.low, stored.high))
        first = f"{what}[{row}, {column}] is {values[row, column]:g}; accepted: {low:g}..{high:g}"
    return Encoded(stored.encode(values), int(outside.sum()), first)


def _words(stored: InputRange) -> str:
    return f"{stored.low.min():g}..{stored.high.max():g}"
