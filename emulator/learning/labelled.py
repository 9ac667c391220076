"""Labelled: samples with their classes, for training and for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.spec.archive import digest
from ndrite.emulator.spec.arithmetic import Codes
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.task import CLASSES

Classes = npt.NDArray[Any]


@record()
class Labelled:
    """Training and test samples, uint8 (n, inputs), with their classes (n,), integers
    from 0. If the samples are a user's own, there are no test samples.

    ``side``: side of square images; None where samples are a user's own and not known
    to be images. ``classes``: their names; ``own``: a user's own samples, not a data
    set that commands know by name.
    """

    name: str
    x: Codes
    labels: Classes
    test_x: Codes
    test_labels: Classes
    side: int | None = None
    classes: tuple[str, ...] = ()
    own: bool = False

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return len(self.classes) or int(self.labels.max()) + 1

    @property
    def meaning(self) -> Meaning:
        """Meaning of inputs and outputs of a network that learns these samples."""
        if not self.classes:
            return Meaning()
        return Meaning(data_set=None if self.own else self.name, task=CLASSES, classes=self.classes)

    def digest(self) -> str:
        """Return the SHA-256 of the training samples, their labels and the image size."""
        return digest({"side": self.side}, {"x": self.x, "labels": self.labels.astype(np.int64)})

    def held_out(self, count: int, what: str) -> Labelled:
        """Return the data with the last ``count`` training samples used as the test
        samples instead. ``what`` names the parameter in errors.

        Raises EmulatorError when nothing else is left.
        """
        require(len(self.x) > 1, "number of samples", 1, "2 or more, one to measure on", EmulatorError)
        n = len(self.x) - count
        require(n >= 1, what, count, f"1..{n + count - 1}; the others are learned from", EmulatorError)
        x, y = self.x, self.labels
        return replace(self, x=x[:n], labels=y[:n], test_x=x[n:], test_labels=y[n:])
