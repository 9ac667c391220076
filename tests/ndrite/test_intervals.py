"""Intervals against laws known in closed form."""

import statistics

import numpy as np
import pytest
from scipy import stats

from ndrite.intervals import crossed, crossed_of, loss, mean_interval, paired, spread, wilson
from ndrite.verbs.campaign import chip_yield


@pytest.mark.parametrize("n", [2, 3, 7, 40])
def test_a_mean_and_its_spread_are_scipys(n: int) -> None:
    """The t law's interval, and the standard deviation of a sample, not of a population."""
    values = np.random.default_rng(n).normal(3.0, 2.0, n)
    mean, half = mean_interval(values)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert half is not None
    assert (mean - half, mean + half) == pytest.approx((low, high))
    found = spread("accuracy", values)
    assert found["accuracy_mean_interval_95"] == pytest.approx([low, high])
    assert found["accuracy_std"] == pytest.approx(statistics.stdev(values))
    assert found["accuracy_median"] == pytest.approx(statistics.median(values))
    one = spread("accuracy", values[:1])
    assert (one["accuracy_std"], one["accuracy_mean_interval_95"]) == (None, None)
    for over in (3, 99):
        wilsons = stats.binomtest(int((values > over).sum()), n).proportion_ci(0.95, method="wilson")
        assert chip_yield(values > over, over)["yield_interval_95"] == pytest.approx(list(wilsons))
    for n in range(1, 200):
        assert (wilson(0, n)[0], wilson(n, n)[1]) == (0, 1)


def test_a_paired_interval_is_the_published_one() -> None:
    """Wald + 2 of Agresti and Min: half a sample in each case; n = 100, 12
    against 5 by hand."""
    low, high = paired(12, 5, 100)
    middle, half = 7 / 102, 1.959964 * (18 - 49 / 102) ** 0.5 / 102
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert paired(0, 0, 50)[1] == -paired(0, 0, 50)[0] > 0
    assert paired(2, 0, 2)[1] <= 1


def test_a_loss_is_never_negative_and_says_when_it_is_noise() -> None:
    assert loss(30, 5, 1000) == "2.50 points lost (1.33 .. 3.66)"
    assert loss(5, 30, 1000) == "2.50 points won (1.33 .. 3.66)"
    assert loss(4, 5, 1000).startswith("0.10 points won (-0.")
    assert loss(4, 5, 1000).endswith("), within the noise of 1,000 samples")
    assert loss(0, 0, 200).startswith("0.00 points lost (-")


def test_dies_and_samples_both_widen_the_interval() -> None:
    """Normal dies plus normal samples: the mean's variance is the sum of both parts'."""
    rng = np.random.default_rng(1)
    dies, n = 40, 60
    of_dies, of_samples = 2.0 * rng.standard_normal((dies, 1)), 3.0 * rng.standard_normal((1, n))
    for values in (of_dies + 0 * of_samples, 0 * of_dies + of_samples, of_dies + of_samples):
        low, high = crossed(values[None])
        variance = values.mean(axis=1).var() / dies + values.mean(axis=0).var() / n
        assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.1)
        assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1)
    # Networks of one die each, the same way.
    low, high = crossed(of_dies[:, :, None] + np.zeros((1, 1, n)))
    assert high - low == pytest.approx(2 * 1.96 * of_dies.std() / dies**0.5, rel=0.1)


@pytest.mark.parametrize(
    # networks, dies, deviation between networks, dies and samples, whether
    # networks share the dies
    ("networks", "dies", "deviations", "same_dies"),
    [(5, 3, (1.0, 0.3, 1.0), False), (1, 3, (0.0, 1.0, 1.0), False), (5, 3, (0.3, 1.0, 1.0), True)],
)
def test_few_of_what_differs_most_are_covered(
    networks: int, dies: int, deviations: tuple[float, float, float], same_dies: bool
) -> None:
    """Five networks, or three dies, that differ most: 95 % of the intervals
    hold the mean of all."""
    rng, covered, experiments = np.random.default_rng(9), 0, 400
    of_networks, of_dies, of_samples = deviations
    for _ in range(experiments):
        values = of_networks * rng.standard_normal((networks, 1, 1))
        values = values + of_dies * rng.standard_normal((1 if same_dies else networks, dies, 1))
        values = values + of_samples * rng.standard_normal((1, 1, 100))
        low, high = crossed(values, same_dies=same_dies)
        covered += low <= 0 <= high
    assert 0.895 <= covered / experiments <= 0.985  # a plain bootstrap covers 0.83, 0.72 and 0.79


def test_quantities_of_the_same_dies_are_drawn_together() -> None:
    """A ratio of two that move together has a narrow interval; drawn apart it would be wide."""
    rng = np.random.default_rng(2)
    before = 1.0 + 0.5 * rng.normal(size=(6, 5, 1)) + np.zeros((1, 1, 50))
    assert crossed_of(lambda b, a: 1 - a / b, before, 0.25 * before) == pytest.approx((0.75, 0.75))
    low, high = crossed_of(lambda b: b, before)
    assert (low, high) == crossed(before)
    # Of 30 dies of their own, variance 0.25: two standard errors are 0.18.
    assert high - low == pytest.approx(4 * 0.5 / 30**0.5, rel=0.35)


def test_dies_that_networks_share_are_drawn_once_for_all() -> None:
    """Normal dies, the same for ten networks: the mean's variance is that of 12
    dies, not of 120."""
    of_dies = np.random.default_rng(4).normal(size=(1, 12, 1)) + np.zeros((10, 1, 30))
    low, high = crossed(of_dies, same_dies=True)
    half = stats.t.ppf(0.975, 11) * of_dies[0, :, 0].std(ddof=1) / 12**0.5
    assert high - low == pytest.approx(2 * half, rel=0.1)
    own_low, own_high = crossed(of_dies)
    assert own_high - own_low < 0.5 * (high - low)


def test_what_stays_in_software_is_drawn_on_its_own() -> None:
    rng = np.random.default_rng(3)
    of_samples = rng.normal(size=(1, 1, 400))
    chip = 0.2 * rng.normal(size=(8, 1, 1)) + of_samples + np.zeros((1, 3, 1))
    beside = 0.3 * rng.normal(size=(9, 1)) + of_samples[0] + 1.0
    low, high = crossed_of(lambda a, b: b - a, chip, beside=beside)
    middle = beside.mean() - chip.mean()
    assert low < middle < high
    # The samples are the same on both sides and cancel: what is left is that of the networks.
    error = (chip.mean(axis=(1, 2)).var() / 8 + beside.mean(axis=1).var() / 9) ** 0.5
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.2)
