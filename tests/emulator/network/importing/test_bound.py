"""The bound of codes and tables, node by node, against sums written out here."""

import numpy as np
import pytest

from emulator.network import Dense, Gate, Network, Patches, Pool, Product, Sampled, State, Table, Term
from emulator.network.importing.bound import error_bound

HALF = 0.5 / 255
LINE = Sampled("line", np.array([[-2.0, 2.0], [0.0, 1.0]], np.float32))
"""Slope 1/4; one of 3,968 voltage codes is 4 / 3968."""
ROUNDING = 0.5 * 4 / 3968


def product(
    weights: list[list[float]], shape: tuple[int, int, int], source: int = 0, **rest: object
) -> Product:
    w = np.array(weights, np.float32)
    patches = rest.pop("patches", Patches.whole(shape))
    return Product(Dense(w, np.zeros(w.shape[1]), rest.pop("activation", None)), (source,), patches, **rest)


def bound(*nodes: object, shape: tuple[int, int, int], tables: list[float] | None = None) -> float | None:
    return error_bound(Network(nodes, shape), tables or [0.0] * len(nodes))


def test_a_product_and_its_function() -> None:
    first = product([[0.5, -1.0], [-2.0, 0.25]], (2, 1, 1))
    assert bound(first, shape=(2, 1, 1)) == pytest.approx(2.5 * HALF)
    curved = product([[0.5, -1.0], [-2.0, 0.25]], (2, 1, 1), activation=LINE)
    last = product([[1.0], [3.0]], (2, 1, 1), 1)
    each = [0.25 * (2.5 * HALF + ROUNDING) + 0.01, 0.25 * (1.25 * HALF + ROUNDING) + 0.01]
    assert bound(curved, last, shape=(2, 1, 1), tables=[0.01, 0.0]) == pytest.approx(each[0] + 3 * each[1])


def test_a_second_operand_a_border_and_groups() -> None:
    shape = (2, 3, 3)
    padded = Patches(shape=shape, kernel=(1, 3), padding=(0, 1, 0, 1), groups=2)
    weights = [[1.0, 2.0], [-1.0, 0.5], [1.0, -1.0]]
    skipped = product(weights, shape, patches=padded, skip=0, skip_weight=np.array([0.0, 5.0]))
    assert bound(skipped, shape=shape) == pytest.approx((3.5 + 5.0) * HALF)
    # A border between two codes is off by more than the inputs are.
    off = product(weights, shape, patches=padded, pad=10.5 / 255)
    assert bound(off, shape=shape) == pytest.approx(3.5 * HALF)
    assert bound(product(weights, shape, patches=padded, pad=10.0 / 255), shape=shape) == pytest.approx(
        3.5 * HALF
    )


def test_pooling_tables_and_gates() -> None:
    shape = (1, 4, 4)
    windows = Patches(shape=shape, kernel=(2, 2), stride=(2, 2))
    assert bound(Pool("max", (0,), windows), shape=shape) == pytest.approx(HALF)
    assert bound(Pool("average", (0,), windows, gain=3.0), shape=shape) == pytest.approx(4 * HALF)
    table = Table((0,), np.zeros(1, np.int32), np.array([2.0]), np.array([-1.0]), LINE)
    assert bound(table, shape=shape, tables=[0.02]) == pytest.approx(0.25 * (2 * HALF + ROUNDING) + 0.02)
    zero = 51 / 255
    gate = Gate((Term(a=0, gain=-0.5), Term(a=0, b=0, gain=2.0, a_zero=zero)), 1.0)
    expected = HALF + 0.5 * HALF + 2 * (HALF * 1.0 + HALF * 0.8 + HALF * HALF)
    assert bound(gate, shape=shape) == pytest.approx(expected)


def test_states_carry_errors_from_call_to_call() -> None:
    gate = Gate((Term(a=1, gain=0.5), Term(a=0, gain=0.5)), 0.0)
    network = Network((gate,), (1, 1, 1), states=(State(shape=(1, 1, 1), source=2),), calls=3)
    error = 0.0
    for _ in range(3):
        error = HALF + 0.5 * error + 0.5 * HALF
    assert error_bound(network, [0.0]) == pytest.approx(error)
    long = Network((gate,), (1, 1, 1), states=(State(shape=(1, 1, 1), source=2),), calls=1000)
    assert error_bound(long, [0.0]) is None
