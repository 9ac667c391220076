"""Potentiation and depression: fits a table of steps to pulses up and down, in
runs that repeat."""

import math
from typing import Any, NamedTuple

import numpy as np

from ndrite.emulator.device.ecram.fit import EcramFit, spread_of
from ndrite.emulator.device.ecram.repeats import PULSES_MIN, Branch, repeats_of
from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.sweeps import rms, rounded, smoothed
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Bools, Floats, Ints
from ndrite.emulator.spec.brief import record

ENTRIES = 32
"""Number of entries in the fitted tables."""
RUN_MAX = 1_000_000
"""Largest number of pulses in a run."""
ITERATIONS = 4
"""Number of iterations after which the table and the factors of single devices on its
steps have converged."""
SMOOTHED_FROM = 0.5
"""Read noise, as a fraction of the range of states of one table entry, above which
states are smoothed before they select an entry."""
MISSES = 0.05
"""Residual (rms, relative to the range) above which a note is added."""
VALUES = {"conductance": "uS", "current": "uA"}
"""Quantities that represent a device's state, with the unit in which its range is stated."""


class Run(NamedTuple):
    """Consecutive pulses in one direction: the pulse numbers, and the value measured
    after each pulse."""

    device: str
    cycle: float
    up: bool
    pulse: Floats
    value: Floats


class Moves(NamedTuple):
    """Changes of a device's state between neighbouring rows of the data, for all runs
    in one direction.

    ``device``, ``run``: their numbers; ``entry``: of the table; ``pulses``:
    how many there were between the rows; ``change``: of the state, positive in
    the run's direction.
    """

    device: Ints
    run: Ints
    entry: Ints
    pulses: Floats
    change: Floats


@record()
class StepsFit(EcramFit):
    """Result of ``fit_steps``: an ``EcramFit`` with one branch for each run of pulses."""

    def held_out(self, kept: Measurements, left: Measurements) -> float:
        """Fit a table of steps to the rows ``kept``, and return the rms error of its
        predictions for the held-out rows ``left``, relative to the full range. Raises
        DatasetError if no row of ``left`` lies between two rows of its run."""
        refit, errors = fit_steps(kept), []
        low, span = refit.low_uS * 1e-6, (refit.high_uS - refit.low_uS) * 1e-6
        pulse, value, up, cycle = _columns(left)
        for run, branch in zip(runs_of(kept), refit.branches, strict=True):
            rows = (left.device == run.device) & (cycle == run.cycle) & (up == run.up)
            rows &= (run.pulse[0] < pulse) & (pulse < run.pulse[-1])
            modelled = np.interp(pulse[rows], branch.start + branch.pulse, branch.model)
            errors.append((modelled + 1) / 2 - (value[rows] - low) / span)
        if not any(map(len, errors)):
            raise DatasetError(f"{left.name}: runs are too short to predict pulses inside them")
        return rms(*errors)


def fit_steps(data: Measurements, model: str = "step-table") -> StepsFit:
    """Fit a table of steps to runs of pulses. Columns: ``pulse``, ``direction``,
    ``conductance`` or ``current`` and, where runs repeat, ``cycle``.

    An entry's mean is that of all steps that begin in its part of the range, each
    device's by its own part (``step_variation_percent``). The deviation from pulse
    to pulse is that within a device and an entry over the runs that repeat; what
    white read noise adds to it shows as an opposite change at the next pulse, and is
    taken off. Raises DatasetError when a direction is missing, runs are too short,
    or nothing moves.
    """
    runs, names, quantity = runs_of(data), data.devices, _quantity(data)
    ends = {
        name: [
            (float(s.min()), float(s.max()))
            for s in (_smooth(run.value) for run in runs if run.device == name)
        ]
        for name in names
    }
    ranges = {name: np.median(of, axis=0) for name, of in ends.items()}
    low, high = np.median(list(ranges.values()), axis=0).tolist()
    if not high > low:
        raise DatasetError(f"{data.name}: {quantity} does not move; accepted: a pulse response")
    states = [2 * (run.value - low) / (high - low) - 1 for run in runs]
    notes: list[str] = []
    tables: dict[str, Floats] = {}
    parts, bounds = np.ones((len(names), 2)), []
    for column, (word, up) in enumerate((("up", True), ("down", False))):
        moves = _moves(runs, states, names, up, smooth=False)
        read = _read_noise(moves, _residuals(moves)[0])
        if read > SMOOTHED_FROM * 2 / ENTRIES:
            moves = _moves(runs, states, names, up, smooth=True)
        means, parts[:, column], empty = _means(moves, len(names))
        residuals, repeated = _residuals(moves)
        if not repeated:
            notes.append(
                f"no run {word} repeats: the noise includes how a device's steps differ from the table"
            )
            expected = means[moves.entry] * parts[moves.device, column]
            residuals = (moves.change - moves.pulses * expected) / np.sqrt(moves.pulses)
        read = _read_noise(moves, residuals)
        tables[f"step_{word}_table"] = means
        tables[f"noise_{word}_table"] = _noises(moves, residuals, read)
        if empty:
            notes.append(
                f"{empty} of {ENTRIES} entries {word} have no pulses and lie between their neighbours"
            )
    for name in names:
        bottom, top = (2 * (end - low) / (high - low) - 1 for end in ranges[name])
        bounds += [top, -bottom]
    branches = _branches(runs, states, names, tables, parts)
    error = rms(*(b.state - b.model for b in branches)) / 2
    misfit = repeats_of(branches, (RUN_MAX, RUN_MAX))[1]
    missed = error if misfit is None else misfit
    if missed > MISSES:
        apart = "their noise included" if misfit is None else "noise apart"
        notes.append(f"the table misses the runs by {missed:.0%} of the range (rms), {apart}")
    values: dict[str, Any] = {"model": model, "w_min": -1.0, "w_max": 1.0}
    values |= {name: tuple(rounded(v) for v in table.tolist()) for name, table in tables.items()}
    values |= spread_of(parts, bounds)
    unit = VALUES[quantity]
    return StepsFit(model, values, branches, low * 1e6, high * 1e6, error, tuple(notes), unit, misfit)


def runs_of(data: Measurements) -> list[Run]:
    """Return the runs of pulses, sorted by device and cycle; the rows of the file
    may be in any order.

    Pulses are counted on through a device's runs, or anew in each direction. Raises
    DatasetError when a number appears twice, or a device has fewer than PULSES_MIN
    pulses in a direction.
    """
    pulse, value, up, cycle = _columns(data)
    runs = []
    for name in data.devices:
        moved = {True: 0, False: 0}
        for number in np.unique(cycle[data.device == name]):
            rows = np.flatnonzero((data.device == name) & (cycle == number))
            rows = rows[np.argsort(pulse[rows], kind="stable")]
            counted_on = bool((np.diff(pulse[rows]) > 0).all())
            turns = np.flatnonzero(np.diff(up[rows])) + 1
            pieces = np.split(rows, turns) if counted_on else [rows[up[rows]], rows[~up[rows]]]
            for piece in pieces:
                twice = np.flatnonzero(np.diff(pulse[piece]) == 0)
                if len(twice):
                    row = piece[twice[0] + 1]
                    raise DatasetError(
                        f"{data.name}: line {data.line[row] if len(data.line) else row}: pulse is "
                        f"{pulse[row]:g} for the second time in a run of device {name!r}; accepted: one row "
                        "per pulse (repeated runs need a column 'cycle', or pulse numbers that continue)"
                    )
                if len(piece) > 1:
                    length = pulse[piece[-1]] - pulse[piece[0]]
                    if length > RUN_MAX:
                        raise DatasetError(
                            f"{data.name}: pulse numbers span {length:g} in a run of device {name!r}; "
                            f"accepted: at most {RUN_MAX} pulses per run"
                        )
                    moved[bool(up[piece[0]])] += len(piece) - 1
                    runs.append(Run(name, number, bool(up[piece[0]]), pulse[piece], value[piece]))
        for way, count in moved.items():
            if count < PULSES_MIN:
                raise DatasetError(
                    f"{data.name}: device {name!r} has {count} consecutive pairs of pulses "
                    f"{'up' if way else 'down'}; accepted: at least {PULSES_MIN} in each direction"
                )
    return runs


def _columns(data: Measurements) -> tuple[Floats, Floats, Bools, Floats]:
    """Return for each row the pulse number, the value, whether the pulse goes
    up, and the cycle."""
    pulse, value = data.columns["pulse"], data.columns[_quantity(data)]
    cycle = data.columns.get("cycle", np.zeros(len(pulse)))
    return pulse, value, data.columns["direction"] > 0, cycle


def _quantity(data: Measurements) -> str:
    return next(name for name in VALUES if name in data.columns)


def _smooth(values: Floats) -> Floats:
    return smoothed(values) if len(values) >= PULSES_MIN else values


def _moves(runs: list[Run], states: list[Floats], names: list[str], up: bool, *, smooth: bool) -> Moves:
    numbers, parts = {name: i for i, name in enumerate(names)}, []
    for i, (run, state) in enumerate(zip(runs, states, strict=True)):
        if run.up is up:
            before = (_smooth(state) if smooth else state)[:-1]
            entry = np.clip(np.floor((before + 1) / 2 * ENTRIES), 0, ENTRIES - 1).astype(np.int64)
            change = np.diff(state) * (1 if up else -1)
            same = np.ones(len(entry), np.int64)
            parts.append((numbers[run.device] * same, i * same, entry, np.diff(run.pulse), change))
    return Moves(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _means(moves: Moves, devices: int) -> tuple[Floats, Floats, int]:
    """Return the mean step of each table entry, each device's factor on these steps (1
    on average over the devices), and the number of entries without a pulse."""
    part = np.ones(devices)
    for _ in range(ITERATIONS):
        pulses = np.bincount(moves.entry, moves.pulses * part[moves.device], ENTRIES)
        change = np.bincount(moves.entry, moves.change, ENTRIES)
        seen = pulses > 0
        means = np.interp(np.arange(ENTRIES), np.flatnonzero(seen), change[seen] / pulses[seen])
        expected = np.bincount(moves.device, moves.pulses * means[moves.entry], devices)
        part = np.bincount(moves.device, moves.change, devices) / np.where(expected, expected, 1.0)
        part = np.maximum(part / (part.mean() or 1.0), 1e-9)
    return np.maximum(means, 0.0), part, int((~seen).sum())


def _residuals(moves: Moves) -> tuple[Floats, bool]:
    """Return two results: for each change of state its deviation from the mean change
    of comparable moves, per pulse; and whether any run of pulses repeats.

    Comparable moves are of the same device and begin in the same table entry. In runs
    that repeat, each is also the n-th move of its run in that entry, because steps that
    differ across an entry are no noise.
    """
    runs_a_device = np.bincount(np.unique(np.stack([moves.device, moves.run]), axis=1)[0])
    repeated = bool(runs_a_device.max() > 1)
    visit = moves.run * ENTRIES + moves.entry
    order = np.argsort(visit, kind="stable")
    first = np.searchsorted(visit[order], visit[order])
    nth = np.empty_like(order)
    nth[order] = np.arange(len(order)) - first
    places = np.stack([moves.device, moves.entry, nth * repeated])
    group = np.unique(places, axis=1, return_inverse=True)[1].ravel()
    pulses, change = np.bincount(group, moves.pulses), np.bincount(group, moves.change)
    count = np.bincount(group)[group]
    mean = change[group] / pulses[group]
    freedom = np.sqrt(np.maximum(count, 2) / np.maximum(count - 1, 1))
    residuals = (moves.change - moves.pulses * mean) / np.sqrt(moves.pulses) * freedom
    residuals[count < 2] = np.nan
    return residuals, repeated


def _read_noise(moves: Moves, residuals: Floats) -> float:
    """Return the standard deviation of one reading, from the anticorrelation of
    neighbouring steps: a reading error adds to one step and subtracts from the next."""
    neighbours = (moves.run[1:] == moves.run[:-1]) & np.isfinite(residuals[1:] + residuals[:-1])
    products = (residuals * np.sqrt(moves.pulses))[1:] * (residuals * np.sqrt(moves.pulses))[:-1]
    return math.sqrt(max(0.0, -float(products[neighbours].mean()))) if neighbours.any() else 0.0


def _noises(moves: Moves, residuals: Floats, read: float) -> Floats:
    """Return the standard deviation of one pulse's step in each table entry. An entry
    with fewer than two changes is interpolated between its neighbours."""
    known = np.isfinite(residuals)
    square = np.square(residuals[known]) - 2 * read**2 / moves.pulses[known]
    count = np.bincount(moves.entry[known], minlength=ENTRIES)
    total = np.bincount(moves.entry[known], square, ENTRIES)
    seen = count > 0
    if not seen.any():
        return np.zeros(ENTRIES)
    variance = np.interp(np.arange(ENTRIES), np.flatnonzero(seen), total[seen] / count[seen])
    return np.sqrt(np.maximum(variance, 0.0))


def _branches(
    runs: list[Run], states: list[Floats], names: list[str], tables: dict[str, Floats], parts: Floats
) -> tuple[Branch, ...]:
    """Return a branch for every run of pulses: the measured states, and the states that
    the table of steps predicts from the first measured state."""
    middles = (np.arange(ENTRIES) + 0.5) * (2 / ENTRIES) - 1
    lengths = [round(float(run.pulse[-1] - run.pulse[0])) for run in runs]
    part = np.array([parts[names.index(run.device), 0 if run.up else 1] for run in runs])
    up = np.array([run.up for run in runs])
    w = np.array([state[0] for state in states])
    walks = [w]
    for _ in range(max(lengths)):
        rise, fall = (np.interp(w, middles, tables[f"step_{word}_table"]) for word in ("up", "down"))
        w = np.clip(w + part * np.where(up, rise, -fall), min(-1.0, w.min()), max(1.0, w.max()))
        walks.append(w)
    traces = np.array(walks)
    branches = []
    for i, (run, state) in enumerate(zip(runs, states, strict=True)):
        n = run.pulse - run.pulse[0]
        modelled = np.interp(n, np.arange(len(traces)), traces[:, i])
        branches.append(Branch(run.device, run.up, float(run.pulse[0]), n, state, modelled))
    return tuple(branches)
