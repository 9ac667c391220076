"""Reader of measured data: CSV files whose headers name quantity and unit,
``voltage_V,current_uA,device``."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import DatasetError
from ndrite.emulator.spec.arithmetic import Bools, Floats, Ints
from ndrite.emulator.spec.brief import record

Place = tuple[int, float, bool]
"""Location and unit of a measured quantity: column index, factor to SI units, and
whether the values are resistances."""

BYTES_MAX = 256 << 20
PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6}
UNITS = {"voltage": "V", "current": "A", "conductance": "S", "target": "S", "time": "s", "pulse": ""}
UNITS |= {"direction": "", "cycle": "", "state": "", "temperature": "K"}
"""Quantities and the unit their values are returned in."""
DIRECTIONS = {"up": 1.0, "potentiation": 1.0, "ltp": 1.0, "set": 1.0, "1": 1.0}
DIRECTIONS |= {"down": -1.0, "depression": -1.0, "ltd": -1.0, "reset": -1.0, "-1": -1.0}
"""Words of a column of directions."""
GAPS = ("", "nan", "na", "n/a", "none", "-")
OHM = ("ohm", "Ohm", "Ω", "Ω")
"""Spellings of the unit of a resistance; resistances are converted to conductances."""
INVERSE = {"conductance": "resistance", "target": "target_resistance"}
"""Quantity -> name of the column of resistances from which the quantity may be computed."""
OVERFLOW = 1e30
"""Values from this size on count as out of range: instruments mark such readings by
9.9e37 or similar numbers."""
UNUSED = "unused"
"""Word that a user gives in place of a quantity to exclude a column."""
HEADER_MAX = 200
"""Largest number of characters in a header cell."""
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:([, .'\u00a0\u202f])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")
"""Pattern of a number with groups of three digits, in which the group separator occurs
twice or a fraction follows."""
# Pattern of numbers such as "1,234", in which the comma may separate thousands or
# decimals. Such a number is read according to the other numbers of the file: whether
# these have a decimal point.
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
UNIT_WORD = r"(?:[pnuµμmkM]?(?:V|A|S|s|K|[oO]hm|Ω|Ω))"
UNIT = re.compile(rf"[\[(]?({UNIT_WORD})[\])]?")
"""Pattern of a cell that contains a unit, with or without brackets."""


@record()
class Measurements:
    """Measured columns by quantity, in SI units, float64 (n,). ``device`` (n,) is the
    name of each row's device, one name for all rows if the file has no such column;
    ``line`` (n,) is the row's line number in the file, empty if there is no file."""

    name: str
    columns: dict[str, Floats]
    device: npt.NDArray[np.str_]
    skipped: int
    line: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def devices(self) -> list[str]:
        """Names of the devices, in order of first appearance."""
        return list(dict.fromkeys(self.device.tolist()))

    def where(self, rows: Bools) -> Self:
        """Return only the measurements for which the mask ``rows`` (n,) is True."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        line = self.line[rows] if len(self.line) else self.line
        return replace(self, columns=columns, device=self.device[rows], line=line)

    def of(self, device: str) -> dict[str, Floats]:
        """Return the data of one device: for each quantity, the values of its column in
        that device's rows."""
        return self.where(self.device == device).columns


def read_measurements(
    path: Path,
    quantities: Sequence[str],
    *,
    optional: Sequence[str] = (),
    either: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Measurements:
    """Read measurements from a CSV file, separated by comma, semicolon, tab or space;
    lines starting with # are comments.

    Numbers may have decimal commas where the comma does not separate. Resistances in
    ohm are read as conductances. Raises FileNotFoundError when there is no such file.
    Raises DatasetError when a column is missing or is none of those below, its unit is
    unknown or a value is no number; names file, column and line.

    Parameters
    ----------
    path:
        The file; its first row holds the headers.
    quantities, optional:
        Keys of ``UNITS`` wanted and welcome. A header fits when it is the quantity with
        a unit: ``voltage_V``, ``voltage (mV)``, ``Voltage [V]``.
    either:
        Keys of which one is wanted. Several columns of it, ``current_uA NAME``, are
        of one device each.
    columns:
        Quantity -> header, for other names; ``header:unit`` when the header has no
        unit. ``device`` too; ``unused``: headers, with commas between them, of columns
        that are left out.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size > BYTES_MAX:
        raise DatasetError(f"{path}: size is {path.stat().st_size} bytes; accepted: at most {BYTES_MAX}")
    header, rows = _table(path)
    chosen = dict(columns or {})
    accepted = (*quantities, *either, *optional, "device", UNUSED)
    for quantity in either:
        header, rows = _below_each_other(path, header, rows, quantity)
    for quantity in chosen:
        if quantity not in accepted:
            raise DatasetError(f"--column names {quantity!r}; accepted: {', '.join(accepted)}")
    places: dict[str, Place] = {}
    for quantity in (*quantities, *optional, *either):
        column = _column(path, header, quantity, chosen.get(quantity))
        if column is not None:
            places[quantity] = column
        elif quantity in quantities:
            example = "_".join(filter(None, (quantity, UNITS[quantity])))
            raise DatasetError(
                f"{path}: no column for {quantity}; accepted: a header like {example}, "
                f"or --column {quantity}=HEADER (headers: {', '.join(header)})"
            )
    given = [quantity for quantity in either if quantity in places]
    if either and len(given) != 1:
        state = f"columns for {' and '.join(given)}" if given else f"no column for {' or '.join(either)}"
        example = f"{either[0]}_{UNITS[either[0]]}"
        raise DatasetError(
            f"{path}: {state}; accepted: exactly one such column, with a header like {example} "
            f"(headers: {', '.join(header)})"
        )
    device = next((i for i, name in enumerate(header) if name.lower() == "device"), None)
    device = _index(path, header, chosen["device"]) if "device" in chosen else device
    unused = _unused(path, header, chosen[UNUSED]) if UNUSED in chosen else set()
    for i, name in enumerate(header):
        blank = not name and not any(cells[i] for _, cells in rows if i < len(cells))
        if i not in (device, *unused, *(place for place, _, _ in places.values())) and not blank:
            raise DatasetError(
                f"{path}: column {name!r} is none of {', '.join(accepted[:-1])}, and no model knows what it "
                f"does to a device; accepted: rows of one condition without that column, or --column "
                f"{UNUSED}={name or 'HEADER'} where it does not matter"
            )
    return _numbers(path, rows, places, device, len(header))


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    text = _text(path)
    lines = [
        (i, s) for i, s in enumerate(text.splitlines(), 1) if s.strip() and not s.lstrip().startswith("#")
    ]
    separator = SEPARATOR.fullmatch(lines[0][1].strip()) if lines else None
    # Some spreadsheets begin the file with a line such as ``sep=;``, which names the separator.
    lines = lines[1:] if separator else lines
    if len(lines) < 2:
        raise DatasetError(
            f"{path}: holds {len(lines)} rows; accepted: a header and at least one row of values"
        )
    first = lines[0][1]
    # A semicolon or a tab in the header line is the separator of columns; commas in the
    # data are then decimal commas.
    delimiter = separator[1] if separator else next((d for d in ";\t" if d in first), ",")
    try:
        if delimiter in first:
            parsed = [(i, [c.strip() for c in next(csv.reader([s], delimiter=delimiter))]) for i, s in lines]
        else:
            parsed = [(i, s.split()) for i, s in lines]
    except csv.Error as error:
        raise DatasetError(f"{path}: not CSV ({error})") from None
    header = parsed[0][1]
    longest = max(header, key=len)
    if len(longest) > HEADER_MAX:  # the time to search for a unit is quadratic in the length
        raise DatasetError(
            f"{path}: header {longest[:20]!r}... has {len(longest)} characters; accepted: {HEADER_MAX}"
        )
    rows = parsed[1:]
    units = [UNIT.fullmatch(cell) for cell in rows[0][1]]
    if len(rows) > 1 and any(units) and all(u or not cell for u, cell in zip(units, rows[0][1], strict=True)):
        # Some instruments write the units in a separate row below the names: move
        # them into the header.
        header = [
            name if not unit else f"{name} ({unit[1]})"
            for name, unit in zip(header, [*units, *[None] * len(header)], strict=False)
        ]
        rows = rows[1:]
    return header, rows


def _below_each_other(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], quantity: str
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Convert a wide table with a column ``conductance_uS NAME`` per device to a long
    table with a column ``device``."""
    names = "|".join(filter(None, (quantity, INVERSE.get(quantity))))
    pattern = rf"((?i:{names}))(?:_|\s*[\[(]|\s)({UNIT_WORD})[\])]?[\s_:]+(.+)"
    wide = {i: m for i, name in enumerate(header) if (m := re.fullmatch(pattern, name))}
    if not wide:
        return header, rows
    columns = {f"{m[1].lower()}_{m[2]}" for m in wide.values()}
    if len(columns) > 1 or "device" in map(str.lower, header):
        raise DatasetError(
            f"{path}: columns {', '.join(header[i] for i in wide)}; accepted: of one quantity and unit, and "
            "no column 'device' beside them"
        )
    for line, cells in rows:
        if len(cells) != len(header):
            raise DatasetError(f"{path}: line {line} has {len(cells)} columns; accepted: {len(header)}")
    others = [i for i in range(len(header)) if i not in wide]
    table = [
        (line, [*(cells[k] for k in others), cells[i], match[3]])
        for i, match in wide.items()
        for line, cells in rows
    ]
    return [*(header[k] for k in others), columns.pop(), "device"], table


def _text(path: Path) -> str:
    """Read the file's text: UTF-8, UTF-16 with a byte-order mark, or Latin-1, in which
    instruments write a micro sign."""
    content = path.read_bytes()
    for encoding in ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(c.isprintable() or c in "\r\n\t" for c in text):
            return text
    raise DatasetError(f"{path}: not a text file; accepted: CSV")


def _column(path: Path, header: list[str], quantity: str, chosen: str | None) -> Place | None:
    """Return three values: the index of the column that holds a quantity, the factor
    that converts its values to SI units, and whether the values are resistances. Return
    None if there is no such column."""
    if chosen is None:
        fit = [n for n in header if _split(n)[0].lower() in (quantity, INVERSE.get(quantity))]
        if len(fit) > 1:
            raise DatasetError(
                f"{path}: {len(fit)} columns for {quantity} ({', '.join(fit)}); accepted: one, or --column "
                f"{quantity}=HEADER to choose one. Several devices go in the same columns, one below the "
                "other, with a column 'device'"
            )
        return (header.index(fit[0]), *_factor(path, fit[0], _split(fit[0])[1], quantity)) if fit else None
    name, _, unit = chosen.partition(":")
    if name not in header:
        name, unit = chosen, ""
    return _index(path, header, name), *_factor(path, name, unit or _split(name)[1], quantity)


def _unused(path: Path, header: list[str], names: str) -> set[int]:
    """Return the indices of the columns that the user excludes, given as one header or
    several separated by commas."""
    return {_index(path, header, name) for name in ([names] if names in header else names.split(","))}


def _index(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise DatasetError(f"{path}: no column {name!r}; accepted: {', '.join(header)}")
    if header.count(name) > 1:
        raise DatasetError(f"{path}: {header.count(name)} columns {name!r}; accepted: a name of one column")
    return header.index(name)


def _split(header: str) -> tuple[str, str]:
    """Split a header into quantity and unit: ``voltage_mV`` -> (voltage, mV); ``Voltage
    [V]`` -> (Voltage, V)."""
    match = re.fullmatch(r"(.+?)\s*(?:[\[(]\s*([^\])]+?)\s*[\])]|_([^_\s]+))", header)
    return (match[1].rstrip("_ "), match[2] or match[3]) if match else (header, "")


def _factor(path: Path, header: str, unit: str, quantity: str) -> tuple[float, bool]:
    base = UNITS[quantity]
    if not base:
        return 1.0, False
    for prefix, factor in PREFIXES.items():
        # A unit such as MA is refused: it is more likely mA in capitals than megaamperes.
        if unit == prefix + base and prefix != "M":
            return factor, False
        if quantity in INVERSE and unit in [prefix + ohm for ohm in OHM]:
            return factor, True
    ohm = " (or ohm)" if quantity in INVERSE else ""
    raise DatasetError(
        f"{path}: column {header!r} has the unit {unit!r}; accepted: {base} with p, n, u, m, k or no "
        f"prefix{ohm}, such as {quantity}_{base} or --column {quantity}={header}:{base}"
    )


def _numbers(
    path: Path, rows: list[tuple[int, list[str]]], places: dict[str, Place], device: int | None, width: int
) -> Measurements:
    values: dict[str, list[float]] = {quantity: [] for quantity in places}
    names, lines, skipped = [], [], 0
    points = any("." in cells[i] for _, cells in rows for i, _, _ in places.values() if i < len(cells))
    last = max(device or 0, *(i for i, _, _ in places.values()))
    for line, cells in rows:
        if len(cells) <= last or any(cells[width:]):
            raise DatasetError(f"{path}: line {line} has {len(cells)} columns; accepted: {last + 1}..{width}")
        if any(cells[i].lower() in GAPS for i, _, _ in places.values()):
            skipped += 1
            continue
        for quantity, (i, factor, inverse) in places.items():
            where = f"{path}: line {line}: {quantity} is {cells[i]!r}"
            if points and EITHER.fullmatch(cells[i]):
                raise DatasetError(
                    f"{where}, whose comma may separate thousands or decimals; accepted: no commas"
                )
            value = _number(cells[i])
            if quantity == "direction":
                value = DIRECTIONS.get(cells[i].lower(), math.nan)
                if math.isnan(value):
                    raise DatasetError(f"{where}; accepted: {', '.join(DIRECTIONS)}")
            if not math.isfinite(value):
                raise DatasetError(f"{where}; accepted: a finite number")
            if abs(value) >= OVERFLOW:
                raise DatasetError(f"{where}, an instrument's overflow mark; accepted: a reading, or empty")
            if inverse and value <= 0:
                raise DatasetError(f"{where} ohm; accepted: a resistance above 0")
            values[quantity].append(1 / (value * factor) if inverse else value * factor)
        names.append("all" if device is None else cells[device])
        lines.append(line)
    if not names:
        raise DatasetError(f"{path}: every row has a gap; accepted: rows with {', '.join(places)}")
    return Measurements(
        path.name,
        {q: np.array(v, np.float64) for q, v in values.items()},
        np.array(names),
        skipped,
        np.array(lines),
    )


def _number(text: str) -> float:
    """Parse a number with a decimal point or comma, with or without thousands
    separators; NaN if it is not a number."""
    grouped = THOUSANDS.fullmatch(text)
    if grouped:
        apart = text.count(grouped[1]) > 1 or grouped[1] in " '\u00a0\u202f"
        # Without a second separator, a single comma may be a decimal comma, so it is kept.
        if apart or len(set(re.findall(r"[.,]", text))) == 2:
            text = text.replace(grouped[1], "")
    try:
        return float(text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text)
    except ValueError:
        return math.nan
