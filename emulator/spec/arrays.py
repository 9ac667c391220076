"""Names of the arrays that signatures speak of; shapes stand in the docstrings."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]
