"""Settling of an array's wires against the circuit itself, all nodes in one
system of equations."""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import expm

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.settling import settled
from ndrite.emulator.mapping.cells import through_wires

OHM, FARAD = 20.0, 1e-15


def currents(cells: np.ndarray, row: int, seconds: float) -> np.ndarray:
    """Currents (columns,) at the sensed ends after ``row`` was driven with 1 V: every
    node of both wires with its capacitance, cells (rows, columns) in siemens between
    them; unused cells are 0."""
    rows, columns = cells.shape
    node = np.arange(2 * rows * columns).reshape(2, rows, columns)
    laplacian, driven = np.zeros((node.size, node.size)), np.zeros(node.size)

    def join(a: int, b: int, siemens: float) -> None:
        for i, j in ((a, b), (b, a)):
            laplacian[i, i] += siemens
            laplacian[i, j] -= siemens

    for k in range(rows):
        for m in range(columns):
            join(node[0, k, m], node[1, k, m], cells[k, m])
            if m:
                join(node[0, k, m - 1], node[0, k, m], 1 / OHM)
            else:  # the drivers: 1 V on one row, 0 V on the others
                laplacian[node[0, k, 0], node[0, k, 0]] += 1 / OHM
                driven[node[0, k, 0]] = (k == row) / OHM
            if k:
                join(node[1, k - 1, m], node[1, k, m], 1 / OHM)
    for m in range(columns):  # the virtual ground below the last row
        laplacian[node[1, -1, m], node[1, -1, m]] += 1 / OHM
    final = np.linalg.solve(laplacian, driven)
    v = final - expm(-laplacian * (seconds / FARAD)) @ final
    return v[node[1, -1]] / OHM


@pytest.mark.parametrize(("rows", "columns"), [(6, 5), (4, 4), (1, 3)])
def test_it_is_the_circuits_transient(rows: int, columns: int) -> None:
    """Cells of 1 nS hardly load wires of 20 ohm; an equal number of rows and
    columns has equal modes."""
    worst = 0.0
    for read in (0.3, 2.0, 20.0):
        seconds = read * OHM * FARAD
        part = settled(rows, columns, OHM * FARAD, seconds)
        for k in range(rows):
            cells = np.full((rows, columns), 1e-9)
            worst = max(worst, np.abs(currents(cells, k, seconds) / 1e-9 - part[k]).max())
    assert worst < 1e-5
    assert 0.2 < settled(6, 5, 1.0, 20.0)[0, 4] < 0.9


def test_unused_rows_and_columns_load_the_wires_and_places_count() -> None:
    layout = {"rows": 16, "columns": 8, "wire_resistance_ohm": 1.0, "wire_capacitance_fF": 1e3}
    base = load_chip("ideal")
    chip = dataclasses.replace(base, array=dataclasses.replace(base.array, **layout, read_time_ns=0.03))
    pairs = np.full((2, 5, 3), 1e-3)
    part = settled(16, 8, 1e-12, 3e-11)
    np.testing.assert_allclose(through_wires(pairs, chip, None), pairs * part[11:, :3], rtol=1e-5)
    place = np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(
        through_wires(pairs, chip, None, place), pairs * part[11:, :3][place], rtol=1e-5
    )
    later = dataclasses.replace(chip, array=dataclasses.replace(chip.array, read_time_ns=10.0))
    np.testing.assert_allclose(through_wires(pairs, later, None), pairs, rtol=1e-5)
