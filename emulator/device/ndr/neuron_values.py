"""Fitted NDR devices to the fields of a chip description: the median device and its spread."""

import dataclasses
import math
from typing import Any

import numpy as np

from ndrite.emulator.device.measurements import rms, rounded
from ndrite.emulator.device.ndr.curves import Esaki, NdrModel, Table
from ndrite.emulator.device.ndr.description import VARIED
from ndrite.emulator.spec.arrays import Floats

TABLE_POINTS = 201
"""Points of a tabulated curve."""


def neuron_values(name: str, fits: list[NdrModel], data: list[Any]) -> tuple[dict[str, Any], NdrModel]:
    """The median device's fields, and devices' spread beyond what the scatter of ``data`` (V, A) makes."""
    values: dict[str, Any] = {"model": name}
    if name == "table":
        device = fits[0] if len(fits) == 1 else _median_table(fits)
        assert isinstance(device, Table)
        values["table_voltage_V"] = tuple(map(rounded, device.voltage_V))
        values["table_current_A"] = tuple(map(rounded, device.current_A))
        spread = {p: [getattr(f, p) for f in fits] for p in ("peak_voltage_V", "peak_current_A")}
        values |= {f"{VARIED[p]}_variation_percent": _percent(v) for p, v in spread.items()}
        return values, device
    medians = {}
    errors = [_errors(fit, *of) for fit, of in zip(fits, data, strict=True)]
    for parameter in (p for p in VARIED if hasattr(fits[0], p) and p != "saturation_current_A"):
        parameter_values = [float(getattr(fit, parameter)) for fit in fits]
        middle = medians[parameter] = float(np.median(parameter_values))
        milli = parameter.endswith("_A")
        values[parameter.replace("_A", "_mA")] = rounded(middle * 1e3 if milli else middle)
        values[f"{VARIED[parameter]}_variation_percent"] = _percent(
            parameter_values, [e.get(parameter, 0) for e in errors]
        )
    if name == "esaki":
        values["saturation_current_A"] = 0.0  # as every fit has it
    return values, dataclasses.replace(fits[0], **medians)  # type: ignore[type-var]


def _median_table(tables: list[NdrModel]) -> Table:
    """Median over devices of the curves in units of their peaks, at the median peak."""
    assert all(isinstance(t, Table) for t in tables)
    vp, ip = (float(np.median([getattr(t, p) for t in tables])) for p in ("peak_voltage_V", "peak_current_A"))
    end = min(float(t.voltage_V[-1]) / t.peak_voltage_V for t in tables if isinstance(t, Table))
    start = max(float(t.voltage_V[0]) / t.peak_voltage_V for t in tables if isinstance(t, Table))
    u = np.linspace(0.0, end, TABLE_POINTS)
    if start < 0:
        u = np.concatenate([np.linspace(start, 0.0, TABLE_POINTS // 4)[:-1], u])
    return Table(u * vp, np.median([t.shape(u) for t in tables], axis=0) * ip)


def _errors(model: NdrModel, v: Floats, i: Floats) -> dict[str, float]:
    """Standard errors of what was fitted, as parts of it, from the scatter of the data."""
    names = [p for p in VARIED if hasattr(model, p) and p not in ("saturation_current_A", "valley_voltage_V")]
    near = [dataclasses.replace(model, **{p: 1.0001 * getattr(model, p)}) for p in names]  # type: ignore[type-var]
    slopes = 1e4 * np.array([neighbour.current(v) - model.current(v) for neighbour in near])
    errors = rms(model.current(v) - i) * np.sqrt(np.diag(np.linalg.pinv(slopes @ slopes.T)))
    return dict(zip(names, errors, strict=True))


def _percent(values: list[float], errors: list[float] | float = 0.0) -> float:
    """Standard deviation in percent of the median, without what ``errors`` (parts of the values) add to it; 0
    for one device, a parameter that is 0, and where errors alone may be it (three deviations)."""
    middle = abs(float(np.median(values)))
    if len(values) < 2 or middle == 0:
        return 0.0
    noise = float(np.square(np.multiply(values, errors)).mean())
    device_variance = float(np.var(values, ddof=1)) - noise
    certain = device_variance > noise * 3 * math.sqrt(2 / (len(values) - 1))
    return round(min(100.0, 100 * math.sqrt(device_variance) / middle), 4) if certain else 0.0


def peak_to_valley(device: NdrModel, end_V: float) -> float:
    """Largest current over the least one after it, up to ``end_V``."""
    v = np.linspace(0.0, end_V, 4001)
    i = device.current(v)
    top = int(i.argmax() if not isinstance(device, Esaki) else np.searchsorted(v, device.peak[0]))
    return float(i[top] / max(float(i[top:].min()), 1e-30))
