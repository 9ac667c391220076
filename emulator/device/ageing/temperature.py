"""Temperature: fits its effect on peak currents of NDR devices (linear) or on time
constants of ECRAMs (Arrhenius)."""

import numpy as np

from ndrite.emulator.device.ageing.card import AgeingFit, cells_of, check_above_0, reference_K
from ndrite.emulator.device.ageing.lines import CHANCE, fit_lines, mean_of
from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.device.ndr.curves import BOLTZMANN_EV_PER_K
from ndrite.emulator.device.sweeps import rounded
from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Ints

MODELS = ("linear", "arrhenius")
TEMPERATURES_MIN, KELVIN_MIN = 3, 30.0


def fit_temperature(data: Measurements, model: str = "linear") -> AgeingFit:
    """Fit the effect of temperature on a device, from ten devices or more with at least
    three temperatures each. Columns: ``temperature`` (K) and, for the model ``linear``,
    ``current`` (peak currents) or, for ``arrhenius``, ``time`` (time constants of an
    ECRAM's state, s).

    Raises DatasetError, one line, when there are too few devices or temperatures, or
    the data cannot tell.
    """
    quantity = "current" if model == "linear" else "time"
    if quantity not in data.columns:
        raise DatasetError(
            f"{data.name}: no column for {quantity}, which model {model} needs; accepted: peak currents "
            "for linear, time constants (time_s) for arrhenius"
        )
    kelvin, value = data.columns["temperature"], data.columns[quantity]
    for name, values in (("temperature", kelvin), (quantity, value)):
        check_above_0(data, name, values)
    cells = cells_of(data, f"at {TEMPERATURES_MIN} temperatures or more")
    for name, rows in zip(data.devices, cells, strict=True):
        count, span = len(np.unique(kelvin[rows])), float(np.ptp(kelvin[rows]))
        if count < TEMPERATURES_MIN or span < KELVIN_MIN:
            raise DatasetError(
                f"{data.name}: device {name!r} has {count} temperatures over {span:g} K; accepted: at least "
                f"{TEMPERATURES_MIN} over {KELVIN_MIN:g} K"
            )
    fit = _linear if model == "linear" else _arrhenius
    return fit(data, cells, reference_K(kelvin))


def _linear(data: Measurements, cells: list[Ints], reference: float) -> AgeingFit:
    kelvin, current = data.columns["temperature"], data.columns["current"]
    at_reference = fit_lines(kelvin - reference, current, cells).intercepts
    if not (at_reference > 0).all():
        raise DatasetError(
            f"{data.name}: a line through a device's currents is not above 0 at {reference:g} K; "
            "accepted: peak currents, which are above 0"
        )
    # Devices differ in size. To make them comparable, each current is expressed in
    # percent of the same device's current at the reference temperature.
    own = np.zeros_like(current)
    for rows, peak in zip(cells, at_reference, strict=True):
        own[rows] = 100 * current[rows] / peak
    lines = fit_lines(kelvin - reference, own, cells)
    slope = mean_of(lines.slopes)
    _refuse_untold(data, "peak_current_percent_per_K", slope.interval, lines.spread.interval[0])
    return AgeingFit(
        model="linear",
        section="neuron",
        values={
            "peak_current_percent_per_K": rounded(slope.value),
            "reference_temperature_K": rounded(reference),
            "peak_current_mA": rounded(1e3 * float(np.median(at_reference))),
        },
        cells=len(cells),
        parameters={
            "peak_current_percent_per_K": slope.value,
            "deviation_between_devices_percent_per_K": lines.spread.value,
            "noise": lines.noise.value,
        },
        intervals={
            "peak_current_percent_per_K": slope.interval,
            "deviation_between_devices_percent_per_K": lines.spread.interval,
            "noise": lines.noise.interval,
        },
        misfit=lines.misfit,
        noise=lines.noise.value,
        unit="percent",
        x=kelvin,
        measured=own,
        modelled=lines.fitted,
        axes=("temperature (K)", f"peak current (% of that at {reference:g} K)"),
        notes=_notes(lines.share, lines.misfit, "linear", "percent", "esaki alone has this coefficient"),
    )


def _arrhenius(data: Measurements, cells: list[Ints], reference: float) -> AgeingFit:
    kelvin, time = data.columns["temperature"], data.columns["time"]
    lines = fit_lines((1 / kelvin - 1 / reference) / BOLTZMANN_EV_PER_K, np.log(time), cells)
    _refuse_untold(data, "retention_energy_eV", lines.slope.interval, lines.spread.interval[0])
    at_reference = mean_of(lines.intercepts)
    low, high = np.exp(at_reference.interval).tolist()
    parameters = {"retention_s": float(np.exp(at_reference.value)), "retention_energy_eV": lines.slope.value}
    return AgeingFit(
        model="arrhenius",
        section="ecram",
        values={
            "retention_s": rounded(parameters["retention_s"]),
            "retention_energy_eV": rounded(max(lines.slope.value, 0.0)),
            "reference_temperature_K": rounded(reference),
        },
        cells=len(cells),
        parameters={
            **parameters,
            "deviation_between_devices_eV": lines.spread.value,
            "noise": lines.noise.value,
        },
        intervals={
            "retention_s": (low, high),
            "retention_energy_eV": lines.slope.interval,
            "deviation_between_devices_eV": lines.spread.interval,
            "noise": lines.noise.interval,
        },
        misfit=lines.misfit,
        noise=lines.noise.value,
        unit="of_time",
        x=kelvin,
        measured=time,
        modelled=np.exp(lines.fitted),
        axes=("temperature (K)", "time constant (s)"),
        notes=_notes(lines.share, lines.misfit, "arrhenius", "of_time", "retention_rest is not in such data"),
    )


def _refuse_untold(data: Measurements, name: str, interval: tuple[float, float], spread: float) -> None:
    if interval[0] <= 0 <= interval[1] and spread == 0:
        raise DatasetError(
            f"{data.name}: the effect of temperature cannot be told from noise: {name} {interval[0]:.3g} .. "
            f"{interval[1]:.3g}; accepted: a wider range of temperatures, or more devices"
        )


def _notes(share: float, misfit: float, model: str, unit: str, last: str) -> tuple[str, ...]:
    missed = f"{model} misses what all devices do by {misfit:.3g} {unit} (rms), noise apart"
    return (missed, last) if misfit > 0 and share < CHANCE else (last,)
