"""Codes without their zeros: written as the document says, and read back."""

import numpy as np
import pytest

from emulator.spec.sparse import sparse
from tests.stimulus import dense


def test_by_hand() -> None:
    x = np.array([[0, 5, 0, 0, 0, 0, 0, 255, 0, 7], [0] * 10, [9] * 10], np.uint8)
    assert sparse(x) == [
        bytes([0b1000_0010, 5, 255, 0b10, 7]),
        bytes([0, 0]),
        bytes([255, *[9] * 8, 0b11, 9, 9]),
    ]


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


def test_bits_behind_the_last_code() -> None:
    assert dense(bytes([0b101, 1, 2]), 3) is not None
    assert dense(bytes([0b1001, 1, 2]), 3) is None


def test_of_nothing() -> None:
    assert sparse(np.zeros((0, 5), np.uint8)) == []
