"""NDR fits: a compact model with device-to-device spread, or a table, from
measured I-V data."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import least_squares

from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.ndr.curves import Bell, Esaki, NdrModel, Table, Tunnel
from ndrite.emulator.device.ndr.description import TABLE_POINTS, neuron_values, peak_to_valley
from ndrite.emulator.device.ndr.refusals import refuse_limit, refuse_peak_below_0, refuse_s_type
from ndrite.emulator.device.sweeps import in_order, noise_of, rms, smoothed
from ndrite.emulator.errors import DatasetError, require
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.brief import record

MODELS = ("esaki", "tunnel", "bell")
POINTS_MIN = 8
FALL_MIN, SHALLOW = 0.005, 0.05
"""Smallest fall of the current after its peak, as fractions of the peak. It must be
FALL_MIN or more, and at least six times the noise unless it is SHALLOW or more; three
times the noise in any case."""
FEW = 16
"""Number of points below which currents are not smoothed, as a median of five would
remove the peak itself. Second differences then contain the curve as well, so the noise
is at most what the nearest law leaves over."""
HYSTERESIS_MIN = 0.05
"""Smallest difference of up and down sweeps, relative to the peak, that counts as
hysteresis and not as noise."""
GRID = 201
SPREAD_MAX = 0.5
"""Largest spread of currents at one voltage, relative to the peak; beyond it the
current is not a function of voltage."""
TABLE_ABOVE = 0.05
"""A model is replaced by a table if it misses the data by more than this fraction of
the peak (rms) and by three times their scatter."""
SCATTER_MAX = 0.1
"""Largest scatter (rms, relative to the peak) of data that can be fitted."""
FLOOR = 3.0
"""A valley current below this many standard deviations of the scatter counts as the
smallest current that the instrument can measure."""


@record()
class DeviceCurve:
    """Measured curve of one device, with voltages rising and distinct, and the model
    fitted to it; volts and amperes."""

    device: str
    voltage_V: Floats
    current_A: Floats
    model: NdrModel

    @property
    def peak_A(self) -> float:
        """Smoothed current at the peak, in amperes. Beyond the valley the current may
        be larger than this."""
        return float(_smooth(self.current_A)[_top(self.current_A)])


@record()
class NdrFit:
    """Result of ``fit_ndr``: the neuron's description fields, each device's curve with
    the model fitted to it, and the error of the fits.

    ``values`` are the fields of the section ``neuron``; ``rms`` the residual in units
    of the peak current, over all devices, each against its own fit; ``peak_to_valley``
    the median device's.
    """

    section: ClassVar[str] = "neuron"
    model: str
    values: dict[str, Any]
    curves: tuple[DeviceCurve, ...]
    device: NdrModel
    rms: float
    peak_to_valley: float
    notes: tuple[str, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """Return the misfit, the peak-to-valley ratio and the number of devices."""
        return {
            "model": self.model,
            "devices": len(self.curves),
            "rms_of_peak": self.rms,
            "peak_to_valley": self.peak_to_valley,
        }

    def held_out(self, kept: Measurements, left: Measurements) -> float:
        """Fit this result's model to the rows ``kept``, and return the rms error
        of its predictions for the held-out rows ``left`` from 0 V up, in units of
        the peak current."""
        errors = []
        for curve in fit_ndr(kept, self.model).curves:
            v, i = left.of(curve.device)["voltage"], left.of(curve.device)["current"]
            # ``fit_ndr`` mirrors data measured at negative bias to positive bias; the
            # held-out rows are mirrored likewise.
            turn = -1.0 if np.median(v) < 0 and np.median(i) <= 0 else 1.0
            v, i = turn * v, turn * i
            errors.append((curve.model.current(v[v >= 0]) - i[v >= 0]) / curve.peak_A)
        return rms(*errors)


def fit_ndr(data: Measurements, model: str = "auto") -> NdrFit:
    """Fit a curve model to the voltage and current of one or several devices.

    Raises DatasetError when the data show no negative differential resistance or are no
    function of voltage; says which. ``data``: columns ``voltage`` and ``current``; any
    order, repeated sweeps are averaged. Sweeps up and down that differ are reported as
    hysteresis, and those up are fitted. ``model``: ``esaki``, ``tunnel``, ``bell``,
    ``table``, or ``auto``: the first three's best, a table if that misses the data by
    more than 5 % of the peak.
    """
    notes: list[str] = []
    cleaned_curves = [_clean(name, **data.of(name), notes=notes) for name in data.devices]
    cleaned = [_forward(v, i) for v, i in cleaned_curves]
    # All devices get the same valley voltage. Separate values would be correlated with
    # the fitted amplitude of the excess current, and the spread between devices would
    # be counted in both parameters.
    valley = float(np.median([v[_bottom(i)] for v, i in cleaned]))
    results = {}
    for name in {"auto": MODELS, "table": ()}.get(model, (model,)):
        fits = [_fit(name, v, i, valley) for v, i in cleaned]
        results[name] = (fits, _rms(cleaned, fits))
    best = min(results, key=lambda name: results[name][1], default="table")
    if "tunnel" in results and best == "esaki" and results["tunnel"][1] < 1.05 * results["esaki"][1]:
        best = "tunnel"  # three more parameters of esaki hardly reduce the error
    scatter = _scatter(cleaned)
    misses = best in results and results[best][1] > max(TABLE_ABOVE, 3 * scatter)
    if misses and model != "auto":
        raise DatasetError(
            f"model {model} misses the data by {results[best][1]:.0%} of the peak (rms), which scatter by "
            f"{scatter:.1%}; accepted: auto, or a model that explains them"
        )
    if model == "table" or misses:
        best = "table"
        fits = [_table(v, i) for v, i in cleaned_curves]
        results[best] = (fits, _rms(cleaned_curves, fits))
    fits, error = results[best]
    for name, (v, i) in zip(data.devices, cleaned, strict=True):
        if best == "esaki" and _bottom(i) >= len(v) - 2:
            notes.append(
                f"device {name!r}: the data end before the valley, at {v[-1]:g} V; the excess current beyond "
                "is an extrapolation"
            )
    curves = tuple(
        DeviceCurve(name, v, i, fit)
        for name, (v, i), fit in zip(data.devices, cleaned_curves, fits, strict=True)
    )
    values, device = neuron_values(best, fits, cleaned)
    ratio = peak_to_valley(device, max(float(v[-1]) for v, _ in cleaned))
    ratio_max = float(
        np.median([_smooth(i)[_top(i)] / max(FLOOR * _noise(v, i), 1e-300) for v, i in cleaned])
    )
    if ratio > ratio_max:
        notes.append(
            f"the valley is below the scatter: peak_to_valley {ratio_max:.3g} is only a lower "
            "bound of the ratio"
        )
        ratio = ratio_max
    return NdrFit(best, values, curves, device, error, ratio, tuple(notes))


def _clean(name: str, voltage: Floats, current: Floats, notes: list[str]) -> tuple[Floats, Floats]:
    """Return one device's measured curve: distinct rising voltages with the
    mean current at each. Raises DatasetError if the data from 0 V up are not
    those of an NDR device."""
    where = f"device {name!r}"
    if np.median(voltage) < 0 and np.median(current) <= 0:
        voltage, current = -voltage, -current
        notes.append(f"{where}: measured at negative bias, signs reversed")
    refuse_s_type(where, voltage, current)
    order = np.argsort(voltage, kind="stable")
    refuse_peak_below_0(where, voltage[order], _smooth(current[order]))
    voltage, current = _rising_sweeps(where, voltage, current, notes)
    v, inverse, counts = np.unique(voltage, return_inverse=True, return_counts=True)
    averaged = v, np.asarray(np.bincount(inverse, current) / counts, np.float64)
    low, high = np.full(len(v), np.inf), np.full(len(v), -np.inf)
    np.minimum.at(low, inverse, current)
    np.maximum.at(high, inverse, current)
    apart = (high - low)[v >= 0]
    below = voltage < 0
    if below.any():
        notes.append(
            f"{where}: {int(below.sum())} points below 0 V, down to {current[below].min():.3g} A; a table "
            "keeps them, but the driver of a neuron does not go below 0 V"
        )
    v, i = _forward(*averaged)
    if len(v) < POINTS_MIN:
        raise DatasetError(f"{where}: {len(v)} distinct voltages from 0 up; accepted: at least {POINTS_MIN}")
    largest = float(_smooth(i).max())
    subject = f"{where}: the largest current"
    require(largest > 0, subject, f"{i.max():g} A", "above 0 at positive bias", DatasetError)
    if float(apart.max()) > SPREAD_MAX * largest:
        voltage_V = v[apart.argmax()]
        raise DatasetError(
            f"{where}: currents at {voltage_V:g} V differ by {apart.max():g} A, {SPREAD_MAX:.0%} of the peak "
            "or more: not a function of voltage (an S-type or hysteretic device, or several devices without "
            "a column 'device')"
        )
    smooth = _smooth(i)
    top = _top(i)
    noise = _noise(v, i)
    if noise > SCATTER_MAX * largest:
        raise DatasetError(
            f"{where}: currents scatter by {noise / largest:.0%} of the largest from voltage to voltage; "
            f"accepted: at most {SCATTER_MAX:.0%}, so that there is a curve to fit"
            + (
                f" (fewer than {FEW} voltages, here {len(v)}: the curve must be near a fitted law)"
                if len(v) < FEW
                else ""
            )
        )
    refuse_limit(where, v, smooth, top)
    bottom = _bottom(i)
    fall = float(smooth[top] - smooth[bottom])
    part = fall / float(smooth[top])
    enough = max(FALL_MIN, 6 * noise / float(smooth[top]))
    if top >= len(v) - 2 or part < min(SHALLOW, enough) or fall < 3 * noise:
        raise DatasetError(
            f"{where}: the current does not fall after its largest value by more than {part:.1%} (largest "
            f"{smooth[top]:g} A at {v[top]:g} V, last voltage {v[-1]:g} V, noise {noise / smooth[top]:.1%}); "
            f"accepted: data with negative differential resistance, a fall of {min(SHALLOW, enough):.1%} or "
            "more (average more sweeps where it is less)"
        )
    if part < SHALLOW:
        notes.append(
            f"{where}: the current falls by only {part:.1%} of its peak: the neuron nearly saturates"
        )
    if smooth[-1] > smooth[top]:
        notes.append(
            f"{where}: beyond its valley ({v[bottom]:g} V) the current passes the peak at {v[top]:g} V"
        )
    return averaged


def _smooth(i: Floats) -> Floats:
    """Return the currents with outliers removed by a running median; fewer than FEW
    points are returned unchanged."""
    return i if len(i) < FEW else smoothed(i)


def _noise(v: Floats, i: Floats) -> float:
    """Return the standard deviation of the currents from one voltage to the
    next. With few points it is at most the residual of a fitted law with two or
    three parameters."""
    noise = noise_of(i)
    if len(i) >= FEW or not noise > 0:
        return noise
    freedom = {"tunnel": 2, "bell": 3}
    left = [
        rms(_fit(name, v, i, 0.0).current(v) - i) * (len(i) / (len(i) - count)) ** 0.5
        for name, count in freedom.items()
    ]
    return float(min(noise, *left))


def _forward(v: Floats, i: Floats) -> tuple[Floats, Floats]:
    """Return the points of a curve whose voltage is 0 V or more."""
    return v[v >= 0], i[v >= 0]


def _scatter(data: list[tuple[Floats, Floats]]) -> float:
    """Return the largest noise of any device's currents, relative to the peak
    current of that device."""
    return max(float(_noise(v, i) / _smooth(i)[_top(i)]) for v, i in data)


def _rising_sweeps(where: str, voltage: Floats, current: Floats, notes: list[str]) -> tuple[Floats, Floats]:
    """Return voltages and currents without the falling sweeps if these differ from the
    rising ones (hysteresis); a note then says so."""
    legs = in_order(voltage)
    rising, falling = ([leg.rows for leg in legs if leg.up is up and not leg.jump] for up in (True, False))
    if not rising or not falling:
        return voltage, current

    def mean(rows: list[slice]) -> Floats:
        """Return the mean current of several sweeps, on a grid of voltages that
        all of them cover."""
        order = [np.argsort(voltage[r], kind="stable") for r in rows]
        row_orders = zip(rows, order, strict=True)
        on_grid = [np.interp(grid, voltage[r][o], current[r][o]) for r, o in row_orders]
        return np.asarray(np.mean(on_grid, axis=0), np.float64)

    grid = np.linspace(
        max(float(voltage[r].min()) for r in (*rising, *falling)),
        min(float(voltage[r].max()) for r in (*rising, *falling)),
        GRID,
    )
    up, down = mean(rising), mean(falling)
    difference = np.abs(smoothed(up) - smoothed(down))
    peak = float(np.abs(smoothed(up)).max())
    noise = noise_of(current)
    worst = int(difference.argmax())
    if difference[worst] <= max(HYSTERESIS_MIN * peak, 4 * noise):
        return voltage, current
    notes.append(
        f"{where}: hysteresis, sweeps up and down differ by up to {100 * difference[worst] / peak:.0f} % of "
        f"the peak (at {grid[worst]:g} V); fitted: the sweeps up, as a read from 0 V takes them"
    )
    rows = np.concatenate([np.arange(r.start, r.stop) for r in rising])
    return voltage[rows], current[rows]


def _top(i: Floats) -> int:
    """Return the index of the peak of a curve. Candidates are the values that exceed
    all values before them; the peak is the candidate after which the current falls
    furthest before it exceeds the candidate again. (The largest current may be thermal
    current beyond the valley.)"""
    smooth = _smooth(i)
    best, deepest = int(smooth.argmax()), 0.0
    records = np.flatnonzero(smooth > np.concatenate([[-np.inf], np.maximum.accumulate(smooth)[:-1]]))
    for k, top in enumerate(records):
        stop = int(records[k + 1]) if k + 1 < len(records) else len(smooth)
        fall = float(smooth[top] - smooth[top:stop].min())
        if fall > deepest:
            best, deepest = int(top), fall
    return best


def _bottom(i: Floats) -> int:
    """Return the index of the valley: the smallest current between the peak and the
    point at which the current exceeds the peak again."""
    smooth = _smooth(i)
    top = _top(i)
    above = np.flatnonzero(smooth[top + 1 :] > smooth[top])
    stop = top + 1 + int(above[0]) if len(above) else len(smooth)
    return top + int(smooth[top:stop].argmin())


def _fit(name: str, v: Floats, i: Floats, valley_v: float) -> NdrModel:
    smooth = _smooth(i)
    top = _top(i)
    vp, ip = max(float(v[top]), float(v[-1]) * 1e-3), float(smooth[top])
    scale = np.array([vp, ip])
    robust = {"loss": "soft_l1", "f_scale": 0.02}

    def solve(
        make: Callable[[Floats], NdrModel], start: list[float], low: list[float], high: list[float]
    ) -> NdrModel:
        def residual(p: Floats) -> Floats:
            return np.asarray((make(p).current(v) - i) / ip, np.float64)

        result = least_squares(residual, start, bounds=(low, high), x_scale="jac", **robust)
        model: NdrModel = make(result.x)
        return model

    if name == "tunnel":
        return solve(lambda p: Tunnel(*(p * scale)), [1.0, 1.0], [0.2, 0.2], [5.0, 5.0])
    if name == "bell":
        half = v[smooth > ip / 2]
        width = max(float(np.ptp(half)) / 2.355, vp * 0.02)
        scale = np.array([vp, ip, width])
        return solve(lambda p: Bell(*(p * scale)), [1.0, 1.0, 1.0], [0.2, 0.2, 0.05], [5.0, 5.0, 20.0])
    valley_i = max(float(smooth[_bottom(i)]), ip * 1e-4)

    # The valley voltage is fixed, because it cannot be fitted together with
    # the amplitude of the excess current: a change of one compensates a
    # change of the other.
    def esaki(p: Floats) -> Esaki:
        vpk = p[0] * vp
        return Esaki(
            peak_voltage_V=vpk,
            peak_current_A=p[1] * ip,
            valley_voltage_V=max(valley_v, 1.001 * vpk),
            excess_current_A=p[2] * valley_i,
            excess_slope_per_V=p[3] / vp,
            saturation_current_A=0.0,
        )

    fits = [
        solve(esaki, [1.0, 1.0, 0.5, slope], [0.2, 0.2, 0.0, 1e-3], [3.0, 3.0, 20.0, 50.0])
        for slope in (0.3, 1.0, 3.0)
    ]
    return min(fits, key=lambda fit: float(np.square(fit.current(v) - i).sum()))


def _table(v: Floats, i: Floats) -> Table:
    """Return the measured curve as a table, smoothed and thinned. Data that begin above
    0 V get a point (0 V, 0 A); other data keep their points below 0 V."""
    below = (v[v < 0], i[v < 0])
    v, i = _forward(v, i)
    above = np.flatnonzero(_smooth(i)[_bottom(i) :] > _smooth(i)[_top(i)])
    # The curve may rise above the peak again beyond the valley. A neuron's output never
    # exceeds its peak, so the table ends before that rise.
    if len(above):
        stop = _bottom(i) + int(above[0])
        v, i = v[:stop], i[:stop]
    if v[0] > 0:
        v, i = np.concatenate([[0.0], v]), np.concatenate([[0.0], i])
    grid = np.linspace(v[0], v[-1], min(TABLE_POINTS, 4 * len(v)))
    parts = zip(below, (grid, np.interp(grid, v, _smooth(i))), strict=True)
    return Table(*(np.concatenate(part) for part in parts))


def _rms(data: list[tuple[Floats, Floats]], fits: list[NdrModel]) -> float:
    return rms(*((fit.current(v) - i) / _smooth(i)[_top(i)] for (v, i), fit in zip(data, fits, strict=True)))
