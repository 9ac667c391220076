"""sparse: input codes of which many are 0, as INFER_SPARSE carries them.

For each eight codes a byte whose bit i says that code i is not 0, then the codes that are not, in order. The
last byte of bits may be of fewer than eight codes; its other bits are 0.
"""

import itertools

import numpy as np
import numpy.typing as npt

GROUP = 8


def sparse(x: npt.NDArray[np.uint8]) -> list[bytes]:
    """The payload of each sample of codes uint8 (n, K): ceil(K / 8) bytes and one for each code not 0."""
    n, count = x.shape
    groups = -(-count // GROUP)
    codes = np.zeros((n, groups, 1 + GROUP), np.uint8)
    codes[:, :, 1:] = np.pad(x, ((0, 0), (0, groups * GROUP - count))).reshape(n, groups, GROUP)
    kept = codes != 0
    codes[:, :, 0] = np.packbits(kept[:, :, 1:], axis=2, bitorder="little")[:, :, 0]
    kept[:, :, 0] = True
    data = codes[kept].tobytes()
    ends = itertools.accumulate(kept.sum(axis=(1, 2)).tolist(), initial=0)
    return [data[start:end] for start, end in itertools.pairwise(ends)]
