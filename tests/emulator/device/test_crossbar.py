"""IR drop: the effective matrix against independent solutions of the whole circuit."""

import numpy as np
import pytest

from ndrite.emulator.device.crossbar import (
    Cubic,
    effective_matrix,
    effective_matrix_at,
    operating_point,
)
from tests.emulator.mapping.by_hand import circuit
from tests.extras import needs

LARGE = pytest.param((128, 128), marks=pytest.mark.slow)


@pytest.mark.parametrize("shape", [(32, 32), (24, 9), (9, 24), (1, 5), (5, 1), (1, 1), LARGE])
@pytest.mark.parametrize(("ohm", "access"), [(1.0, 0.0), (20.0, 3000.0), (0.0, 0.0), (0.0, 2000.0)])
def test_equals_a_general_nodal_solve(shape, ohm, access):
    rng = np.random.default_rng(sum(shape))
    g = rng.uniform(0, 40, shape)
    g[rng.random(shape) < 0.2] = 0.0
    v = rng.uniform(-0.2, 0.2, shape[0])
    want = v @ circuit(g, ohm, access)
    np.testing.assert_allclose(v @ effective_matrix(g, ohm, access), want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ohm", [1e-300, 1e-20, 1e-14, 1e-9])
def test_wires_of_next_to_no_resistance_take_nothing(ohm):
    g = np.random.default_rng(0).uniform(0, 40, (20, 12))
    np.testing.assert_allclose(effective_matrix(g, ohm), g, rtol=1e-9)


@pytest.mark.parametrize("n", [32, 128])
def test_equals_badcrossbar(n):
    badcrossbar = needs("badcrossbar")
    rng = np.random.default_rng(n)
    g = rng.uniform(1, 40, (n, n))
    v = rng.uniform(0, 0.2, (n, 3))
    want = badcrossbar.compute(v, 1e6 / g, 1.0).currents.output
    np.testing.assert_allclose(v.T @ effective_matrix(g, 1.0) * 1e-6, want, rtol=1e-9)


def test_cubic_cells_with_wires_obey_kirchhoff_and_their_own_law():
    rng = np.random.default_rng(2)
    g, v = rng.uniform(5, 40, (12, 10)), rng.uniform(0.05, 0.2, 12)
    law = Cubic(6.0, 0.2)
    currents, secant = operating_point(g, v, law, 30.0, 1000.0)
    # The secant conductances solve the linear circuit to the same currents ...
    np.testing.assert_allclose(v @ circuit(secant, 30.0, 1000.0), currents, rtol=1e-9)
    # ... every cell is on its curve: a lower voltage, a lower conductance ...
    assert (secant <= g).all()
    assert (secant > g / (1 + 6.0 * 0.2**2)).all()
    # ... and the matrix at this point gives its currents.
    np.testing.assert_allclose(v @ effective_matrix_at(g, v, law, 30.0, 1000.0), currents, rtol=1e-9)
    ohmic = v @ effective_matrix(g, 30.0, 1000.0)
    assert (np.abs(ohmic / currents - 1) > 0.02).any(), "the cubic term does something"


def test_a_cubic_cell_behind_a_transistor_is_at_its_own_voltage():
    """One cell, no wires: the transistor takes its part of the voltage, the cell's law
    holds at the rest."""
    (current,), secant = operating_point([[40.0]], [0.2], Cubic(6.0, 0.2), 0.0, 10_000.0)
    volts = 0.2 - current * 1e-6 * 10_000
    assert secant[0, 0] == pytest.approx(40.0 * (1 + 6.0 * volts**2) / (1 + 6.0 * 0.2**2), rel=1e-9)
    assert current == pytest.approx(secant[0, 0] * volts, rel=1e-9)
