"""settling: the fraction of its final current that a column carries when it is read.

A row wire is a ladder of N segments, each a resistance R from the node before and a
capacitance C to ground. After a step of the driver the node of segment n follows sum_j
a_nj (1 - exp(-t / tau_j)): with ``theta_j = pi (2 j - 1) / (2 N + 1)`` the ladder's
eigenvectors are ``sin(n theta_j)`` and its rates ``1 / tau_j = 4 sin^2(theta_j / 2) /
(R C)``. A column wire that ends in a virtual ground is the same ladder seen from its
other side, by reciprocity: the current at its end follows a current into node n as the
voltage of node n would follow its end. A cell is in series with both, so its current is
the convolution of the two.

Exact for wires that carry the cells' currents without a voltage drop to speak of; cells
that load the wires settle earlier. Drivers and amplifiers are taken as fast.
"""

from functools import lru_cache

import numpy as np

from ndrite.emulator.spec.arithmetic import Floats


def _modes(segments: int, time_constant_s: float) -> tuple[Floats, Floats]:
    """Return the modes of an RC ladder of ``segments`` segments with time constant
    ``time_constant_s`` each: weights (node, mode) and decay rates (mode,) in 1/s."""
    nodes = np.arange(1, segments + 1)
    theta = np.pi * (2 * nodes - 1) / (2 * segments + 1)
    vectors = np.sin(np.outer(nodes, theta)) * np.sqrt(4 / (2 * segments + 1))
    return vectors * vectors.sum(axis=0), 4 * np.square(np.sin(theta / 2)) / time_constant_s


@lru_cache(maxsize=8)
def settled(rows: int, columns: int, time_constant_s: float, read_time_s: float) -> Floats:
    """Return for each cell of an array, float64 (rows, columns), what fraction 0..1 of
    its final current has reached its column ``read_time_s`` after the rows were driven.
    Row number ``rows`` - 1 is next to the sensed ends of the columns, column 0 next to
    the row drivers. ``time_constant_s``: R C of one wire segment."""
    along_column, fast = _modes(rows, time_constant_s)
    along_row, slow = _modes(columns, time_constant_s)
    f, s = fast[:, None], slow
    left_f, left_s = np.exp(-f * read_time_s), np.exp(-s * read_time_s)
    # Two rates are equal in a square array. The general expression would divide by 0;
    # its limit is used.
    same = f == s
    apart = np.where(same, 1.0, f - s)
    part = np.where(same, 1 - (1 + s * read_time_s) * left_s, 1 - (f * left_s - s * left_f) / apart)
    currents = along_column[::-1] @ part @ along_row.T
    currents.flags.writeable = False
    return np.asarray(np.clip(currents, 0.0, 1.0), np.float64)
