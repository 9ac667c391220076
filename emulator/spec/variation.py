"""Variation: how the cells of virtual chips differ, in integers.

A *virtual chip* is a number. Under a seed, every memory cell of chip ``c`` is drawn from

    code = clip((mean[a] * 256 + sigma[a] * g + 2^15) >> 16, 0, code_max)

where ``a`` is the target code of the cell, ``mean`` and ``sigma`` tables in Q8.8 code
units, and g a Q4.8 normal sample of (seed, chip, layer, column, row, side). Cells stick
instead, at ``stuck_code_low`` where a 16-bit uniform number u of the same draw is below
``stuck_low`` and at ``stuck_code_high`` where u + ``stuck_high`` >= 2^16. A weight w
with |w| = a is a pair: the cell on its sign's side has target a, the other has target
0; the drawn weight is the difference of the two drawn codes. Drift is in the tables:
``mean`` is where cells have moved to, ``sigma`` holds what time adds to the spread.

The sample generator is that of the read noise (``ndrite.emulator.spec.noise``) under
another domain. The key of layer and column is Speck64/128 of (layer << 24, column)
under (seed, ``DOMAIN_CELL``, chip + 1). The cell's 32 bits are its Speck32 rounds of 2
* row + side (side 0 is G+). The sample g takes 20 of them, as always. The number u is
the remaining 12 above the lowest 4 of g's, so that rates resolve 2^-16. What u shares
with g changes the law of a good cell's g by less than 2^-12 in total variation.

Campaigns: many virtual chips, many samples, several trials of read noise; only votes
come back. Chip c of a campaign under seed s is virtual chip c of s. Image i in trial t
is the inference of index i + (t << 20) with the read noise of seed s and stream c + 1.
Its vote goes to the class with the largest logit, the first of equals. So a vote
depends on (sample, s, c, i, t) alone, not on how a campaign is cut into pieces.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import SpecError, require, require_field
from ndrite.emulator.spec.layer import Word, check_ints

DOMAIN_CELL = 0x63656C6C
"""Third word of the cipher key for the random errors of a cell, "cell" in ASCII; the
fourth word is the stream, chip + 1."""
TABLE_WORDS = 256
CODE_FRACTION = 8
"""Number of fraction bits in ``mean`` and ``sigma``."""
ROW_MAX = 1 << 15
TRIAL_SHIFT = 20
"""Inference index of sample i in trial t of a campaign: i + (t << TRIAL_SHIFT)."""
SAMPLES_MAX = 1 << TRIAL_SHIFT
TRIALS_MAX = 1 << (32 - TRIAL_SHIFT)
CHIPS_MAX = (1 << 32) - 1
"""Number of virtual chips of one seed, which are numbered 0..CHIPS_MAX - 1. The read
noise of chip c uses stream c + 1 as well."""


@record(kw_only=True)
class Variation:
    """How virtual chips differ from each other (``Program.variation``): tables uint16
    (256,) of the mean and deviation of a cell's code, and the shares of stuck cells.

    ``mean``, ``sigma`` in Q8.8 code units by target code; ``stuck_low``, ``stuck_high``
    in 2^-16 (together at most 65535); codes 0..``code_max``, which is 255 or 127.
    """

    mean: npt.NDArray[np.uint16]
    sigma: npt.NDArray[np.uint16]
    stuck_low: Word = 0
    stuck_high: int = 0
    stuck_code_low: int = 0
    stuck_code_high: int = 255
    code_max: int = 255

    def __post_init__(self) -> None:
        for name, array in (("mean", self.mean), ("sigma", self.sigma)):
            fits = array.dtype == np.uint16 and array.shape == (TABLE_WORDS,)
            form = f"{array.dtype} {array.shape}"
            require(fits, f"variation.{name}", form, f"uint16 ({TABLE_WORDS},)")
        require(self.code_max in (127, 255), "variation.code_max", self.code_max, "127 or 255")
        check_ints("variation", self)
        codes = dict.fromkeys(("stuck_code_low", "stuck_code_high"), (0, self.code_max))
        check_ints("variation", self, stuck_high=(0, 65535 - self.stuck_low), **codes)

    def scalars(self) -> dict[str, int]:
        """Return the scalar fields, as the manifest holds them under ``variation``."""
        return {
            "stuck_low": self.stuck_low,
            "stuck_high": self.stuck_high,
            "stuck_code_low": self.stuck_code_low,
            "stuck_code_high": self.stuck_code_high,
            "code_max": self.code_max,
        }

    def words(self) -> npt.NDArray[np.int32]:
        """Return the tables packed as memory words, mean | sigma << 16, int32 (256,)."""
        packed = self.mean.astype(np.uint32) | self.sigma.astype(np.uint32) << 16
        return packed.view(np.int32)

    def codes_word(self) -> int:
        """Return the value of the register ``stuck_codes``."""
        return self.stuck_code_low | self.stuck_code_high << 8 | self.code_max << 16


def inference_index(sample: int, trial: int) -> int:
    """Return the index that selects the read noise of a sample in a trial."""
    return sample + (trial << TRIAL_SHIFT)


class CampaignError(SpecError, ValueError):
    """A campaign's parameters are out of range; nothing was run."""


@record()
class CampaignResult:
    """Result of a campaign of virtual chips: votes for each sample, and the right
    votes of each chip.

    ``votes`` int64 (samples, classes) over all chips and trials; ``correct`` int64
    (chips,), votes of each chip for the labels of samples, at most samples * trials.
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
        """Fraction of each chip's votes that are right, float64 (chips,)."""
        return self.correct / (self.samples * self.trials)


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Parameters of a campaign of virtual chips. It runs chips ``first_chip`` to
    ``first_chip + chips - 1`` of ``seed``, with ``trials`` trials of read noise for
    each sample; sample i has the noise index ``first_sample`` + i. ``noise`` False
    turns read noise off. Raises CampaignError, naming the first field that is out of
    range, and the range."""

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

    def check(self, x: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], inputs: int) -> None:
        """Raise CampaignError unless samples ``x`` and ``labels`` fit a program with
        ``inputs`` inputs."""
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
