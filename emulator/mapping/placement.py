"""Which physical row takes which row of weights, where some cells are stuck and a test read has found them.

Moving a row costs nothing but its address. Rows whose inputs carry little, or whose weights a stuck pair can
hold, take the worst places: the assignment with the least sum of squares of what pairs miss of their
difference, each row's by the mean square of its input (Hungarian method, ``linear_sum_assignment``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from emulator.device.description import Chip
from emulator.mapping.cells import Stuck, compensate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def places(target_uS: Floats, stuck: Stuck, chip: Chip, row_voltage_V: Floats) -> Ints:
    """Physical row (K,) of every row of pairs.

    Parameters
    ----------
    target_uS:
        Wanted conductances (2, K, M), in the network's order.
    stuck:
        Of the physical rows, (2, K, M).
    row_voltage_V:
        Root mean square over samples, (K,). Rows of converters' tiles stay in their tile, as partial sums are
        converted tile by tile; without converters all rows of a layer may change places.
    """
    rows = len(row_voltage_V)
    span = chip.array.rows if chip.readout.kind == "adc" else rows
    found = np.arange(rows)
    for start in range(0, rows, span):
        part = slice(start, min(start + span, rows))
        target, energy = target_uS[:, part], np.square(row_voltage_V[part])
        missed = np.empty((target.shape[1],) * 2)
        for place, of_row in enumerate(stuck[:, part].swapaxes(0, 1)):
            everywhere = np.broadcast_to(of_row[:, None], target.shape)
            held = chip.cell.faults.apply(compensate(target, everywhere, chip), everywhere)
            lost = (held[0] - held[1]) - (target[0] - target[1])
            missed[:, place] = np.square(lost).sum(axis=1) * energy
        found[part] = start + linear_sum_assignment(missed)[1]
    return found
