"""Data that are no device, or say less than a fit would: refused or said, not fitted in silence."""

from pathlib import Path

import numpy as np
import pytest

from emulator.device.fitting import NdrFit, fit_ndr, read_measurements
from emulator.device.ndr.curves import Bell, Esaki, Tunnel
from emulator.errors import DatasetError
from tests.emulator.device.fitting.written import measured

RNG = np.random.default_rng(11)
V = np.linspace(0, 0.6, 241)


def fitted(folder: Path, v: np.ndarray, i: np.ndarray, model: str = "auto") -> NdrFit:
    return fit_ndr(measured(folder, "voltage_V,current_A", v, i), model)


def noisy(i: np.ndarray, part: float) -> np.ndarray:
    return i + part * np.abs(i).max() * RNG.standard_normal(len(i))


@pytest.mark.parametrize("part", [0.15, 0.3, 1.0])
def test_white_noise_is_no_device(tmp_path: Path, part: float) -> None:
    for i in (np.abs(RNG.standard_normal(len(V))) * 1e-3, noisy(Esaki().current(V), part)):
        with pytest.raises(DatasetError, match=r"scatter by \d+% of the largest|does not fall|differ by"):
            fitted(tmp_path, V, i)


def test_a_model_that_misses_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"model bell misses the data by \d+% .* scatter by 0\.\d%"):
        fitted(tmp_path, V, noisy(Esaki().current(V), 0.003), "bell")
    assert fitted(tmp_path, V, noisy(Bell(0.2, 1e-3, 0.05).current(V), 0.003), "bell").rms < 0.01
    assert fitted(tmp_path, V, noisy(Esaki().current(V), 0.03)).rms < 0.08, "scatter is no miss"


def test_data_that_end_before_the_valley_say_so(tmp_path: Path) -> None:
    short = V[V < 0.25]
    said = fitted(tmp_path, short, noisy(Esaki().current(short), 0.002), "esaki").notes
    assert any("end before the valley" in note and "extrapolation" in note for note in said)
    whole = fitted(tmp_path, V, noisy(Esaki().current(V), 0.002), "esaki").notes
    assert not any("extrapolation" in note for note in whole)


@pytest.mark.parametrize("limit", [0.4, 0.7, 0.9])
def test_an_instruments_limit_is_no_peak(tmp_path: Path, limit: float) -> None:
    i = Esaki().current(V)
    with pytest.raises(DatasetError, match=r"stays at .* instrument's limit \(compliance\)"):
        fitted(tmp_path, V, np.minimum(i, limit * i[V < 0.3].max()) + 1e-8 * RNG.random(len(V)))


@pytest.mark.parametrize("device", [Esaki(), Tunnel(0.1, 1e-3), Bell(0.2, 1e-3, 0.08)])
@pytest.mark.parametrize("points", [60, 241, 2001])
def test_a_round_top_is_a_peak(tmp_path: Path, device: object, points: int) -> None:
    v = np.linspace(0, 0.6, points)
    assert fitted(tmp_path, v, device.current(v)).rms < 0.01  # type: ignore[attr-defined]


def test_a_ratio_over_the_floor_is_a_bound(tmp_path: Path) -> None:
    i = Tunnel(0.05, 1e-3).current(np.linspace(0, 1.2, 400)) + 1e-6 * RNG.standard_normal(400)
    fit = fitted(tmp_path, np.linspace(0, 1.2, 400), i)
    assert 100 < fit.peak_to_valley < 1000
    assert any("is a bound" in note for note in fit.notes)


def test_the_residual_is_of_the_peak(tmp_path: Path) -> None:
    v = np.linspace(0, 0.75, 301)
    curve = fitted(tmp_path, v, Esaki(excess_slope_per_V=12.0).current(v), "esaki").curves[0]
    assert curve.current_A.max() > 1.5 * curve.peak_A
    assert curve.peak_A == pytest.approx(1e-3, rel=0.1)


ROWS = [(0.001 * k, 1e-6 * (k + 0.5)) for k in range(12)]
WRITTEN = {
    "latin-1": "voltage_V;current_\u00b5A\n" + "\n".join(f"{v:.3f};{i * 1e6:.1f}" for v, i in ROWS),
    "utf-16": "voltage_V\tcurrent_uA\n" + "\n".join(f"{v:.3f}\t{i * 1e6:.1f}" for v, i in ROWS),
    "a row of units": "Voltage,Current\nV,uA\n" + "\n".join(f"{v:.3f},{i * 1e6:.1f}" for v, i in ROWS),
    "units in brackets": "Voltage,Current\n[mV],[nA]\n"
    + "\n".join(f"{v * 1e3:.1f},{i * 1e9:.1f}" for v, i in ROWS),
    "a separator said": "sep=|\nvoltage_V|current_uA\n"
    + "\n".join(f"{v:.3f}|{i * 1e6:.1f}" for v, i in ROWS),
    "thousands": "voltage_V;current_pA\n" + "\n".join(f"{v:.3f};{i * 1e12:,.1f}" for v, i in ROWS),
    "thousands, decimal commas": "voltage_V;current_pA\n"
    + "\n".join(f"{v:.3f};{i * 1e12:,.1f}".translate(str.maketrans(",.", ".,")) for v, i in ROWS),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_as_instruments_write_them(tmp_path: Path, name: str) -> None:
    encoding = name if name in ("latin-1", "utf-16") else "utf-8"
    (tmp_path / "iv.csv").write_bytes(WRITTEN[name].encode(encoding))
    read = read_measurements(tmp_path / "iv.csv", ["voltage", "current"])
    np.testing.assert_allclose(read.columns["voltage"], [v for v, _ in ROWS], atol=1e-9)
    np.testing.assert_allclose(read.columns["current"], [i for _, i in ROWS], rtol=1e-6)
