"""Intervals against laws known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from ndrite.intervals import over_dies_and_samples


def test_dies_and_samples_both_widen_the_interval() -> None:
    """Normal dies plus normal samples: the mean's variance is the sum of both parts'."""
    rng = np.random.default_rng(1)
    dies, n = 40, 60
    of_dies, of_samples = 2.0 * rng.standard_normal((dies, 1)), 3.0 * rng.standard_normal((1, n))
    for values in (of_dies + 0 * of_samples, 0 * of_dies + of_samples, of_dies + of_samples):
        low, high = over_dies_and_samples(values)
        variance = values.mean(axis=1).var() / dies + values.mean(axis=0).var() / n
        assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.1)
        assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1)
