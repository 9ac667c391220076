"""Task: how outputs are interpreted, and how answers are scored against labels.

A task is decided when a network is compiled and stands in the compiled file: without
it, column 0 of the outputs would be taken for a label 0 that the model calls class 1.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import Array, Bools, Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import MeaningError, require
from ndrite.emulator.spec.patches import Shape

CLASSES, TWO_CLASSES, LABELS, VALUES = "classes", "two classes", "labels", "values"
KINDS = (CLASSES, TWO_CLASSES, LABELS, VALUES)
ACCURACY, LABEL_ACCURACY = "accuracy", "label_accuracy"
RMS_ERROR, MEAN_ERROR = "rms_error", "mean_absolute_error"
MEASURES = {
    CLASSES: (ACCURACY,),
    TWO_CLASSES: (ACCURACY,),
    LABELS: (ACCURACY, LABEL_ACCURACY),
    VALUES: (RMS_ERROR, MEAN_ERROR),
}
"""Kind of task -> its measures, the default one first."""
SOFTMAX, SIGMOID, IDENTITY = "softmax", "sigmoid", "identity"
PROBABILITIES = ("", SOFTMAX, SIGMOID, IDENTITY)
"""Functions that turn outputs into probabilities; empty if the model has none."""


@record(kw_only=True)
class Task:
    """How a sample's outputs (n, M), in the model's unit, are interpreted: as classes,
    labels or values. Raises MeaningError, naming the field that is out of range.

    Attributes
    ----------
    kind:
        ``classes``: an output, or a channel of a map, per class; the largest is the
        answer. ``two classes``: one output, or one channel; the second class above
        ``threshold``. ``labels``: every output is a label of its own, present above
        ``threshold``. ``values``: the outputs themselves.
    shape:
        (C, H, W) of one sample's outputs. A map of classes has an answer at each of
        its H x W places.
    classes:
        Name of each class or label, in the order of the outputs; empty: numbers from 0.
    named_labels:
        Whether labels are these names alone; else numbers of outputs from 0 are labels too.
    threshold:
        Of ``two classes`` and ``labels``, in the model's unit: 0 for scores, 0.5
        for probabilities.
    measure:
        ``accuracy``: share of right answers, of ``labels`` samples with all
        labels right (scikit-learn's subset accuracy); ``label_accuracy``: share
        of right labels; ``rms_error`` and ``mean_absolute_error``: over all
        values, in the model's unit.
    """

    kind: str
    shape: Shape
    classes: tuple[str, ...] = ()
    named_labels: bool = False
    threshold: float = 0.0
    measure: str = ""

    def __post_init__(self) -> None:
        require(self.kind in KINDS, "task", repr(self.kind), ", ".join(KINDS), MeaningError)
        object.__setattr__(self, "measure", self.measure or MEASURES[self.kind][0])
        require(
            self.measure in MEASURES[self.kind],
            "measure",
            repr(self.measure),
            f"{' or '.join(MEASURES[self.kind])}, as outputs are {self.kind}",
            MeaningError,
        )

    @property
    def outputs(self) -> int:
        """Number of output values of one sample."""
        return math.prod(self.shape)

    @property
    def places(self) -> int:
        """Number of answers of one sample: the pixels H x W of a map; 1 if the
        outputs are no map."""
        return self.shape[1] * self.shape[2]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each class or label. Without given names they are the numbers from 0;
        empty for the task ``values``."""
        count = {TWO_CLASSES: 2, VALUES: 0}.get(self.kind, self.shape[0])
        return self.classes or tuple(map(str, range(count)))

    @property
    def is_vote(self) -> bool:
        """Whether the answer is the number of the largest of all outputs, which is what
        boards count as votes."""
        return self.kind == CLASSES and self.places == 1

    @property
    def is_share(self) -> bool:
        """Whether the measure is a share of right answers, 0..1, so that larger is better."""
        return self.measure in (ACCURACY, LABEL_ACCURACY)

    def answers(self, outputs: Array) -> Array:
        """Return the answers that outputs (n, M) stand for: class numbers (n,), or (n,
        H * W) for a map; labels as bool (n, M); values unchanged."""
        if self.kind == VALUES:
            return outputs
        if self.kind == LABELS:
            return outputs > self.threshold
        maps = outputs.reshape(len(outputs), self.shape[0], self.places)
        decided = maps.argmax(axis=1) if self.kind == CLASSES else (maps[:, 0] > self.threshold).astype(int)
        return decided[:, 0] if self.places == 1 else decided

    def right(self, outputs: Array, truth: Array) -> Bools:
        """Return for each answer whether it equals ``truth``, in the shape that
        ``answers`` returns. For labels measured by accuracy the shape is (n,): all
        labels of a sample have to be right."""
        right = self.answers(outputs) == truth
        return right.all(axis=1) if self.kind == LABELS and self.measure == ACCURACY else np.asarray(right)

    def score(self, outputs: Array, truth: Array) -> float:
        """Return the measure of outputs (n, M) against ``truth``, which has the form of
        ``answers``; NaN without samples."""
        if not len(truth):
            return math.nan
        if self.is_share:
            return float(self.right(outputs, truth).mean())
        error = outputs - truth
        return float(np.sqrt(np.square(error).mean()) if self.measure == RMS_ERROR else np.abs(error).mean())


def probabilities(outputs: Floats, kind: str, function: str) -> Floats:
    """Return the probabilities (n, classes) that ``function`` (softmax, sigmoid or
    identity) computes from outputs (n, M) in the model's unit.

    ``two classes`` give both columns, ``labels`` a column per label. Sigmoids of
    more than two classes are divided by their sum, as scikit-learn's
    one-versus-rest classifiers do.
    """
    if function == SOFTMAX:
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    shares = 1 / (1 + np.exp(-outputs)) if function == SIGMOID else np.clip(outputs, 0.0, 1.0)
    if kind == TWO_CLASSES:
        return np.hstack([1 - shares, shares])
    return np.asarray(
        shares if kind == LABELS else shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    )


def kind_of(classes: Sequence[str], shape: Shape) -> str:
    """Return the kind of task that the names ``classes`` imply for outputs of
    ``shape``; an empty text if there are no names.

    Raises MeaningError when neither an output per name nor one output of two names fits.
    """
    count, channels = len(classes), shape[0]
    if not count:
        return ""
    if count == channels:
        return CLASSES
    if count == 2 and channels == 1:
        return TWO_CLASSES
    also = "or 2 for one output with a threshold" if channels == 1 else "one per output"
    raise MeaningError(f"classes has {count} names; accepted: {channels}, {also}")


Truth = npt.NDArray[np.int64] | npt.NDArray[np.bool_] | Floats
"""Labels in the form of ``Task.answers``."""
