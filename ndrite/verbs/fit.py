"""fit: turns measured data into the fields of a chip description, with pictures of
data, model and residuals."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ndrite.emulator.device import fitting
from ndrite.emulator.device.description.loader import check_values, save_preset
from ndrite.host import InputError
from ndrite.pages.fits import DRAWN
from ndrite.results import Result, Table, plain
from ndrite.signature import File, Option, Output, Picture, verb


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Result):
    """The result of ``ndrite.fit``: fitted values of a device description, with the
    data and the residuals.

    Attributes
    ----------
    kind, section:
        ``ndr``, ``rram``, ``ecram``, ``potentiation``, ``retention``, ``endurance`` or
        ``temperature``, and the section of a chip description that it fills.
    values:
        Field -> value, in the fields' units.
    summary:
        How good the fit is and of how many devices.
    notes:
        Data that were left out or do not fit, one line each.
    measured, model:
        The data, and the fit of this kind with all its curves.
    """

    kind: str
    section: str
    values: dict[str, Any]
    summary: dict[str, Any]
    notes: tuple[str, ...]
    measured: fitting.Measurements
    model: fitting.Fitted

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the description, each value with its source. The file can be named in a
        chip, as in ``chip="wan2022+mine.yaml"``.

        Conditions and licence of the data are to be added to its device card by hand.
        OSError when the file cannot be written.
        """
        measured, error = self.measured, self.summary["held_out_error"]
        data = f"{measured.name}, {len(measured.device)} rows, {len(measured.devices)} device(s)"
        held_out = "too few rows to hold any out"
        if error is not None:
            held_out = f"{error:.3g}, {fitting.KINDS[self.kind].held_out}"
        if isinstance(self.model, fitting.AgeingFit):
            held_out = self.model.words + ("" if error is None else f"; held out: {held_out}")
        card = {
            "data": data,
            "conditions": "not given to the fit",
            "licence": "not given to the fit",
            "error": held_out,
            "extrapolated": "; ".join(self.notes) or "nothing that the fit knows of",
        }
        save_preset(
            Path(path),
            self.section,
            self.values,
            source=f"fitted by ndrite to {data}",
            description=f"Fitted to {measured.name}.",
            card=card,
        )
        return Path(path)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw data, model and residuals; the file's suffix (``.png``, ``.svg``,
        ``.pdf``) is the format."""
        DRAWN[self.kind](self.model, Path(path))
        return Path(path)

    def as_dict(self) -> dict[str, Any]:
        return {"section": self.section, "values": self.values, **self.summary, "notes": list(self.notes)}

    def tables(self) -> Iterable[Table]:
        rows = [(f"{self.section}.{name}", plain(value)) for name, value in self.values.items()]
        rows += [(name, plain(value)) for name, value in self.summary.items()]
        yield Table(self.measured.name, ("field", "value"), rows)

    def lines(self) -> Iterable[str]:
        return (f"note: {note}" for note in self.notes)


def column(text: str) -> tuple[str, str]:
    """Split ``QUANTITY=HEADER`` or ``QUANTITY=HEADER:UNIT`` into quantity and header."""
    quantity, equals, header = text.partition("=")
    if not (quantity and equals and header):
        raise InputError(f"column is {text!r}; accepted: QUANTITY=HEADER or QUANTITY=HEADER:UNIT")
    return quantity, header


Columns = Annotated[Mapping[str, str], Option("QUANTITY=HEADER", "--column", of=column, many=True)]


@verb
def fit(
    kind: Literal["ndr", "rram", "ecram", "potentiation", "retention", "endurance", "temperature"],
    data: File,
    /,
    *,
    output: Output | None = None,
    picture: Picture | None = None,
    model: str | None = None,
    columns: Columns | None = None,
) -> Fit:
    """Turn your own measurements into a device description.

    Reads a CSV file whose headers name quantity and unit: voltage_V, current_uA,
    conductance_uS, target_uS, pulse, time_s, temperature_K. A column "device" tells
    devices apart, and their spread is then fitted too. The order of columns does not
    matter. Any other column is refused, since rows that differ in another quantity,
    such as humidity, do not belong to one device model.

    Parameters
    ----------
    kind:
        ``ndr``: current (A) against voltage (V) of one or several devices. ``rram``:
        conductance (S) of programmed cells against their target (S), one row a cell.
        ``ecram``: conductance (S) against a running pulse number, up to the largest
        conductance and down again. ``potentiation``: conductance or current after each
        pulse, against its number and ``direction`` (up or down), in runs that repeat
        (``cycle``, or numbers that go on): a table of steps with their noise.
        ``retention``: conductance (or ``state``, 0 to 1) against the time since
        programming. ``endurance``: conductance or current read after each ``direction``
        at a ``cycle``. ``temperature``: peak current, or time constant, against
        temperature (K). These three need ten devices or more and give 95 % intervals,
        misfit and noise apart; headers like ``time_s,conductance_uS,device``,
        ``cycle,direction,conductance_uS,device`` and
        ``temperature_K,current_mA,device``. Devices have rows each, or a column each,
        ``conductance_uS NAME``.
    output:
        Description to write, to be used as in ``--chip wan2022+mine.yaml``.
    picture:
        Draw data, model and residuals; the suffix is the format.
    model:
        Law to fit. ndr: auto (the best, or a table if none fits), esaki, tunnel, bell
        or table; ecram: linear-step (aihwkit's) or exponential (NeuroSim's);
        potentiation: step-table; retention: power-law, logarithmic or exponential
        (states); endurance: programming or ecram, the section to fill; temperature:
        linear (currents) or arrhenius (times).
    columns:
        Header of a quantity's column, if the header does not name the
        quantity: QUANTITY=HEADER or QUANTITY=HEADER:UNIT; in Python a
        mapping. unused=HEADER,HEADER leaves out columns that do not matter,
        such as a row number.

    Examples
    --------
    $ ndrite fit ndr iv.csv -o mine.yaml -p iv.png
    > ndrite fit rram g.csv --column target=target_uS:uS --column conductance=conductance_uS:uS -o mine.yaml
    > ndrite fit ecram pulses.csv -o mine.yaml
    > ndrite fit potentiation runs.csv -o mine.yaml
    > ndrite fit retention bake.csv -o mine.yaml
    > ndrite fit endurance cycles.csv -o mine.yaml
    > ndrite fit temperature hot.csv -o mine.yaml
    >>> import numpy as np, ndrite
    >>> v = np.linspace(0, 0.5, 120)
    >>> i = 1e3 * (v / 0.1 * np.exp(1 - v / 0.1) + 0.1 * np.exp(30 * (v - 0.5)))
    >>> head = "voltage_V,current_uA"
    >>> np.savetxt("iv.csv", np.column_stack([v, i]), delimiter=",", header=head, comments="")
    >>> mine = ndrite.fit("ndr", "iv.csv")
    >>> round(mine.values["peak_voltage_V"], 3)
    0.1
    >>> mine.save("mine.yaml").name, mine.plot("iv.png").name
    ('mine.yaml', 'iv.png')
    """
    fitter = fitting.KINDS[kind]
    chosen = fitter.models[0] if model is None else model
    if chosen not in fitter.models:
        raise InputError(f"model is {chosen!r}; accepted: {', '.join(fitter.models)}")
    headers = dict(columns or {})
    measured = fitting.read_measurements(
        Path(data), fitter.columns, optional=fitter.optional, either=fitter.either, columns=headers
    )
    fitted = fitter.fit(measured, chosen)
    check_values(fitted.section, fitted.values)
    summary = fitted.summary | {"held_out_error": fitting.held_out_error(measured, fitted)}
    notes = fitted.notes
    if measured.skipped:
        notes = (*notes, f"{measured.skipped} rows with gaps left out")
    fit_result = Fit(kind, fitted.section, fitted.values, summary, notes, measured, fitted)
    if output is not None:
        fit_result.save(output)
    if picture is not None:
        fit_result.plot(picture)
    return fit_result
