"""IR drop: computes a crossbar with resistive wires as one exact matrix from row
voltages to column currents.

Each row is driven at its left end. Each column is sensed at its bottom end, into a
virtual ground. ``r`` is one wire segment, ``+`` a cell (its access transistor in
series) from the row to the column crossing there::

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

Rows and columns of an array that a layer leaves unused are at the far ends, above row 0
and right of column M-1. Their transistors are off and no current flows there, so the
circuit of the used cells alone is the same.

The bottom left cell sees one segment on its row and one on its column; the top right
cell sees M and K. This is the circuit of the package ``badcrossbar``
(github.com/joksas/badcrossbar). With ohmic cells it is linear, so I = V @ G_eff
exactly, and one factorisation of the nodal equations gives every entry of G_eff.

Cells whose current is not proportional to voltage, I = G V (1 + c V^2) / (1 + c Vr^2):
G is the conductance a programmer reads at the voltage ``Vr``, c the cubic coefficient
in 1/V^2. Each pass solves the sparse nodal equations with every cell's secant
conductance I / V at the voltage it had in the pass before; the passes end when no
secant conductance changes any more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.linalg import lapack
from scipy.sparse.linalg import splu

from ndrite.emulator.errors import PhysicsError
from ndrite.emulator.golden.threads import one_blas_thread
from ndrite.emulator.spec.arithmetic import Floats

MICRO = 1e-6


def series(g_uS: npt.ArrayLike, access_resistance_ohm: float) -> Floats:
    """Return the conductance in microsiemens (any shape) of cells ``g_uS``, each in
    series with an access transistor."""
    g = np.asarray(g_uS, np.float64)
    return g / (1.0 + g * (MICRO * access_resistance_ohm))


def effective_matrix(
    g_uS: npt.ArrayLike, wire_resistance_ohm: float, access_resistance_ohm: float = 0.0
) -> Floats:
    """Return the matrix G_eff (K, M) of column currents per unit row voltage, in
    microsiemens: row voltages ``V`` cause the currents ``V @ G_eff``.

    ``g_uS``: cell conductances, (K, M), 0 or more. ``wire_resistance_ohm``: one segment
    of a row or column wire, between neighbouring cells; 0 for ideal wires.
    ``access_resistance_ohm``: in series with every cell.
    """
    g = series(g_uS, access_resistance_ohm)
    if wire_resistance_ohm < 1e-15:  # the voltage drop along the wires is below float precision
        return g
    wire = 1.0 / (MICRO * wire_resistance_ohm)
    with one_blas_thread():  # for small blocks, BLAS threads would only wait for each other
        if g.shape[1] <= g.shape[0]:
            return _eliminate(g, wire)
        # The size of the blocks is the number of columns. If there are fewer rows
        # than columns, rows and columns are exchanged: by reciprocity, driving the
        # columns at their sensed ends and sensing the rows at their driven ends
        # gives the same matrix.
        return _eliminate(g[::-1, ::-1].T, wire).T[::-1, ::-1]


def _eliminate(g: Floats, wire: float) -> Floats:
    """Return G_eff (K, M) for cell conductances ``g`` and wire segments of
    conductance ``wire``: eliminate the sparse, symmetric nodal equations block by
    block, one array row at a time.

    The nodes of a row wire form a tridiagonal system. Eliminating them leaves the M
    column nodes of that row, coupled to those of the rows above and below by the column
    segments. The remaining system is block tridiagonal: K blocks of M x M. ``P`` is the
    response of the nodes of row k to currents there with all rows above eliminated.
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
        # With a single column, the off-diagonal is empty, which LAPACK's
        # wrapper does not accept.
        inverse = lapack.dptsv(chain + g[k], link, eye)[2] if columns > 1 else 1.0 / (chain + g[k])[:, None]
        block = -(g[k][:, None] * inverse) * g[k]
        block[diagonal, diagonal] += g[k] + (wire if k == 0 else 2.0 * wire)
        if above is not None:
            block -= wire * wire * above
        upper = lapack.dpotrf(block, lower=0)[0]
        above = np.triu(lapack.dpotri(upper, lower=0)[0])
        above += np.triu(above, 1).T
        responses.append(above)
        sources.append(wire * inverse[0] * g[k])  # column node currents per volt at the row driver
    effective = np.empty_like(g)
    to_output = wire * eye  # column currents per volt at the nodes of the bottom row
    for k in range(rows - 1, -1, -1):
        to_output = to_output @ responses[k]
        effective[k] = to_output @ sources[k]
        to_output *= wire
    return effective


TOLERANCE = 1e-12
"""Relative change of secant conductances below which the iteration ends."""
PASSES_MAX = 200


@dataclass(frozen=True)
class Cubic:
    """Cubic I-V law of a cell: the coefficient in 1/V^2, and the voltage in volts at
    which conductances are specified."""

    coefficient_per_V2: float
    read_voltage_V: float

    def secant(self, g_uS: Floats, v: Floats) -> Floats:
        """Return the secant conductances I / V in microsiemens of cells ``g_uS`` with
        ``v`` volts across them."""
        c = self.coefficient_per_V2
        return g_uS * (1.0 + c * np.square(v)) / (1.0 + c * self.read_voltage_V**2)


def operating_point(
    g_uS: npt.ArrayLike,
    row_voltage_V: npt.ArrayLike,
    law: Cubic,
    wire_resistance_ohm: float,
    access_resistance_ohm: float = 0.0,
) -> tuple[Floats, Floats]:
    """Solve a crossbar of cubic cells at row voltages (K,): return the column currents
    in microamperes (M,), and the cells' secant conductances I / V (K, M). Raises
    PhysicsError when the iterations do not converge."""
    g, v = np.asarray(g_uS, np.float64), np.asarray(row_voltage_V, np.float64)
    secant = law.secant(g, np.zeros_like(g))
    for _ in range(PASSES_MAX):
        branch = series(secant, access_resistance_ohm)
        across, currents = _solve(branch, v, wire_resistance_ohm)
        # A branch is a cell in series with its access transistor; ``law`` needs the
        # cell's part of the voltage.
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
    """Return the matrix (K, M), in microsiemens, of a crossbar linearised at
    ``row_voltage_V``: each cell keeps the secant conductance I / V that it has at
    these row voltages.

    ``row_voltage_V @ matrix`` are the exact currents there; elsewhere it is an
    approximation, better the smaller c V^2.
    """
    _, secant = operating_point(g_uS, row_voltage_V, law, wire_resistance_ohm, access_resistance_ohm)
    return effective_matrix(secant, wire_resistance_ohm, access_resistance_ohm)


def nodal_matrix(g: Floats, wire: float) -> sparse.csc_array:
    """Return the nodal equations of the crossbar with wires as a sparse matrix (2 K M,
    2 K M): the nodes on the row wires, then those on the column wires."""
    rows, columns = g.shape
    row_chain, column_chain = _chain(columns), _chain(rows)
    row_chain[-1, -1] = 1.0  # the row's far end is open
    column_chain[0, 0] = 1.0  # the column's top is open
    row_wires = sparse.kron(sparse.eye_array(rows), row_chain.tocsc())
    column_wires = sparse.kron(column_chain.tocsc(), sparse.eye_array(columns))
    cells = sparse.diags_array(g.ravel())
    blocks = [[wire * row_wires + cells, -cells], [-cells, wire * column_wires + cells]]
    return sparse.block_array(blocks, format="csc")


def _chain(n: int) -> sparse.lil_array:
    return sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n), format="lil")


def _solve(g: Floats, v: Floats, wire_resistance_ohm: float) -> tuple[Floats, Floats]:
    """Solve a crossbar of ohmic branches ``g``, each a cell with its
    transistor. Return two arrays: the voltages across the branches (K, M), and
    the column currents (M,)."""
    if wire_resistance_ohm == 0:
        return np.broadcast_to(v[:, None], g.shape), v @ g
    rows, columns = g.shape
    wire = 1.0 / (MICRO * wire_resistance_ohm)
    right = np.zeros(2 * g.size)
    right[np.arange(rows) * columns] = wire * v
    # Because the matrix is symmetric and diagonally dominant, it needs no
    # pivoting, and the solver may choose the elimination order for the symmetric
    # pattern, which is faster.
    options = {"SymmetricMode": True}
    factor = splu(nodal_matrix(g, wire), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    on_rows, on_columns = factor.solve(right).reshape(2, rows, columns)
    return on_rows - on_columns, wire * on_columns[-1]
