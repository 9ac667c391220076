"""IR drop: a crossbar with resistive wires as one exact matrix from row voltages to column currents.

Each row is driven at its left end. Each column is sensed at its bottom end, into a virtual ground. ``r`` is
one wire segment, ``+`` a cell (its access transistor in series) from the row to the column crossing there::

                 column 0      column 1            column M-1

    V[0] --r--------+------r------+------r-- ... ------+
                    |             |                    |
                    r             r                    r
                    |             |                    |
    V[1] --r--------+------r------+------r-- ... ------+
                    |             |                    |
                    r             r                    r
                    :             :                    :
    V[K-1] --r------+------r------+------r-- ... ------+
                    |             |                    |
                    r             r                    r
                    |             |                    |
                   I[0]          I[1]                I[M-1]      each at 0 V

Rows and columns of an array that a layer leaves unused are at the far ends, above row 0 and right of column
M-1. Their transistors are off and no current flows there, so the circuit of the used cells alone is the same.

The bottom left cell sees one segment on its row and one on its column; the top right cell sees M and K. This
is the circuit of the package ``badcrossbar`` (github.com/joksas/badcrossbar). With ohmic cells it is linear,
so I = V @ G_eff exactly, and one factorisation of the nodal equations gives every entry of G_eff.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from emulator.errors import PhysicsError
from emulator.golden.threads import one_blas_thread

Floats = npt.NDArray[np.float64]

MICRO = 1e-6


def series(g_uS: npt.ArrayLike, access_resistance_ohm: float) -> Floats:
    """Conductance in microsiemens of cells ``g_uS`` (any shape) with an access transistor in series."""
    g = np.asarray(g_uS, np.float64)
    return g / (1.0 + g * (MICRO * access_resistance_ohm))


def effective_matrix(
    g_uS: npt.ArrayLike, wire_resistance_ohm: float, access_resistance_ohm: float = 0.0
) -> Floats:
    """Column currents per unit row voltage, in microsiemens (K, M): currents are ``V @ G_eff``.

    Parameters
    ----------
    g_uS:
        Cell conductances, (K, M), 0 or more.
    wire_resistance_ohm:
        One segment of a row or column wire, between neighbouring cells; 0 for ideal wires.
    access_resistance_ohm:
        In series with every cell.

    Raises
    ------
    PhysicsError
        When a conductance or resistance is negative or not finite, or the matrix has no cells.
    """
    g = series(checked(g_uS, wire_resistance_ohm, access_resistance_ohm), access_resistance_ohm)
    if wire_resistance_ohm == 0:
        return g
    wire = 1.0 / (MICRO * wire_resistance_ohm)
    with one_blas_thread():  # the blocks are small: several threads wait for each other
        if g.shape[1] <= g.shape[0]:
            return _eliminate(g, wire)
        # Reciprocity: driving the columns' sensed ends and sensing the rows' driven ends gives the same
        # matrix, in blocks of the smaller side.
        return _eliminate(g[::-1, ::-1].T, wire).T[::-1, ::-1]


def checked(g_uS: npt.ArrayLike, wire_resistance_ohm: float, access_resistance_ohm: float) -> Floats:
    """``g_uS`` as float64 (K, M); everything refused that is negative or not finite."""
    for name, value in (
        ("wire_resistance_ohm", wire_resistance_ohm),
        ("access_resistance_ohm", access_resistance_ohm),
    ):
        if not 0 <= value < np.inf:
            raise PhysicsError(f"{name} is {value}; accepted: 0 or more, finite")
    g = np.asarray(g_uS, np.float64)
    if g.ndim != 2 or g.size == 0:
        raise PhysicsError(f"conductances have shape {g.shape}; accepted: (K, M), neither 0")
    bad = ~((g >= 0) & (g < np.inf))
    if bad.any():
        raise PhysicsError(f"conductance is {g[bad][0]} uS; accepted: 0 or more, finite")
    return g


def _eliminate(g: Floats, wire: float) -> Floats:
    """G_eff by block elimination of the (sparse, symmetric) nodal equations, one array row at a time.

    The nodes of a row wire form a tridiagonal system. Eliminating them leaves the M column nodes of that
    row, coupled to those of the rows above and below by the column segments. What is left is block
    tridiagonal: K blocks of M x M. ``P`` is the response of the nodes of row k to currents there with all
    rows above eliminated.
    """
    rows, columns = g.shape
    responses, sources = [], []
    eye = np.eye(columns)
    diagonal = np.arange(columns)
    chain = np.full(columns, 2.0 * wire)
    chain[-1] = wire  # the row's far end is open
    link = np.full(columns - 1, -wire)
    above = None
    for k in range(rows):
        # LAPACK's wrapper takes no empty off-diagonal, which one column has.
        inverse = lapack.dptsv(chain + g[k], link, eye)[2] if columns > 1 else 1.0 / (chain + g[k])[:, None]
        block = -(g[k][:, None] * inverse) * g[k]
        block[diagonal, diagonal] += g[k] + (wire if k == 0 else 2.0 * wire)
        if above is not None:
            block -= wire * wire * above
        upper = lapack.dpotrf(block, lower=0)[0]
        above = np.triu(lapack.dpotri(upper, lower=0)[0])
        above += np.triu(above, 1).T
        responses.append(above)
        sources.append(wire * inverse[0] * g[k])  # current into the column nodes per volt on the row
    effective = np.empty_like(g)
    to_output = wire * eye  # column currents per volt of the bottom row's nodes
    for k in range(rows - 1, -1, -1):
        to_output = to_output @ responses[k]
        effective[k] = to_output @ sources[k]
        to_output *= wire
    return effective
