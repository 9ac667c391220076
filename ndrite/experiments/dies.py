"""What a chip costs a float network: several dies, read noise on, every sample on each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import Network
from ndrite.intervals import over_dies_and_samples


def losses(
    network: Network,
    chip: str,
    samples: npt.NDArray[np.uint8],
    codes: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    right: npt.NDArray[np.bool_],
    *,
    dies: int,
    what: str,
) -> Iterator[str]:
    """A line for each die, then one of the mean loss with its 95 % interval over dies and samples.

    Parameters
    ----------
    samples, codes, labels:
        uint8 (m, inputs) to calibrate on; uint8 (n, inputs) and (n,) to judge by. Die d is drawn with seed d
        and read with noise seed d.
    right:
        Whether the float network is right, (n,).
    what:
        What the samples are called.
    """
    lost = np.empty((dies, len(codes)))
    for die in range(dies):
        program = map_network(network, chip, samples, seed=die).program
        good = Core(program).infer(codes, seed=die).argmax(axis=1) == labels
        lost[die] = right.astype(np.float64) - good
        yield f"die {die}    {100 * good.mean():.2f} %  loss {100 * lost[die].mean():+.2f} points"
    low, high = over_dies_and_samples(lost)
    yield (
        f"loss     {100 * lost.mean():.2f} points ({100 * low:.2f} .. {100 * high:.2f}), mean over "
        f"{dies} dies on {chip}, {len(codes)} {what} each"
    )
