"""Retention: fits the drift of cells to their conductances over time, or the time
constant of an ECRAM to its states.

Drift, of RRAM and phase-change cells: ln G or G against ln t is a line for each cell
(power law, logarithm). Relaxation, of an ECRAM's state: rest + (s - rest) exp(-t /
tau(T)), with one tau and rest for all cells and a first state s for each; the interval
is over cells (the sandwich with Bell and McCaffrey's correction CR3), so that cells
that differ widen it.
"""

import numpy as np
from scipy import stats
from scipy.optimize import least_squares

from ndrite.emulator.device.ageing.card import (
    ROOM_K,
    TAIL,
    AgeingFit,
    cells_of,
    check_above_0,
    reference_K,
    where,
)
from ndrite.emulator.device.ageing.lines import CHANCE, deviation_of, fit_lines, misfit_of, shared_of
from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.ndr.curves import BOLTZMANN_EV_PER_K
from ndrite.emulator.device.sweeps import rms, rounded
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Floats, Ints

MODELS = ("power-law", "logarithmic", "exponential")
TIMES_MIN, DECADE = 3, 10.0
KELVIN_MIN = 10.0
"""Smallest range of measured temperatures, in kelvin, for which an activation
energy is fitted."""
UNTOLD = 10.0
"""Largest ratio between the two ends of a time constant's confidence interval. If it is
larger, the data do not determine the time constant."""
REST_UNTOLD = 0.5
"""Largest width of the confidence interval of the resting state, whose range is 1. If
it is larger, the data do not determine the resting state."""


def fit_retention(data: Measurements, model: str = "power-law") -> AgeingFit:
    """Fit how conductances change with time after programming, from ten cells or more.
    Columns: ``time`` (seconds since programming) and ``conductance`` (siemens). The
    exponential model instead takes ``state`` (0 at the lowest conductance, 1 at the
    highest) and, if temperatures vary, ``temperature`` (K).

    Raises DatasetError, one line, when there are too few cells or times, or the data
    cannot tell the law.
    """
    quantity = "state" if model == "exponential" else "conductance"
    if quantity not in data.columns:
        other = "retention of an ECRAM's state is --model exponential" if quantity == "conductance" else ""
        raise DatasetError(
            f"{data.name}: no column for {quantity}, which model {model} needs; accepted: "
            f"{other or 'a column state of values 0..1; conductances fit power-law and logarithmic only'}"
        )
    cells = cells_of(data, f"at {TIMES_MIN} times or more")
    time, names = data.columns["time"], data.devices
    if time.min() < 0 or (model != "exponential" and time.min() == 0):
        row = int(time.argmin())
        raise DatasetError(
            f"{where(data, row)}: time is {time[row]:g} s; accepted: times since programming, above 0"
        )
    for name, rows in zip(names, cells, strict=True):
        count = len(np.unique(time[rows]))
        if count < TIMES_MIN:
            raise DatasetError(
                f"{data.name}: device {name!r} has {count} different times; accepted: at least {TIMES_MIN}"
            )
    if model == "exponential":
        return _relaxation(data, cells)
    kelvin = data.columns.get("temperature")
    if kelvin is not None and np.ptp(kelvin) > 1:
        raise DatasetError(
            f"{data.name}: temperature is {kelvin.min():g}..{kelvin.max():g} K; accepted for {model}: "
            "rows of one temperature, as this law does not depend on temperature"
        )
    span = min(float(time[rows].max() / time[rows].min()) for rows in cells)
    if span < DECADE:
        raise DatasetError(
            f"{data.name}: times of a cell span a factor of {span:.3g}; accepted: {DECADE:g} or more, "
            "since cells drift with the logarithm of time"
        )
    return _drift(data, cells, model)


def _drift(data: Measurements, cells: list[Ints], model: str) -> AgeingFit:
    time, g = data.columns["time"], data.columns["conductance"] * 1e6
    lowest = " (cells at their lowest state, which noise takes below 0, show no drift)"
    check_above_0(data, "conductance", g, " uS", lowest)
    first = float(np.median([time[rows].min() for rows in cells]))
    x = np.log(time / first)
    power = model == "power-law"
    lines = fit_lines(x, np.log(g) if power else g, cells)
    sign = -1.0 if power else 1.0
    name, unit = ("drift_exponent", "of_G") if power else ("drift_uS_per_ln_s", "uS")
    low, high = sorted(sign * end for end in lines.slope.interval)
    if low <= 0 <= high and lines.spread.interval[0] == 0:
        raise DatasetError(
            f"{data.name}: drift cannot be told from noise: {name} {low:.3g} .. {high:.3g}, noise "
            f"{lines.noise.value:.3g} {unit}; accepted: longer times or more cells"
        )
    modelled = np.exp(lines.fitted) if power else lines.fitted
    notes = []
    if lines.misfit > 0 and lines.share < CHANCE:
        other = fit_lines(x, g if power else np.log(g), cells).fitted
        missed, less = rms(modelled / g - 1), rms((other if power else np.exp(other)) / g - 1)
        which = next(name for name in MODELS if name != model)
        notes.append(
            f"{model} misses what all cells do by {lines.misfit:.3g} {unit} (rms), noise apart; rms "
            f"deviations are {missed:.3g} of G with {model} and {less:.3g} with {which}"
        )
    notes.append(
        f"drift beyond {time.max():g} s is an extrapolation; before {first:g} s cells are as programmed; "
        "that drift is the same at every conductance is an assumption"
    )
    parameters = {name: sign * lines.slope.value, f"{name}_deviation": lines.spread.value}
    intervals = {name: (low, high), f"{name}_deviation": lines.spread.interval}
    return AgeingFit(
        model=model,
        section="cell",
        values={
            "drift": model,
            "drift_mean": rounded(sign * lines.slope.value),
            "drift_deviation": rounded(lines.spread.value),
            "drift_from_s": rounded(first),
        },
        cells=len(cells),
        parameters={**parameters, "noise": lines.noise.value},
        intervals={**intervals, "noise": lines.noise.interval},
        misfit=lines.misfit,
        noise=lines.noise.value,
        unit=unit,
        x=time,
        measured=g,
        modelled=modelled,
        axes=("time (s)", "conductance (uS)"),
        notes=tuple(notes),
        refit=lambda kept, left: _missed_lines(kept, left, power),
    )


def _missed_lines(kept: Measurements, left: Measurements, power: bool) -> float:
    """Fit a straight line against ln(time) to each cell's rows in ``kept``, and return
    the rms error of the lines at the held-out rows ``left``."""
    errors = []
    for name in left.devices:
        x, y = ((np.log(of.of(name)["time"]), of.of(name)["conductance"] * 1e6) for of in (kept, left))
        if len(x[0]) < 2:
            raise DatasetError(f"device {name!r} has fewer than 2 rows after every fifth row is held out")
        seen, unseen = (np.log(of[1]) if power else of[1] for of in (x, y))
        errors.append(np.polyval(np.polyfit(x[0], seen, 1), y[0]) - unseen)
    return rms(*errors)


def _relaxation(data: Measurements, cells: list[Ints]) -> AgeingFit:
    time, state = data.columns["time"], data.columns["state"]
    outside = (state < -0.1) | (state > 1.1)
    if outside.any():
        row = int(outside.argmax())
        raise DatasetError(
            f"{where(data, row)}: state is {state[row]:g}; accepted: 0..1, from lowest to highest conductance"
        )
    kelvin = data.columns.get("temperature", np.full(len(time), ROOM_K))
    check_above_0(data, "temperature", kelvin, " K")
    heated = float(np.ptp(kelvin)) >= KELVIN_MIN
    reference = reference_K(kelvin)
    inverse = (1 / kelvin - 1 / reference) / BOLTZMANN_EV_PER_K
    scale = float(np.median(time[time > 0]))

    def decays(p: Floats) -> Floats:
        """Return the fraction exp(-t / tau) of the initial state that remains in every
        row of the data. ``p`` holds ln(tau / scale), the rest state, which is not used
        here, and, if temperatures vary, the activation energy in eV."""
        energy = p[2] if heated else 0.0
        return np.asarray(
            np.exp(-time / scale * np.exp(np.clip(-p[0] - energy * inverse, -50, 50))), np.float64
        )

    def modelled(p: Floats) -> Floats:
        part, states = decays(p), np.empty_like(state)
        for rows in cells:
            lasting = p[1] * (1 - part[rows])
            squares = max(float(part[rows] @ part[rows]), 1e-300)
            states[rows] = lasting + part[rows] * float(part[rows] @ (state[rows] - lasting)) / squares
        return states

    starts = [np.array([log, 0.2, *([0.5] if heated else [])]) for log in (-1.0, 1.0, 3.0)]
    solutions = [least_squares(lambda p: modelled(p) - state, start, x_scale="jac") for start in starts]
    best = min(solutions, key=lambda solution: float(solution.cost))
    p, freedom = best.x, len(cells) - len(best.x)
    half = stats.t.isf(TAIL, freedom) * np.sqrt(np.diag(_over_cells(best.jac, modelled(p) - state, cells)))
    ends = np.stack([p - half, p + half])
    fallen = float(np.median([np.ptp(modelled(p)[rows]) for rows in cells]))
    if not np.isfinite(half).all() or 2 * half[0] > np.log(UNTOLD) or 2 * half[1] > REST_UNTOLD:
        raise DatasetError(
            f"{data.name}: states change by {fallen:.2g} of the range in {time.max():g} s, too little "
            "compared with their noise to fit time constant and resting state; accepted: times up to the "
            "time constant or longer (measure hotter, with a column temperature_K), or more cells"
        )
    tau, interval = scale * float(np.exp(p[0])), scale * np.exp(ends[:, 0])
    rest = float(np.clip(p[1], 0, 1))
    parameters = {"retention_s": tau, "retention_rest": float(p[1])}
    intervals = {"retention_s": (float(interval[0]), float(interval[1]))}
    intervals["retention_rest"] = (float(ends[0, 1]), float(ends[1, 1]))
    values = {
        "retention_s": rounded(tau),
        "retention_rest": rounded(rest),
        "reference_temperature_K": rounded(reference),
    }
    notes = []
    if heated:
        parameters["retention_energy_eV"] = float(p[2])
        intervals["retention_energy_eV"] = (float(ends[0, 2]), float(ends[1, 2]))
        values["retention_energy_eV"] = rounded(max(float(p[2]), 0.0))
        if reference != ROOM_K:
            notes.append(f"no temperature is at {ROOM_K:g} K: the reference is {reference:g} K")
    else:
        notes.append(
            f"one temperature ({reference:g} "
            f"K{'' if 'temperature' in data.columns else ', assumed'}): "
            "no activation energy, so other temperatures are an extrapolation"
        )
    residuals = state - modelled(p)
    places = np.unique(np.stack([time, kelvin]), axis=1, return_inverse=True)[1].ravel()
    means, count, left = shared_of(residuals, places, len(cells))
    notes += [] if left > 0 else ["no two cells were measured at the same time: misfit is in the noise"]
    noise = deviation_of(float(np.square(residuals - (means if left > 0 else 0)).sum()), max(left, 1))
    misfit = misfit_of(means, noise.value, max(count - len(p), 1)) if left > 0 else None
    return AgeingFit(
        model="exponential",
        section="ecram",
        values=values,
        cells=len(cells),
        parameters={**parameters, "noise": noise.value},
        intervals={**intervals, "noise": noise.interval},
        misfit=misfit,
        noise=noise.value,
        unit="of_range",
        x=time,
        measured=state,
        modelled=modelled(p),
        axes=("time (s)", "state"),
        notes=tuple(notes),
    )


def _over_cells(jacobian: Floats, residuals: Floats, cells: list[Ints]) -> Floats:
    """Return the covariance of the fitted parameters, estimated from the differences
    between cells (the jackknife-type estimator CR3). ``jacobian`` is (n, parameters),
    ``residuals`` (n,)."""
    bread = np.linalg.pinv(jacobian.T @ jacobian)
    meat = np.zeros_like(bread)
    for rows in cells:
        own = jacobian[rows]
        left = np.eye(len(rows)) - own @ bread @ own.T
        score = own.T @ np.linalg.lstsq(left, residuals[rows], rcond=None)[0]
        meat += np.outer(score, score)
    count = len(cells)
    return np.asarray(bread @ meat @ bread * (count - 1) / count, np.float64)
