"""Campaigns: many virtual chips, many samples, several trials of read noise; only votes come back.

Chip c of a campaign under seed s is virtual chip c of s (``ndrite.emulator.spec.variation``). Image i in
trial t is the inference of index i + (t << 20) with the read noise of seed s and stream c + 1. Its vote goes
to the class with the largest logit, the first of equals. So a vote depends on (sample, s, c, i, t) alone, not
on how a campaign is cut into pieces.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import SpecError, require, require_field
from ndrite.emulator.spec.variation import CHIPS_MAX, SAMPLES_MAX, TRIALS_MAX


class CampaignError(SpecError, ValueError):
    """A campaign's parameters are out of range; nothing was run."""


@record()
class CampaignResult:
    """Result of a campaign.

    ``votes`` int64 (samples, classes) over all chips and trials; ``correct`` int64 (chips,), votes of each
    chip for the labels of samples, at most samples * trials.
    """

    votes: npt.NDArray[np.int64]
    correct: npt.NDArray[np.int64]
    trials: int
    seed: int
    first_chip: int

    @property
    def chips(self) -> int:
        return len(self.correct)

    @property
    def samples(self) -> int:
        return len(self.votes)

    @property
    def accuracy_per_chip(self) -> npt.NDArray[np.float64]:
        """Share of correct votes of each chip, float64 (chips,)."""
        return self.correct / (self.samples * self.trials)


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """The runs: chips ``first_chip`` to ``first_chip + chips - 1`` of ``seed``, each sample in ``trials``
    trials of read noise, sample i under index ``first_sample`` + i; ``noise`` False leaves read noise off.
    Raises CampaignError, naming the first field that is out of range, and the range."""

    refused = CampaignError
    chips: int
    trials: int = 1
    seed: int = 0
    first_chip: int = 0
    first_sample: int = 0
    noise: bool = True

    def __post_init__(self) -> None:
        chips_max = CHIPS_MAX - self.first_chip
        require_field(self, 0 <= self.first_sample < SAMPLES_MAX, "first_sample", f"0..{SAMPLES_MAX - 1}")
        require_field(self, 1 <= self.trials <= TRIALS_MAX, "trials", f"1..{TRIALS_MAX}")
        require_field(self, 0 <= self.first_chip < CHIPS_MAX, "first_chip", f"0..{CHIPS_MAX - 1}")
        require_field(self, 1 <= self.chips <= chips_max, "chips", f"1..{chips_max}")
        require_field(self, 0 <= self.seed < 1 << 64, "seed", "0..2^64-1")

    def check(self, x: npt.NDArray[Any], labels: npt.NDArray[Any], inputs: int) -> None:
        """Raise CampaignError when samples ``x`` or ``labels`` are not what a program of so many ``inputs``
        can be judged by."""
        value, field = (
            f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
            for array in (x, labels)
        )
        codes = isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim == 2
        fits = codes and x.shape[1] == inputs and len(x) > 0
        require(fits, "samples", value, f"uint8 (n, {inputs}) with n >= 1", CampaignError)
        fits = isinstance(labels, np.ndarray) and labels.shape == (len(x),) and labels.dtype.kind in "ui"
        require(fits, "labels", field, f"integers ({len(x)},)", CampaignError)
        lowest, highest = int(labels.min()), int(labels.max())
        require(
            lowest >= 0 and highest < 1 << 16, "labels", f"{lowest}..{highest}", "0..65535", CampaignError
        )
        room = SAMPLES_MAX - len(x)
        require_field(self, self.first_sample <= room, "first_sample", f"0..{room}")
