"""The integer operations, against exact rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.spec.arithmetic import clip, dac_slice, isqrt, rshift_round, slices


@given(st.integers(-(1 << 50), 1 << 50), st.integers(0, 47))
def test_rshift_round_rounds_half_up(v: int, s: int) -> None:
    expected = math.floor(Fraction(v, 1 << s) + Fraction(1, 2)) if s else v
    assert rshift_round(v, s) == expected
    assert rshift_round(np.array([v]), s).tolist() == [expected]


@pytest.mark.parametrize(("v", "s", "expected"), [(3, 1, 2), (-3, 1, -1), (2, 2, 1), (-2, 2, 0), (-5, 0, -5)])
def test_rshift_round_worked_cases(v: int, s: int, expected: int) -> None:
    assert rshift_round(v, s) == expected


@given(st.integers(0, (1 << 50) - 1))
def test_isqrt_is_the_floor(v: int) -> None:
    assert isqrt(np.array([v])).tolist() == [math.isqrt(v)]
    assert isqrt(v) == math.isqrt(v)


@given(st.integers(0, (1 << 25) - 1), st.sampled_from([-1, 0, 1]))
def test_isqrt_around_squares(root: int, step: int) -> None:
    v = max(0, root * root + step)
    assert isqrt(np.array([v])).tolist() == [math.isqrt(v)]


@given(st.integers(0, 255), st.sampled_from([1, 2, 4, 8]))
def test_slices_add_up_to_the_code(x: int, dac_bits: int) -> None:
    parts = [dac_slice(x, j, dac_bits) for j in range(slices(dac_bits))]
    assert sum(p << j * dac_bits for j, p in enumerate(parts)) == x
    assert all(0 <= p < 1 << dac_bits for p in parts)


@given(st.integers(), st.integers(-100, 0), st.integers(0, 100))
def test_clip_saturates(v: int, low: int, high: int) -> None:
    assert clip(v, low, high) == sorted([low, v, high])[1]
