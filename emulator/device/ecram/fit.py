"""ECRAM fits: the linear-step or the exponential pulse model from measured conductance
against pulse number."""

from typing import Any, ClassVar

import numpy as np
from scipy.optimize import least_squares

from ndrite.emulator.device.ecram.repeats import PULSES_MIN, Branch, repeats_of
from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.sweeps import Leg, legs_of, noise_of, rms, rounded, smoothed
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.brief import record

RUN = 0.25
"""A change of direction over less than this fraction of the conductance range does not
end a run of pulses."""
TURN = 8.0
"""A change of direction over less than this many standard deviations of the noise does
not end a run of pulses."""
# Residual (rms, relative to the range) above which a note is added.
MISSES = 0.05
SINGLE = (
    "no run repeats: noise cannot be told from what the law misses and is not claimed; accepted for noise: "
    "runs up and down that repeat, or 'fit potentiation', which tabulates the steps"
)
AT_BOUND, TURNING = 1e-6, 3
"""Modelled states within AT_BOUND of the last state of a run of pulses count as being
at the device's bound. If this is so for TURNING rows or fewer, it may only be an effect
of smoothing at the turning point."""
PLATEAU = 1e-3
"""Conductances that differ by less than this fraction of the range from the extreme one
of a run of pulses count as its plateau, where the device is at its bound."""


@record()
class EcramFit:
    """Result of ``fit_ecram``: the device's description fields, its runs of pulses with
    the modelled states, and the error of the fit.

    ``values`` are fields of the section ``ecram``; states -1..1 stand for
    ``low_uS``..``high_uS``; ``rms`` is the residual as a part of the full range;
    ``misfit``: its part that all runs of a device share, which the law misses, None if
    no run repeats; ``unit``: uS, or uA of a device that is known by its current.
    """

    section: ClassVar[str] = "ecram"
    model: str
    values: dict[str, Any]
    branches: tuple[Branch, ...]
    low_uS: float
    high_uS: float
    rms: float
    notes: tuple[str, ...]
    unit: str = "uS"
    misfit: float | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """Return the conductances (or currents) at the lowest and the highest state.
        Also return two errors relative to the range between them: the rms difference of
        data and fit, and the misfit, which is the part of that difference that all runs
        of a device share."""
        ends = {f"low_{self.unit}": self.low_uS, f"high_{self.unit}": self.high_uS}
        return {**ends, "rms_of_range": self.rms, "misfit_of_range": self.misfit}

    def held_out(self, kept: Measurements, left: Measurements) -> float:
        """Fit this result's model to the rows ``kept``, and return the rms error of its
        predictions for the held-out rows ``left``, relative to the full range."""
        refit, errors = fit_ecram(kept, self.model), []
        low, high = refit.low_uS * 1e-6, refit.high_uS * 1e-6
        for name in left.devices:
            branches = [b for b in refit.branches if b.device == name]
            pulse_numbers = np.concatenate([b.start + b.pulse for b in branches])
            state = np.interp(
                left.of(name)["pulse"], pulse_numbers, np.concatenate([b.model for b in branches])
            )
            errors.append((state + 1) / 2 - (left.of(name)["conductance"] - low) / (high - low))
        return rms(*errors)


def fit_ecram(data: Measurements, model: str = "linear-step") -> EcramFit:
    """Fit the pulse response of ECRAMs: any number of runs of pulses up and down for
    each device. Columns: ``pulse`` (a running number) and ``conductance`` (siemens).

    Both models approach a fixed point geometrically, w(n) = f + (w0 - f) q^n; that is
    fitted to the whole trace of every branch, which measurement noise does not bias as
    it does single steps. The deviation from pulse to pulse is what runs of one device
    that repeat show, and 0 if none does: what the law misses is no noise. Raises
    DatasetError when a branch is missing, too short, or does not move.
    """
    notes: list[str] = []
    traces = {name: _trace(name, **data.of(name)) for name in data.devices}
    smooth = {name: smoothed(g) for name, (_, g, _) in traces.items()}
    runs = {name: len(legs) for name, (_, _, legs) in traces.items()}
    if max(runs.values()) > 2:
        notes.append(f"{max(runs.values())} runs up and down; every one is fitted, medians are taken")
    ranges = {name: (float(s.min()), float(s.max())) for name, s in smooth.items()}
    low, high = np.median(list(ranges.values()), axis=0).tolist()
    branches: list[Branch] = []
    branch_values: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
    bounds, per_device, ends = [], [], dict[bool, bool]()
    for name, (pulse, g, legs) in traces.items():
        state = 2 * (g - low) / (high - low) - 1
        bottom, top = (2 * (end - low) / (high - low) - 1 for end in ranges[name])
        device_values: dict[bool, list[float]] = {True: [], False: []}
        for leg in legs:
            up, part = leg.up, leg.rows
            n = pulse[part] - pulse[part][0]
            step, gamma, modelled = _branch(n, state[part], bottom, top, up)
            # Count the pulses until the state stops changing, because the device is at
            # its bound. If only the last few states are alike, the device has not
            # certainly reached its bound (smoothing at the turning point also causes
            # this), and the whole run counts.
            last = int((np.abs(modelled - modelled[-1]) > AT_BOUND).sum())
            ends[up] = ends.get(up, False) or last + TURNING < len(n) or gamma > 0.9
            last = last if last + TURNING < len(n) else len(n) - 1
            pulses_used = slice(max(last, PULSES_MIN) + 1)
            moved = rms(np.diff(modelled[pulses_used]) / np.diff(n[pulses_used]))
            device_values[up].append(step)
            branch_values[up].append((step, gamma, moved, float(n[last])))
            branches.append(Branch(name, up, float(pulse[part][0]), n, state[part], modelled))
        bounds += [top, -bottom]
        per_device.append([np.median(device_values[True]), np.median(device_values[False])])
    error = rms(*(b.state - b.model for b in branches)) / 2
    step, gamma, moved, length = np.array([np.median(branch_values[up], axis=0) for up in (True, False)]).T
    walks, misfit = repeats_of(branches, length)
    if misfit is None:
        notes.append(SINGLE)
    missed = error if misfit is None else misfit
    if missed > MISSES:
        apart = "its noise included" if misfit is None else "noise apart"
        notes.append(
            f"{model} misses the data by {missed:.0%} of the range (rms), {apart}; 'fit potentiation' "
            "tabulates steps of any shape"
        )
    values: dict[str, Any] = {"model": model}
    if model == "linear-step":
        for up, word, bound in ((True, "up", "w_max"), (False, "down", "w_min")):
            if not ends[up]:
                notes.append(f"no run {word} comes to rest: {bound} is where pulses ended, not a bound")
        fitted, noise = {"step": step, "gamma": gamma}, np.mean(walks / np.maximum(moved, 1e-12))
        values |= {"w_min": -1.0, "w_max": 1.0} | spread_of(np.array(per_device), bounds)
    else:
        lengths = [of[-1] for legs in branch_values.values() for of in legs]
        values["pulses"] = max(2, round(float(np.median(lengths))))
        # Each pulse reduces the distance to the bound by the factor q = 1 - gamma *
        # step, so the curve's constant A (in pulses) is -1 / ln q. A straight run has q
        # = 1; its A is set far above the number of pulses.
        fitted = {"a": -1 / np.log(np.clip(1 - gamma * step, 1e-9, 1 - 1e-6))}
        noise = np.mean(walks) / 2
    for name, of in fitted.items():
        values |= {f"{name}_up": rounded(of[0]), f"{name}_down": rounded(of[1])}
    values["cycle_percent"] = rounded(100 * noise)
    ends_uS = low * 1e6, high * 1e6
    return EcramFit(model, values, tuple(branches), *ends_uS, error, tuple(notes), misfit=misfit)


def _trace(name: str, pulse: Floats, conductance: Floats) -> tuple[Floats, Floats, list[Leg]]:
    """Return one device's pulse numbers in order, its conductances, and its runs of
    pulses up and down."""
    where = f"device {name!r}"
    order = np.argsort(pulse, kind="stable")
    pulse, g = pulse[order], conductance[order]
    if (np.diff(pulse) == 0).any():
        raise DatasetError(
            f"{where}: pulse {pulse[:-1][np.diff(pulse) == 0][0]:g} appears twice; accepted: a running "
            "number (several devices need a column 'device')"
        )
    if (g < 0).any():
        raise DatasetError(f"{where}: conductance is {g.min() * 1e6:g} uS; accepted: 0 or more")
    smooth = smoothed(g)
    noise = noise_of(g)
    if np.ptp(smooth) <= 3 * noise:
        raise DatasetError(
            f"{where}: the conductance does not move beyond its noise; accepted: a pulse response"
        )
    swing = max(RUN, TURN * noise / float(np.ptp(smooth)))
    legs = _with_plateaus(legs_of(smooth, swing), smooth, max(2 * noise, PLATEAU * float(np.ptp(smooth))))
    for up, word in ((True, "rising"), (False, "falling")):
        lengths = [leg.stop - leg.start for leg in legs if leg.up is up]
        if not lengths or min(lengths) < PULSES_MIN:
            raise DatasetError(
                f"{where}: the {word} branch has {min(lengths, default=0)} pulses; accepted: at least "
                f"{PULSES_MIN} up and as many down, once or several times"
            )
    return pulse, g, legs


def _with_plateaus(legs: list[Leg], smooth: Floats, tolerance: float) -> list[Leg]:
    """Move the end of each run of pulses to the end of its plateau: a device at its
    bound keeps its conductance while pulses continue."""
    moved: list[Leg] = []
    start = 0
    for i, leg in enumerate(legs):
        stop = leg.stop
        if i + 1 < len(legs):
            reach = smooth[leg.start : legs[i + 1].stop + 1] * (1 if leg.up else -1)
            stop = leg.start + int(np.flatnonzero(reach >= reach.max() - tolerance)[-1])
        moved.append(Leg(start, stop, leg.up))
        start = stop
    return moved


def _branch(n: Floats, state: Floats, low: float, high: float, up: bool) -> tuple[float, float, Floats]:
    """Fit one run of pulses in one direction, of a device with the bounds ``low`` and
    ``high``. Return three values: the step at state 0, gamma (the linear dependence of
    the step on the state), and the modelled states."""
    low, high, direction = min(low, -0.01), max(high, 0.01), 1.0 if up else -1.0  # so that low < 0 < high
    bound = high if up else low
    moving = np.abs(state - state[-1]) > 0.02
    length = float(n[moving][-1]) if moving.any() else float(n[-1])

    def modelled(p: Floats) -> Floats:
        start, step, gamma = p
        if gamma < 1e-9:
            return np.asarray(np.clip(start + direction * step * n, low, high), np.float64)
        fixed = bound / gamma
        q = max(1.0 - gamma * step / abs(bound), 1e-9)
        return np.asarray(np.clip(fixed + (start - fixed) * q**n, low, high), np.float64)

    guess = [state[0], float(np.clip(abs(state[-1] - state[0]) / max(length, 1.0), 1e-9, high - low)), 0.3]
    result = least_squares(
        lambda p: modelled(p) - state,
        guess,
        bounds=([min(low, state[0]) - 0.5, 1e-12, 0.0], [max(high, state[0]) + 0.5, high - low, 1.0]),
        x_scale=[1.0, guess[1], 1.0],
        loss="soft_l1",
        f_scale=0.05,
    )
    return float(result.x[1]), float(result.x[2]), modelled(result.x)


def spread_of(steps: Floats, bounds: list[float]) -> dict[str, float]:
    """Return the description fields for the spread between devices. ``steps``
    (devices, 2) are the steps up and down; their spread is split into a part common to
    both directions and a part that differs between them. ``bounds`` are the sizes of
    the devices' bounds."""
    ratio = steps / steps.mean(axis=0)
    values = {"step": ratio.mean(axis=1), "asymmetry": (ratio[:, 0] - ratio[:, 1]) / 2, "bound": bounds}
    spread = {name: float(np.std(v, ddof=min(len(steps) - 1, 1))) for name, v in values.items()}
    return {f"{name}_variation_percent": rounded(min(100.0, 100 * s)) for name, s in spread.items()}
