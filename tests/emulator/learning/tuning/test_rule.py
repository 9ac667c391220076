"""The rule from a gradient to a change of state, against its formula by hand."""

import numpy as np
import pytest

from emulator.learning.tuning.calibrate import Rule, rate_at


def test_the_rate_falls_to_a_tenth():
    assert [rate_at(0.2, step, 10) for step in (0, 5, 10)] == pytest.approx([0.2, 0.11, 0.02])


def test_changes_are_adams_with_short_memory():
    rule = Rule(2)
    # The first step is the whole rate whatever the gradient's size; both memories start without a bias.
    np.testing.assert_allclose(rule.change(np.array([1.0, -1e-6]), 0.01), [-0.01, 0.01], rtol=1e-5)
    mean = (0.8 * 0.2 * 1.0 + 0.2 * -0.5) / (1 - 0.8**2)
    square = (0.95 * 0.05 * 1.0 + 0.05 * 0.25) / (1 - 0.95**2)
    assert rule.change(np.array([-0.5, 0.0]), 0.01)[0] == pytest.approx(-0.01 * mean / square**0.5)


def test_no_device_changes_by_more_than_the_rate():
    rule = Rule(1)
    for _ in range(100):
        rule.change(np.zeros(1), 0.01)
    # Gradients that come all at once: the mean is there before the mean square is, 1.4 times the rate.
    changes = [rule.change(np.ones(1), 0.01)[0] for _ in range(6)]
    assert changes[-1] == -0.01
    assert min(changes) == -0.01


def test_the_sign_rule_has_no_memory():
    rule = Rule(3, sign=True)
    for size in (1.0, 1e-9):
        np.testing.assert_allclose(rule.change(size * np.array([2.0, 0.0, -5.0]), 0.03), [-0.01, 0, 0.01])
