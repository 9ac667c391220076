"""Measurements as instruments write them: delimiters, units, encodings; what cannot
be read says why."""

from pathlib import Path

import numpy as np
import pytest

from ndrite.emulator.device.fitting import Measurements, read_measurements
from ndrite.emulator.errors import DatasetError
from tests.refusals import refused

IV = ("voltage", "current")


def read(folder: Path, text: str, columns=None, quantities=IV, encoding="utf-8") -> Measurements:
    (folder / "x.csv").write_bytes(text.encode(encoding))
    return read_measurements(folder / "x.csv", list(quantities), columns=columns)


SWEEP = [(0.001 * k, 1e-6 * (k + 0.5)) for k in range(12)]


def sweep(header: str, row: str, volts: float = 1.0, amperes: float = 1e6) -> str:
    """``SWEEP`` under a header, each row as the format ``row`` has it, in parts of a
    volt and an ampere."""
    return "\n".join([header, *(row.format(v * volts, i * amperes) for v, i in SWEEP)])


WRITTEN = {
    "latin-1": sweep("voltage_V;current_\u00b5A", "{:.3f};{:.1f}"),
    "utf-16": sweep("voltage_V\tcurrent_uA", "{:.3f}\t{:.1f}"),
    "a row of units": sweep("Voltage,Current\nV,uA", "{:.3f},{:.1f}"),
    "units in brackets": sweep("Voltage,Current\n[mV],[nA]", "{:.1f},{:.1f}", 1e3, 1e9),
    "a separator said": sweep("sep=|\nvoltage_V|current_uA", "{:.3f}|{:.1f}"),
    "thousands": sweep("voltage_V;current_pA", "{:.3f};{:,.1f}", 1.0, 1e12),
    "thousands, decimal commas": sweep("voltage_V;current_pA", "{:.3f};{:,.1f}", 1.0, 1e12).translate(
        str.maketrans(",.", ".,")
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_as_instruments_write_them(tmp_path, name):
    found = read(tmp_path, WRITTEN[name], encoding=name if name in ("latin-1", "utf-16") else "utf-8")
    for quantity, wanted in zip(IV, zip(*SWEEP, strict=True), strict=True):
        np.testing.assert_allclose(found.columns[quantity], wanted, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("voltage_mV;current_uA", None),
        ("Voltage [mV]\tCurrent (uA)", None),
        ("x,y", {"voltage": "x:mV", "current": "y:uA"}),
        ("Vd (mV),Id (uA)", {"voltage": "Vd (mV)", "current": "Id (uA)"}),
        ("voltage_mV current_uA", None),
    ],
)
def test_headers_delimiters_and_units(tmp_path, header, columns):
    mark = next((d for d in ";\t," if d in header), " ")
    text = f"# a comment\n{header}\n100{mark}3\n200{mark}nan\n300{mark}5\n"
    found = read(tmp_path, text, columns=columns)
    np.testing.assert_allclose([found.columns[name] for name in IV], [[0.1, 0.3], [3e-6, 5e-6]])
    assert found.skipped == 1


@pytest.mark.parametrize("value", ["{k}", "300"], ids=["varies", "constant"])
@pytest.mark.parametrize("name", ["temperature_K", "devcie", ""])
def test_a_column_that_no_model_knows_is_refused_by_name(tmp_path, name, value):
    """Rows of two temperatures are not of one device; a misspelt column is
    not without effect."""
    rows = "".join(f"{k},{value.format(k=k)},3\n" for k in range(4))
    text = f"voltage_V,{name},current_uA\n{rows}"
    with pytest.raises(DatasetError, match=f"x.csv: column '{name}' is none of voltage, current, device"):
        read(tmp_path, text)
    blank = f"voltage_V,,current_uA,\n{''.join(f'{k},,3,' + chr(10) for k in range(4))}"
    assert len(read(tmp_path, blank).device) == 4
    if name:
        assert len(read(tmp_path, text, columns={"unused": name}).device) == 4
        both = text.replace("\n", ",no\n")
        assert len(read(tmp_path, both, columns={"unused": f"{name},no"}).device) == 4
        with pytest.raises(DatasetError, match="no column 'other'"):
            read(tmp_path, text, columns={"unused": "other"})


@pytest.mark.parametrize("mark", [";", "\t", " "])
def test_decimal_commas(tmp_path, mark):
    text = f"voltage_V{mark}current_mA\n0,25{mark}-1,5e-1\n1{mark}2,0\n,5{mark}3\n"
    found = read(tmp_path, text).columns
    np.testing.assert_allclose([found[name] for name in IV], [[0.25, 1.0, 0.5], [-1.5e-4, 2e-3, 3e-3]])


@pytest.mark.parametrize(
    "header",
    ["target_kohm,resistance_kohm", "target_resistance (kΩ),Resistance [kOhm]", "target_kΩ,resistance_kΩ"],
)
def test_resistances_are_conductances(tmp_path, header):
    cells = ("target", "conductance")
    found = read(tmp_path, f"{header}\n20,25\n100,80\n", quantities=cells).columns
    np.testing.assert_allclose([found[name] for name in cells], [[5e-5, 1e-5], [4e-5, 1.25e-5]])
    with pytest.raises(DatasetError, match="line 2: conductance is '0' ohm; accepted: a resistance above 0"):
        read(tmp_path, f"{header}\n20,0\n", quantities=cells)


GOOD = "voltage_V,current_A\n1,2\n"
test_files_that_cannot_be_read_say_why = refused(
    DatasetError,
    (read, "a,b\n1,2\n", "no column for voltage; accepted: a header like voltage_V"),
    (read, "voltage_K,current_A\n1,2\n", "has the unit 'K'; accepted: V with p, n, u, m, k or no prefix"),
    (read, "VOLTAGE_V,CURRENT_MA\n1,2\n", "has the unit 'MA'; accepted: A with"),
    (read, "voltage_V,current_A,voltage_V,current_A\n1,2,1,3\n", "2 columns for voltage .*one, or --column"),
    (read, "voltage_V,current_A,current_uA\n1,2,3\n", "2 columns for current [(]current_A, current_uA[)]"),
    (read, "voltage_V,a,a\n1,2,3\n", {"current": "a:A"}, "2 columns 'a'; accepted: a name of one column"),
    (read, "voltage_V,current_A\n0,1,2,5\n", "line 2 has 4 columns; accepted: 2..2"),
    (read, 'voltage_V,current_A\n0.1,"1,234"\n', "current is '1,234', whose comma may separate thousands"),
    (read, "voltage_V,current_A\n1,two\n", "line 2: current is 'two'; accepted: a finite number"),
    (read, "voltage_V,current_A\n1,inf\n", "line 2: current is 'inf'"),
    (read, "voltage_V,current_A\n# nothing\n", "holds 1 rows"),
    (read, "voltage_V,current_A\n1\n", "line 2 has 1 columns"),
    (read, "voltage_V,current_A\n,1\n", "every row has a gap"),
    (read, GOOD, {"voltage": "Vg"}, "no column 'Vg'; accepted: voltage_V, current_A"),
    (read, GOOD, {"speed": "x"}, "--column names 'speed'"),
    *(
        (read, f"voltage_V,current_A\n0.1,1e-3\n0.2,{large}\n", "line 3: current is .*instrument's overflow")
        for large in ("9.9e37", "9.91e+37", "-9.9E37", "1e38")
    ),
    # Headers without end are refused at once.
    (read, "voltage" + " (" * 60_000 + ",current_A\n1,2\n", "not CSV|accepted: 200"),
    (read, 'voltage_V,"' + "x" * 200_000 + "\n1,2\n", "not CSV|accepted: 200"),
    given="tmp_path",
)
