"""The integer operations, against exact rational arithmetic; codes without their zeros."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndrite.emulator.spec.arithmetic import clip, dac_slice, isqrt, rshift_round, slices
from ndrite.emulator.spec.packets import sparse
from tests.stimulus import dense


@given(st.integers(-(1 << 50), 1 << 50), st.integers(0, 47))
def test_rshift_round_rounds_half_up(v: int, s: int) -> None:
    expected = math.floor(Fraction(v, 1 << s) + Fraction(1, 2)) if s else v
    assert rshift_round(v, s) == expected
    assert rshift_round(np.array([v]), s).tolist() == [expected]


ROOTS = st.integers(0, (1 << 25) - 1)
AROUND_SQUARES = st.builds(lambda root, step: max(0, root * root + step), ROOTS, st.sampled_from([-1, 0, 1]))


@given(st.integers(0, (1 << 50) - 1) | AROUND_SQUARES)
def test_isqrt_is_the_floor(v: int) -> None:
    assert isqrt(np.array([v])).tolist() == [math.isqrt(v)]
    assert isqrt(v) == math.isqrt(v)


@given(st.integers(0, 255), st.sampled_from([1, 2, 4, 8]))
def test_slices_add_up_to_the_code(x: int, dac_bits: int) -> None:
    parts = [dac_slice(x, j, dac_bits) for j in range(slices(dac_bits))]
    assert sum(p << j * dac_bits for j, p in enumerate(parts)) == x
    assert all(0 <= p < 1 << dac_bits for p in parts)


@given(st.integers(), st.integers(-100, 0), st.integers(0, 100))
def test_clip_saturates(v: int, low: int, high: int) -> None:
    assert clip(v, low, high) == sorted([low, v, high])[1]


@pytest.mark.parametrize("count", [*range(1, 26), 784])
def test_every_count_and_density(count: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.integers(1, 256, (40, count)).astype(np.uint8)
    x[rng.random((40, count)) < np.linspace(0, 1, 40)[:, None]] = 0
    payloads = sparse(x)
    assert [len(p) for p in payloads] == [-(-count // 8) + np.count_nonzero(row) for row in x]
    for row, payload in zip(x, payloads, strict=True):
        read = dense(payload, count)
        np.testing.assert_array_equal(read, row)
        # A byte more or less is none of so many codes.
        assert dense(payload + b"\1", count) is None
        assert dense(payload[:-1], count) is None


def test_of_nothing() -> None:
    assert sparse(np.zeros((0, 5), np.uint8)) == []
