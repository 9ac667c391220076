"""By what outputs are judged: classes by the largest output, or targets by the error of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ACCURACY, RMS_ERROR = "accuracy", "rms_error"


def accuracy(outputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Fraction of rows whose largest output (the first of equals) is the label's; NaN without any."""
    return float((outputs.argmax(axis=1) == labels).mean()) if len(labels) else float("nan")


def rms_error(outputs: npt.NDArray[Any], targets: npt.NDArray[np.float64]) -> float:
    """Root mean square over all of outputs (..., n, outputs) less targets (n, outputs)."""
    return float(np.sqrt(np.square(outputs - targets).mean()))


class Judge:
    """Outputs (n, M) in the model's unit against ``labels``: integers (n,), or targets (n, M).

    ``measure`` is ``"accuracy"``, 0..1, or ``"rms_error"`` over all outputs, in the model's unit.
    """

    def __init__(self, labels: npt.NDArray[Any], reference: Floats) -> None:
        self.labels = labels
        self.classes = labels.ndim == 1 and labels.dtype.kind in "iu"
        self.measure = ACCURACY if self.classes else RMS_ERROR
        self.reference = self.score(reference)
        self._known = self.right(reference) if self.classes else None

    def right(self, out: Floats) -> npt.NDArray[np.bool_]:
        """Which samples' largest output is their class; of classes alone."""
        return np.asarray(out.argmax(axis=1) == self.labels)

    def score(self, out: Floats) -> float:
        """The measure of outputs."""
        return accuracy(out, self.labels) if self.classes else rms_error(out, self.labels.reshape(out.shape))

    def judged(self, out: Floats) -> dict[str, Any]:
        """Measure, and of classes how many samples were lost and won against the reference's answers."""
        found: dict[str, Any] = {self.measure: self.score(out)}
        if self._known is not None:
            right = self.right(out)
            found["lost"] = int((self._known & ~right).sum())
            found["won"] = int((right & ~self._known).sum())
        return found
