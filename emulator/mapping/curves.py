"""The curve tables of a program, put together step by step."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ndr.pwl import SEGMENTS, fit_pwl
from ndrite.emulator.errors import CompileError
from ndrite.emulator.spec.arrays import Floats

Index = npt.NDArray[np.uint16]
CURVES_MAX = 1 << 16


class Curves:
    """Tables, and their numbers."""

    def __init__(self) -> None:
        self._rows: list[npt.NDArray[np.int32]] = []
        self._known: dict[bytes, int] = {}

    @property
    def base(self) -> npt.NDArray[np.int32]:
        """All of them, int32 (Q, segments); a curve of zeros where there are none."""
        return self._tables[:, :SEGMENTS].copy()

    @property
    def slope(self) -> npt.NDArray[np.int32]:
        """All of them, int32 (Q, segments)."""
        return self._tables[:, SEGMENTS:].copy()

    def fit(self, wanted: Floats, *, each: bool = False) -> tuple[Index, float]:
        """Numbers (Q,) of curves (Q, 4096), and their largest error in output steps; ``each`` gets a table of
        its own, else equal ones are one."""
        fitted = fit_pwl(wanted)
        return self.add(fitted.base, fitted.slope, each=each), fitted.max_error_lsb

    def add(self, base: npt.NDArray[np.int32], slope: npt.NDArray[np.int32], *, each: bool = True) -> Index:
        """Numbers (Q,) of tables (Q, segments), which are there already where not ``each`` is its own."""
        numbers = []
        for row in np.hstack([base, slope]):
            number = len(self._rows)
            if not each:
                number = self._known.setdefault(row.tobytes(), number)
            if number == len(self._rows):
                self._rows.append(row)
            numbers.append(number)
        if len(self._rows) > CURVES_MAX:
            raise CompileError(f"curves are {len(self._rows)}; accepted: at most {CURVES_MAX}")
        return np.array(numbers, np.uint16)

    @property
    def _tables(self) -> npt.NDArray[np.int32]:
        return np.stack(self._rows or [np.zeros(2 * SEGMENTS, np.int32)])
