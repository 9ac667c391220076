"""In-situ learning in integers, bit for bit what the gateware of ``ndrite.hdl.learn``
does, one module per block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ndrite.emulator.golden.fast import available
from ndrite.emulator.golden.learn.learner import Learner
from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.learning import Counts, Learning

if TYPE_CHECKING:
    from ndrite.emulator.golden.learn.fast import FastLearner


def make_learner(
    learning: Learning, *, seed: int = 0, states: Sequence[IntArray] | None = None, noise: bool = True
) -> Learner | FastLearner:
    """Build the compiled learner, or the NumPy learner if numba is not available. Both
    compute the same device states."""
    if not available():
        return Learner(learning, seed=seed, states=states, noise=noise)
    from ndrite.emulator.golden.learn.fast import FastLearner

    return FastLearner(learning, seed=seed, states=states, noise=noise)
