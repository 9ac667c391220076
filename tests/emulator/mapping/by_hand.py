"""One individual chip from its description and seed, computed a second time: codes,
converters, ECRAM states.

Written from docs/physics.md alone ("From a weight to a code", "Draws", "Wires") and the
cited laws; of the compiler nothing is used. Cells are resistors in a circuit that
SciPy's general sparse solver solves.
"""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from ndrite.emulator.device.description import Chip
from tests.emulator.device.cited import PROGRAMMING, aged

DEVICES = 2**32
"""Streams of converters and neurons begin here."""


def stream(seed: int, number: int) -> np.random.Generator:
    """The documented source of draws: Philox, keyed by (seed, stream)."""
    return np.random.Generator(np.random.Philox(key=[seed, number]))


def sigma(chip: Chip, g):
    """Programming error at target ``g``."""
    return PROGRAMMING[chip.cell.programming_error](g)


def signed_levels(weights, levels: int):
    """Levels -(L-1)..L-1 of weights (K, M), each column's limit the best of 13."""
    w = np.asarray(weights, np.float64)
    largest = np.abs(w).max(axis=0)
    limits = [limit_of(w[:, m], levels, max(x, largest.max() / 256)) for m, x in enumerate(largest)]
    return np.rint(np.clip(w / limits, -1, 1) * (levels - 1)).astype(np.int64)


def limit_of(w, levels: int, largest: float) -> float:
    """Of ``largest`` and twelve parts of it, the limit at which levels are least off
    the weights ``w``."""
    errors = []
    for i in range(13):
        limit = largest * (1.0 - 0.05 * i)
        held = np.rint(np.clip(w / limit, -1, 1) * (levels - 1)) * limit / (levels - 1)
        errors.append(((held - w) ** 2).sum())
    return largest * (1.0 - 0.05 * int(np.argmin(errors)))


def levels_for_wires(weights, chip: Chip):
    """Levels of a layer with one common limit, programmed for what wires
    take; the factor on the limit. In three rounds, each with what the levels
    of the one before lose."""
    cell, top = chip.cell, chip.cell.levels - 1
    step = (cell.g_max_uS - cell.g_min_uS) / top
    w = np.asarray(weights, np.float64)
    wanted = w / limit_of(w, cell.levels, np.abs(w).max()) * top
    g = np.linspace(cell.g_min_uS, cell.g_max_uS, cell.levels)
    spread = aged(cell.drift, g, chip.conditions.time_since_programming_s)[1]
    variance = (sigma(chip, g) ** 2 + spread**2) / step**2

    def left(level):
        """Part of every pair's difference that the column sees; 1 for pairs
        of no difference."""
        plus, minus = (through(cell.g_min_uS + step * np.maximum(s * level, 0), chip) for s in (1, -1))
        part = np.where(level == 0, 1.0, (plus - minus) / (step * np.where(level == 0, 1, level)))
        return np.clip(part, 0.1, 1.0)

    chosen, seen = 1.0, left(np.clip(np.rint(wanted), -top, top))
    for _ in range(3):
        best = None
        for rise in (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0):
            part = np.maximum(1 - (1 - seen) * chosen / rise, 0.1)
            level = np.clip(np.rint(wanted / rise / part), -top, top)
            of_cells = (variance[np.abs(level).astype(int)] + variance[0]).sum()
            error = ((rise * level * part - wanted) ** 2).sum() + rise**2 * of_cells
            if best is None or error < best[0]:
                best = error, rise, level
        _, chosen, level = best
        seen = left(level)
    return np.clip(np.rint(wanted / chosen / seen), -top, top), chosen


def through(g_uS, chip: Chip):
    """Column currents per row voltage of cells of several row tiles, one tile of columns."""
    result = np.empty(g_uS.shape)
    for k in range(0, len(g_uS), chip.array.rows):
        tile = slice(k, k + chip.array.rows)
        result[tile] = circuit(g_uS[tile], chip.array.wire_resistance_ohm, chip.array.access_resistance_ohm)
    return result


def full_scale(chip: Chip) -> float:
    """Conductance of the largest code: every level and four deviations above it,
    stuck cells as well."""
    cell = chip.cell
    g = np.linspace(cell.g_min_uS, cell.g_max_uS, cell.levels)
    shift, spread = aged(cell.drift, g, chip.conditions.time_since_programming_s)
    top = (g + np.maximum(shift, 0) + 4 * np.sqrt(sigma(chip, g) ** 2 + spread**2)).max()
    return max(top, cell.g_max_uS) if cell.stuck_high_percent else top


def programmed_codes(weights, chip: Chip, seed: int, layer: int, *, common: bool = False):
    """Real-valued conductance codes (2, K, M) of both cells of every pair, before
    rounding and limiting."""
    cell = chip.cell
    shape = (2, *np.shape(weights))
    rng = stream(seed, layer)
    programming = rng.standard_normal(shape)
    lot = rng.random(shape)
    ageing = rng.standard_normal(shape)
    if common:
        level, _ = levels_for_wires(weights, chip)
    else:
        level = signed_levels(weights, cell.levels)
    step = (cell.g_max_uS - cell.g_min_uS) / (cell.levels - 1)
    target = cell.g_min_uS + step * np.stack([np.maximum(level, 0), np.maximum(-level, 0)])
    stuck = np.full(shape, np.nan)
    stuck[lot < cell.stuck_low_percent / 100] = cell.g_min_uS
    stuck[lot >= 1 - cell.stuck_high_percent / 100] = cell.g_max_uS
    wanted = target[0] - target[1]
    for side, k, m in np.argwhere(~np.isnan(stuck)):
        if np.isnan(stuck[1 - side, k, m]):
            # The good cell makes up for its neighbour, as far as its levels go.
            other = stuck[side, k, m] + (-wanted[k, m] if side == 0 else wanted[k, m])
            near = np.rint((np.clip(other, cell.g_min_uS, cell.g_max_uS) - cell.g_min_uS) / step)
            target[1 - side, k, m] = cell.g_min_uS + step * near
    g = target + sigma(chip, target) * programming
    shift, spread = aged(cell.drift, target, chip.conditions.time_since_programming_s)
    g = np.maximum(g + shift + spread * ageing, 0)
    g = np.where(np.isnan(stuck), g, stuck)
    g = np.stack([through(side, chip) for side in g])
    return g * ((2 ** (cell.weight_bits - 1) - 1) / full_scale(chip))


def circuit(g_uS, wire_ohm: float, access_ohm: float):
    """Column currents per row voltage (K, M) of one array that fits ``g_uS`` whole."""
    g = g_uS / (1 + g_uS * access_ohm * 1e-6)
    if not wire_ohm:
        return g
    rows, columns = g.shape
    wire = 1e6 / wire_ohm
    on_row, on_column = np.arange(2 * rows * columns).reshape(2, rows, columns)
    ends = [
        (on_row, on_column, g),
        (on_row[:, 1:], on_row[:, :-1], np.full((rows, columns - 1), wire)),
        (on_column[1:], on_column[:-1], np.full((rows - 1, columns), wire)),
    ]
    a, b, between = (np.concatenate([e[i].ravel() for e in ends]) for i in range(3))
    outside = np.zeros(2 * rows * columns)  # to the row drivers, and to the virtual ground
    outside[on_row[:, 0]] = outside[on_column[-1]] = wire
    links = sparse.coo_array((between, (a, b)), shape=(outside.size, outside.size))
    links = links + links.T
    nodes = sparse.csc_array(sparse.diags_array(links.sum(axis=0) + outside) - links)
    # By reciprocity: a volt at column m's end gives at row k's end what a volt
    # there gives at m's.
    volts = np.zeros((outside.size, columns))
    volts[on_column[-1], np.arange(columns)] = wire
    return wire * spsolve(nodes, volts)[on_row[:, 0]]


def reachable_states(chip: Chip):
    """ECRAM states 0..1 a chip can set: of all pulses up from the lower bound
    ``states``, evenly spread."""
    e = chip.ecram
    if e.model == "exponential":  # NeuroSim's curve from pulse 0 on
        n = np.arange(e.pulses + 1)
        curve = (1 - np.exp(-n / e.a_up)) / (1 - np.exp(-e.pulses / e.a_up))
        return curve[np.unique(np.rint(np.linspace(0, e.pulses, min(e.states, len(n)))).astype(int))]
    w = [e.w_min]
    while w[-1] < e.w_max:
        # Where the step reaches 0 at the bound the state comes ever closer; float64 ends that.
        after = min(w[-1] + e.step_up * (1 - e.gamma_up * w[-1] / e.w_max), e.w_max)
        if after <= w[-1]:
            break
        w.append(after)
    pick = np.unique(np.rint(np.linspace(0, len(w) - 1, min(e.states, len(w)))).astype(int))
    return (np.array(w)[pick] - e.w_min) / (e.w_max - e.w_min)


def nearest(states, wanted):
    """Of ``states`` (Q,) the one nearest to each of ``wanted`` (M,)."""
    return np.array([states[np.abs(states - value).argmin()] for value in wanted])
