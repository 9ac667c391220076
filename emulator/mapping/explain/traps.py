"""traps: telegraph noise with memory, cell by cell: each trap keeps one of two levels
for some inferences.

The trap of a cell keeps its state from one inference to the next, or draws it anew with
a chance of ``2 / dwell``: half of these draws change it, so a state lasts ``dwell``
inferences on average, and states so many inferences apart correlate by ``(1 - 2 /
dwell) ** apart``: the random telegraph signal of S. Machlup (J. Appl. Phys. 25, 341,
1954), which is full half of the time.

A state is a function of (seed, product, cell, inference): whatever was computed
before, inference i has the same traps. It is found by going back to the latest
inference that drew it.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.mapping.weights import MappedWeights
from ndrite.emulator.spec.arithmetic import Floats

Words = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


def _mixed(words: Words) -> Words:
    """Return pseudo-random words uint64 from ``words`` (SplitMix64's finaliser; Steele,
    Lea and Flood, OOPSLA 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _threshold(share: float) -> np.uint64:
    """Return the number below which the share ``share`` of all words lies; for 1,
    almost all of them."""
    return np.uint64(share * (2**64 - 2**12))


class Traps:
    """The traps (telegraph noise) in the cells of one matrix product on a die.

    ``cell`` (T,): index of each trapped cell among the product's, flat (2, K, M);
    ``change`` (T,): what a full trap takes from its pair's weight and an empty one
    adds, half of the step, in codes.
    """

    def __init__(self, mapped: MappedWeights, chip: Chip, die_seed: int, seed: int, product: int) -> None:
        law = chip.cell
        conductances = mapped.cells.faulted
        self._shape = conductances.shape
        keys = _mixed(np.array([die_seed, seed], np.uint64) ^ _mixed(np.array([product, product], np.uint64)))
        every = _mixed(keys[0] + np.arange(conductances.size, dtype=np.uint64))
        trapped = every < _threshold(law.telegraph_percent / 100)
        self.cell = np.flatnonzero(trapped)
        step = (
            law.telegraph_step_percent / 100 * conductances * (mapped.limits / (law.g_max_uS - law.g_min_uS))
        )
        signed = np.stack([step[0], -step[1]]) / 2 / mapped.unit
        self.change: Floats = signed.reshape(-1)[self.cell]
        self._keys = every[self.cell] ^ keys[1]
        assert law.telegraph_dwell is not None
        self._anew = _threshold(2 / law.telegraph_dwell)

    def weights(self, first: int, count: int) -> Iterator[Floats]:
        """Yield for each of ``count`` inferences, from number ``first`` on, the change
        (K, M) that traps cause in the weight codes."""
        full = self._states(first)
        pairs = int(np.prod(self._shape[1:]))
        added = np.zeros(pairs)
        np.add.at(added, self.cell % pairs, np.where(full, -self.change, self.change))
        yield added.reshape(self._shape[1:]).copy()
        for inference in range(first + 1, first + count):
            drawn, coin = self._draws(inference)
            turned = np.flatnonzero(drawn & (coin != full))
            full[turned] = coin[turned]
            np.add.at(
                added, self.cell[turned] % pairs, np.where(full[turned], -2.0, 2.0) * self.change[turned]
            )
            yield added.reshape(self._shape[1:]).copy()

    def _draws(
        self, inference: int, which: slice | npt.NDArray[np.intp] = slice(None)
    ) -> tuple[Bools, Bools]:
        """Return two arrays for the traps at this inference: whether each trap chooses
        a new state, and which state it would then have."""
        words = _mixed(self._keys[which] + np.uint64(inference))
        return words < self._anew, _mixed(words) & np.uint64(1) == 1

    def _states(self, inference: int) -> Bools:
        """Return for each trap whether it is full at this inference, which is the state
        that it chose last. At inference 0, every trap chooses a state."""
        full = np.zeros(len(self.cell), np.bool_)
        open_traps = np.arange(len(self.cell))
        for moment in reversed(range(inference + 1)):
            drawn, coin = self._draws(moment, open_traps)
            drawn = drawn if moment else np.ones_like(drawn)
            full[open_traps[drawn]] = coin[drawn]
            open_traps = open_traps[~drawn]
            if not len(open_traps):
                break
        return full
