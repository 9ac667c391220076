"""Intervals against laws known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from ndrite.intervals import crossed, over_dies_and_samples


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


def test_crossed_intervals_hold_the_mean_of_all_three() -> None:
    """Networks, dies and samples each vary: the mean of the population lies in most intervals, and leaving
    the networks out makes them too short."""
    rng = np.random.default_rng(1)
    inside, alone = 0, 0
    for _ in range(60):
        values = (
            rng.normal(size=(6, 1, 1)) * 0.5 + rng.normal(size=(6, 6, 1)) * 0.3 + rng.normal(size=(1, 1, 80))
        )
        low, high = crossed(values)
        inside += low <= 0 <= high
        low, high = over_dies_and_samples(values.reshape(36, 80)[:, :])
        alone += low <= 0 <= high
    assert inside >= 48
    assert alone < inside
