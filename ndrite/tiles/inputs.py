"""Watched: statistics of a matrix product's inputs over the samples: ranges, scales
of channels, codes."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.network import InputRange
from ndrite.emulator.network.importing.view import code_span
from ndrite.emulator.spec.patches import Patches


class Watched:
    """Statistics of a matrix product's inputs over the samples: first the range of the
    values, then input patches as codes of that range.

    ``calls`` is the number of reads and ``seen`` the number of patches in all of them.
    ``codes`` uint8 (n, C
    * kh * kw) are patches, evenly picked from the ``shown`` ones so far. ``given`` are
      the patches as the die
    computes them, if the product is read once per sample. With several reads, those of
    the first would not be representative.

    ``low`` and ``high`` float64 (C,) are the ends of the values of each channel.
    """

    def __init__(self, name: str, channels: int) -> None:
        self.name = name
        self.low, self.high = np.full(channels, np.inf), np.full(channels, -np.inf)
        self.seen = self.calls = 0
        self.given: npt.NDArray[np.uint8] | None = None
        self.codes = np.zeros((0, 0), np.uint8)
        self.shown = 0

    @property
    def input_range(self) -> InputRange:
        """Return the values that codes 0 and 255 stand for. If 0 lies between them, a
        code stands for exactly 0."""
        low, high = float(self.low.min()), float(self.high.max())
        span = code_span(low, high, (0.0,) if low < 0 < high else ())
        return InputRange(np.array([span.low]), np.array([span.low + span.width]))

    def balance(self, largest_weights: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
        """Return the scales (C,) by which the values of channels are divided from
        now on, from the largest weight (C,) of each channel: max|x|^share /
        max|w|^(1 - share).

        Xiao et al., SmoothQuant, ICML 2023, arXiv 2211.10438, equation 4. Channels
        without values or weights count as the smallest of the others.
        """
        largest = np.maximum(np.abs(self.low), np.abs(self.high)), largest_weights
        inputs, weights = (np.maximum(v, v[v > 0].min(initial=v.max() or 1.0)) for v in largest)
        scale: npt.NDArray[np.float64] = inputs**share / weights ** (1 - share)
        self.low, self.high = self.low / scale, self.high / scale
        return scale

    def show(self, watching: str, x: npt.NDArray[np.floating], patches: Patches, wanted: int) -> None:
        """Record the input maps ``x`` (n, C, H, W) of one read of the product. Samples
        pass through the module up to three times, and ``watching`` names the pass. In
        "range", the range of values is extended. In "rows", patches are added as codes,
        at most ``wanted`` in all. In "given", which is used if the product is read
        once, these patches are replaced by those that the die itself computes."""
        count = len(x) * patches.positions
        if watching == "range":
            if x.size:
                low, high = x.min(axis=(0, 2, 3)), x.max(axis=(0, 2, 3))
                if not (np.isfinite(low).all() and np.isfinite(high).all()):
                    raise EmulatorError(
                        f"{self.name}: the samples lead to values that are not finite; accepted: samples "
                        "with finite values"
                    )
                self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
            self.seen, self.calls = self.seen + count, self.calls + 1
            return
        first = 0 if watching == "given" else self.shown
        pick = np.unique(np.linspace(0, self.seen - 1, min(wanted, self.seen)).astype(np.int64))
        pick = pick[(pick >= first) & (pick < first + count)] - first
        codes: npt.NDArray[np.uint8] = np.zeros((0, patches.groups * patches.inputs), np.uint8)
        if len(pick):
            by_place = self.input_range.encode(patches.pick(x, pick))
            of_group = by_place.reshape(len(pick), patches.groups, *patches.kernel, -1)
            codes = of_group.transpose(0, 1, 4, 2, 3).reshape(len(pick), -1)
        if watching == "given":
            self.given = codes
            return
        self.codes = np.concatenate([self.codes.reshape(-1, codes.shape[1]), codes])
        self.shown += count
