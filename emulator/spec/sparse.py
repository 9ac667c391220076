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
    if not n:
        return []
    groups = -(-count // GROUP)
    codes = np.zeros((n, groups * GROUP), np.uint8)
    codes[:, :count] = x
    nonzero = codes != 0
    # A group is its bits and its eight codes. Eight bytes are moved as one word, three times as fast.
    every, mask = np.empty((n, groups, 1 + GROUP), np.uint8), np.ones((n, groups, 1 + GROUP), bool)
    for into, group in ((every, codes), (mask, nonzero)):
        words = np.ndarray((n, groups), np.uint64, into, offset=1, strides=into.strides[:2])
        words[...] = group.view(np.uint64)
    every[:, :, 0] = np.packbits(nonzero, axis=1, bitorder="little")
    data = every.reshape(-1)[mask.reshape(-1)].tobytes()
    ends = itertools.accumulate((groups + np.count_nonzero(nonzero, axis=1)).tolist(), initial=0)
    return [data[start:end] for start, end in itertools.pairwise(ends)]
