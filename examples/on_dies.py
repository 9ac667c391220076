"""What a chip costs a float network: several dies, read noise on, every sample on each."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import ndrite
from ndrite import intervals

Codes = npt.NDArray[np.uint8]


def lost_on(
    network: Any, chip: str, samples: Codes, codes: Codes, labels: Any, right: Any, seed: int
) -> npt.NDArray[np.float64]:
    """What one die loses on each sample, (n,): 1 where only the float network is
    right, -1 where only the die is. ``seed`` draws the die and its read noise; the
    rest as ``losses``."""
    program = ndrite.compile(network, chip, samples=samples, codes=True, seed=seed).program
    outputs = ndrite.Classifier(program, seed=seed, codes=True).decision_function(codes)
    good = outputs.argmax(axis=1) == labels
    return np.asarray(right.astype(np.float64) - good, np.float64)


def losses(
    network: Any,
    chip: str,
    samples: Codes,
    codes: Codes,
    labels: Any,
    right: Any,
    *,
    dies: int,
    what: str,
) -> Iterator[str]:
    """A line for each die, then one of the mean loss with its 95 % interval over
    dies and samples.

    Parameters
    ----------
    samples, codes, labels:
        uint8 (m, inputs) to calibrate on; uint8 (n, inputs) and (n,) to judge by. Die d
        is drawn with seed d and read with noise seed d.
    right:
        Whether the float network is right, (n,).
    what:
        What the samples are called.
    """
    lost = np.empty((dies, len(codes)))
    for die in range(dies):
        lost[die] = lost_on(network, chip, samples, codes, labels, right, die)
        good = right.mean() - lost[die].mean()
        yield f"die {die}    {100 * good:.2f} %  loss {100 * lost[die].mean():+.2f} points"
    low, high = intervals.crossed(lost[None])
    yield (
        f"loss     {100 * lost.mean():.2f} points ({100 * low:.2f} .. {100 * high:.2f}), mean over "
        f"{dies} dies on {chip}, {len(codes)} {what} each"
    )
