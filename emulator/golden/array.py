"""array: the crossbar's column sums, exact integers computed by floating-point BLAS."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.spec.arithmetic import INPUT_MAX

FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53


def array(x: npt.NDArray[np.uint8], w: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Column sums a = x_j @ w of one pass, int64 (samples, columns), of input slices uint8 (samples, rows)
    and signed conductance codes (rows, columns).

    Exact: every partial sum is below the float type's integer range.
    """
    bound = x.shape[1] * INPUT_MAX * int(np.abs(w.astype(np.int64)).max(initial=0))
    dtype = np.float32 if bound < FLOAT32_EXACT else np.float64
    assert bound < FLOAT64_EXACT
    sums: npt.NDArray[np.int64] = (x.astype(dtype) @ w.astype(dtype)).astype(np.int64)
    return sums
