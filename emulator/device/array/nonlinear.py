"""Cells whose current is not proportional to voltage: the crossbar's equations iterated to their solution.

I = G V (1 + c V^2) / (1 + c Vr^2): G is the conductance a programmer reads at the voltage ``Vr``, c the cubic
coefficient in 1/V^2. Each pass solves the sparse nodal equations with every cell's secant conductance I / V
at the voltage it had in the pass before; the passes end when no secant conductance changes any more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

from emulator.device.array.crossbar import MICRO, checked, effective_matrix
from emulator.errors import PhysicsError

Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-12
"""Largest relative change of a secant conductance at which the passes end."""
PASSES_MAX = 200


@dataclass(frozen=True)
class Cubic:
    """The cells' law: coefficient in 1/V^2 and the voltage conductances are specified at, volts."""

    coefficient_per_V2: float
    read_voltage_V: float

    def __post_init__(self) -> None:
        if not 0 <= self.coefficient_per_V2 < np.inf:
            raise PhysicsError(
                f"coefficient_per_V2 is {self.coefficient_per_V2}; accepted: 0 or more, finite"
            )
        if not 0 < self.read_voltage_V < np.inf:
            raise PhysicsError(f"read_voltage_V is {self.read_voltage_V}; accepted: above 0, finite")

    def secant(self, g_uS: Floats, v: Floats) -> Floats:
        """I / V in microsiemens of cells ``g_uS`` at ``v`` volts across them."""
        c = self.coefficient_per_V2
        return g_uS * (1.0 + c * np.square(v)) / (1.0 + c * self.read_voltage_V**2)


def operating_point(
    g_uS: npt.ArrayLike,
    row_voltage_V: npt.ArrayLike,
    law: Cubic,
    wire_resistance_ohm: float,
    access_resistance_ohm: float = 0.0,
) -> tuple[Floats, Floats]:
    """Column currents in microamperes (M,) of row voltages (K,), and the cells' secant conductances (K, M).

    Raises
    ------
    PhysicsError
        As ``crossbar.effective_matrix``; when shapes differ; when the passes do not settle.
    """
    g = checked(g_uS, wire_resistance_ohm, access_resistance_ohm)
    v = np.asarray(row_voltage_V, np.float64)
    if v.shape != g.shape[:1] or not np.isfinite(v).all():
        raise PhysicsError(f"row_voltage_V has shape {v.shape}; accepted: {g.shape[:1]}, finite")
    secant = law.secant(g, np.zeros_like(g))
    for _ in range(PASSES_MAX):
        branch = secant / (1.0 + secant * (MICRO * access_resistance_ohm))
        across, currents = _solve(branch, v, wire_resistance_ohm)
        # Of the branch's voltage the cell has the part that the access transistor leaves.
        after = law.secant(g, across * np.divide(branch, secant, out=np.ones_like(g), where=secant > 0))
        change = np.abs(after - secant).max(initial=0.0) / max(float(g.max()), 1e-300)
        secant = after
        if change < TOLERANCE:
            return currents, secant
    raise PhysicsError(
        f"cubic cells do not settle in {PASSES_MAX} passes (last change {change:.1e}); accepted: a smaller "
        f"coefficient_per_V2 than {law.coefficient_per_V2} or lower row voltages"
    )


def effective_matrix_at(
    g_uS: npt.ArrayLike,
    row_voltage_V: npt.ArrayLike,
    law: Cubic,
    wire_resistance_ohm: float,
    access_resistance_ohm: float = 0.0,
) -> Floats:
    """The linear matrix (K, M), microsiemens, that has the cells' secant conductances at one operating point.

    ``row_voltage_V @ matrix`` are the exact currents there; elsewhere it is an approximation, better the
    smaller c V^2.
    """
    _, secant = operating_point(g_uS, row_voltage_V, law, wire_resistance_ohm, access_resistance_ohm)
    return effective_matrix(secant, wire_resistance_ohm, access_resistance_ohm)


def nodal_matrix(g: Floats, wire: float) -> sparse.csc_array:
    """Nodal equations of the circuit in ``crossbar``, sparse (2 K M, 2 K M): row nodes, then column nodes."""
    rows, columns = g.shape
    row_chain, column_chain = _chain(columns), _chain(rows)
    row_chain[-1, -1] = 1.0  # the row's far end is open
    column_chain[0, 0] = 1.0  # so is the column's top
    row_wires = sparse.kron(sparse.eye_array(rows), row_chain.tocsc())
    column_wires = sparse.kron(column_chain.tocsc(), sparse.eye_array(columns))
    cells = sparse.diags_array(g.ravel())
    return sparse.csc_array(
        sparse.block_array([[wire * row_wires + cells, -cells], [-cells, wire * column_wires + cells]])
    )


def _chain(n: int) -> sparse.lil_array:
    return sparse.diags_array(
        [-np.ones(n - 1), 2.0 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1]
    ).tolil()


def _solve(g: Floats, v: Floats, wire_resistance_ohm: float) -> tuple[Floats, Floats]:
    """Voltage across every branch (K, M) and column currents (M,)."""
    if wire_resistance_ohm == 0:
        return np.broadcast_to(v[:, None], g.shape), v @ g
    rows, columns = g.shape
    wire = 1.0 / (MICRO * wire_resistance_ohm)
    right = np.zeros(2 * g.size)
    right[np.arange(rows) * columns] = wire * v
    # Symmetric and diagonally dominant: no pivoting, so the ordering may use the symmetric pattern.
    options = {"SymmetricMode": True}
    factor = splu(nodal_matrix(g, wire), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    on_rows, on_columns = factor.solve(right).reshape(2, rows, columns)
    return on_rows - on_columns, wire * on_columns[-1]
