"""fit retention, endurance and temperature: a card with intervals that a chip
takes, or one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.mapping import map_network
from tests.chips import random_network, samples

CELLS, TIMES = 40, np.geomspace(20, 2e6, 6)
Columns = dict[str, Any]


def long(**columns: Any) -> Columns:
    """Columns (cells, rows) below each other, with the cells' names."""
    count, rows = np.shape(next(iter(columns.values())))
    flat = {name: np.ravel(np.broadcast_to(values, (count, rows))) for name, values in columns.items()}
    return flat | {"device": np.arange(count).repeat(rows)}


def written(columns: Columns, path: str = "x.csv") -> str:
    rows = zip(*columns.values(), strict=True)
    Path(path).write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def drifting(bend: float = 0.0, noise: float = 0.01, deviation: float = 0.01, cells: int = CELLS) -> Columns:
    """Cells of 20 uS that go as t^-nu, nu 0.05; ``bend``: what all do beside the law,
    of G, at the middle."""
    rng = np.random.default_rng(0)
    x = np.log(TIMES / TIMES[0])
    nu = 0.05 + deviation * rng.standard_normal((cells, 1))
    shared = bend * (1 - np.square(2 * x / x[-1] - 1))
    g = 20 * np.exp(-nu * x + shared + noise * rng.standard_normal((cells, len(x))))
    return long(conductance_uS=g, time_s=np.tile(TIMES, (cells, 1)))


def relaxing(energy: float = 0.8, longest: float = 4.0) -> Columns:
    rng = np.random.default_rng(1)
    kelvin = np.resize([300.0, 330.0, 360.0], CELLS)[:, None] + np.zeros(8)
    tau = 1e4 * np.exp(energy * (1 / kelvin - 1 / 300) / 8.617333e-5)
    time = tau * np.geomspace(0.02 * longest, longest, 8)
    state = 0.3 + 0.5 * np.exp(-time / tau) + 0.01 * rng.standard_normal(time.shape)
    return long(time_s=time, state=state, temperature_K=kelvin)


def cycled(deviation: float = 0.6, last: float = 7.0) -> Columns:
    rng = np.random.default_rng(2)
    cycle = np.geomspace(100, 10**last, 40)
    fails = np.exp(np.log(1e5) + deviation * rng.standard_normal((CELLS, 1)))
    window = np.where(cycle < fails, 20.0, 2.0)
    both = np.concatenate([window + 1, np.ones((CELLS, 40))], axis=1)
    words = np.repeat([["up"] * 40 + ["down"] * 40], CELLS, axis=0)
    return long(cycle=np.tile(cycle, (CELLS, 2)), conductance_uS=both, direction=words)


def warmed(law: str, slope: float, apart: float = 0.1) -> Columns:
    rng = np.random.default_rng(3)
    kelvin = np.tile(np.linspace(280, 400, 5), (CELLS, 1))
    own = slope * (1 + apart * rng.standard_normal((CELLS, 1)))
    if law == "linear":
        current = 1 + own / 100 * (kelvin - 300) + 0.002 * rng.standard_normal(kelvin.shape)
        return long(temperature_K=kelvin, current_mA=current)
    tau = 1e6 * np.exp(own * (1 / kelvin - 1 / 300) / 8.617333e-5 + 0.05 * rng.standard_normal(kelvin.shape))
    return long(temperature_K=kelvin, time_s=tau)


LAWS = [
    ("retention", "power-law", drifting(), {"drift_exponent": 0.05, "drift_exponent_deviation": 0.01}),
    ("retention", "exponential", relaxing(), {"retention_s": 1e4, "retention_rest": 0.3, "noise": 0.01}),
    ("retention", "exponential", relaxing(), {"retention_energy_eV": 0.8}),
    ("endurance", "programming", cycled(), {"median_cycles": 1e5, "deviation_of_ln_cycles": 0.6}),
    ("temperature", "linear", warmed("linear", 0.2), {"peak_current_percent_per_K": 0.2, "noise": 0.2}),
    ("temperature", "arrhenius", warmed("arrhenius", 0.9), {"retention_energy_eV": 0.9, "retention_s": 1e6}),
]


@pytest.mark.parametrize(("kind", "model", "columns", "truth"), LAWS, ids=[row[1] for row in LAWS])
def test_the_law_comes_back_within_its_interval(
    kind: str, model: str, columns: Columns, truth: dict[str, float], here: Path, said: Any
) -> None:
    report = said(f"fit {kind} {written(columns)} --model {model} -o mine.yaml -p mine.png")
    for name, value in truth.items():
        low, high = report[f"{name}_interval_95"]
        assert low < value < high, name
        assert high - low < value, f"{name} is told to its own size"
    card = said("chip show mine.yaml")["cards"]["mine"]["error"]
    assert all(name in card for name in truth), card
    assert load_chip("wan2022+programming-gong2018+mine.yaml")
    assert Path("mine.png").stat().st_size > 1000


def test_what_all_cells_do_beside_the_law_is_no_noise(here: Path) -> None:
    """A bend that cells share is misfit; noise and its interval stay what
    differs between cells."""
    straight, bent = (ndrite.fit("retention", written(drifting(bend))) for bend in (0.0, 0.1))
    for fit in (straight, bent):
        low, high = fit.summary["noise_interval_95"]
        assert low < 0.01 < high
    assert straight.summary["misfit_of_G"] < 0.003
    assert bent.summary["misfit_of_G"] == pytest.approx(0.1 * 0.36, rel=0.2)
    assert any("misses what all cells do" in note for note in bent.notes)
    assert not any("misses what all cells do" in note for note in straight.notes)


def test_columns_beside_each_other_are_the_same(here: Path) -> None:
    columns = drifting()
    g = columns["conductance_uS"].reshape(CELLS, -1)
    wide = {"time_s": TIMES} | {f"conductance_uS c{i}": g[i] for i in range(CELLS)}
    assert ndrite.fit("retention", written(wide)).summary == ndrite.fit("retention", written(columns)).summary


@pytest.mark.parametrize("model", ["power-law", "logarithmic"])
def test_a_chip_drifts_by_the_fitted_law(model: str, here: Path) -> None:
    """Cells of a compiled die at a day: mean and spread by the law itself, computed
    here from its numbers."""
    nu, deviation = (0.06, 0.02) if model == "power-law" else (0.3, 0.1)
    Path("mine.yaml").write_text(
        f"name: mine\ncell: "
        f"{{drift: {model}, drift_mean: {nu}, drift_deviation: {deviation}, drift_from_s: 10.0, "
        "programming_error: ideal, g_min_uS: 5.0}\nconditions: {time_since_programming_s: 86400.0}\n"
    )
    cell = load_chip("ideal+mine.yaml").cell
    target, draws = np.full(200_000, 20.0), np.random.default_rng(0).standard_normal(200_000)
    x = np.log(8640.0)
    own = nu + deviation * draws
    drifted = target * np.exp(-own * x) if model == "power-law" else target + own * x
    law = cell.drift_model
    assert law.shift(target, 86400.0)[0] == pytest.approx(drifted.mean() - 20, rel=0.01)
    assert law.sigma(target, 86400.0)[0] == pytest.approx(drifted.std(), rel=0.01)
    assert law.shift(target, 1.0)[0] == 0, "before drift_from_s cells are as programmed"
    network = random_network((20, 12, 3))
    fresh, old = (
        map_network(network, load_chip(chip), samples(network, 100), seed=0)
        for chip in ("ideal", "ideal+mine.yaml")
    )
    assert not np.array_equal(fresh.program.layers[0].weights, old.program.layers[0].weights)


def test_fields_of_another_drift_are_named(here: Path, prints: Any) -> None:
    Path("mine.yaml").write_text("name: mine\ncell: {drift_mean: {value: 0.05, source: mine}}\n")
    assert "cell.drift_mean: no effect (cell.drift is wan2022" in prints("chip check wan2022+mine.yaml")


def test_endurance_is_what_the_report_counts_against(here: Path) -> None:
    """Both sections that count pulses take the fitted number: two a cycle
    of the median cell."""
    for section in ("programming", "ecram"):
        fit = ndrite.fit("endurance", written(cycled()), model=section)
        fit.save("mine.yaml")
        chip = load_chip("wan2022+programming-gong2018+mine.yaml")
        assert getattr(chip, section).endurance_pulses == pytest.approx(2e5, rel=0.3)
        assert fit.summary["median_cycles"] * 2 == pytest.approx(fit.values["endurance_pulses"], rel=1e-4)


GOOD = drifting()


def without(columns: Columns, **changed: Any) -> Columns:
    """``columns`` with some replaced, or left out where None."""
    return {name: values for name, values in (columns | changed).items() if values is not None}


def first(columns: Columns, name: str, value: Any) -> Columns:
    """``columns`` with the first value of one replaced."""
    return columns | {name: np.r_[[value], columns[name][1:]]}


FEW_TIMES = np.tile(TIMES, (12, 1))
SCATTER = np.random.default_rng(5).standard_normal(FEW_TIMES.shape)
FLAT = long(conductance_uS=20 + 0.2 * SCATTER, time_s=FEW_TIMES)
STILL = long(time_s=FEW_TIMES, state=0.5 + 0.01 * SCATTER)
NARROW = without(GOOD, time_s=np.tile(np.linspace(1, 5, 6), CELLS))
TWICE = without(GOOD, time_s=np.tile([1.0, 1e5, 1, 1, 1e5, 1], CELLS))
HOT = GOOD | {"temperature_K": np.linspace(300, 400, len(GOOD["device"]))}
BAD = [
    # kind and options, columns of the file, what the line says
    ("retention", drifting(cells=9), "9 cells; accepted: at least 10"),
    ("retention", without(GOOD, device=None), "1 cells; accepted: at least 10"),
    ("retention", without(GOOD, time_s=None), "no column for time"),
    ("retention", without(GOOD, conductance_uS=None), "no column for conductance or state"),
    (
        "retention",
        first(GOOD, "time_s", 0.0),
        "line 2: time is 0 s; accepted: times since programming, above 0",
    ),
    ("retention", first(GOOD, "time_s", -5.0), "line 2: time is -5 s"),
    ("retention", first(GOOD, "conductance_uS", -1.0), "line 2: conductance is -1 uS; accepted: above 0"),
    ("retention", first(GOOD, "conductance_uS", 9.9e37), "an instrument's overflow"),
    ("retention", NARROW, "span a factor of 5; accepted: 10"),
    ("retention", TWICE, "2 different times"),
    ("retention", FLAT, "drift cannot be told from noise"),
    ("retention", HOT, "rows of one temperature"),
    ("retention", GOOD | {"humidity": GOOD["device"]}, "no model knows what it does"),
    ("retention --model exponential", GOOD, "no column for state"),
    ("retention --model exponential", STILL, "too little compared with their noise"),
    ("retention --model exponential", first(relaxing(), "state", 3.0), "line 2: state is 3; accepted: 0..1"),
    ("retention --model linear", GOOD, "model is 'linear'; accepted: power-law"),
    ("endurance", cycled(last=4), "0 of 40 cells failed in 10000 cycles"),
    ("endurance", cycled(deviation=0.0), "all within one or two intervals"),
    ("endurance", first(cycled(), "cycle", 0.0), "line 2: cycle is 0; accepted: above 0"),
    ("endurance", first(cycled(), "cycle", 77.0), "one of each at every cycle"),
    (
        "endurance",
        first(cycled(), "conductance_uS", 0.5),
        "is not above that after down; accepted: a difference above 0",
    ),
    ("endurance", first(cycled(), "direction", "left"), "direction is 'left'"),
    ("temperature", warmed("arrhenius", 0.9), "no column for current"),
    (
        "temperature",
        first(warmed("linear", 0.2), "temperature_K", -3.0),
        "temperature is -3; accepted: above 0",
    ),
    ("temperature", warmed("linear", 0.0, 0.0), "effect of temperature cannot be told from noise"),
]


@pytest.mark.parametrize(("kind", "columns", "told"), BAD, ids=[row[2] for row in BAD])
def test_a_file_that_tells_nothing_is_refused_in_a_line(
    kind: str, columns: Columns, told: str, here: Path, fails: Any
) -> None:
    name, *options = kind.split()
    fails(["fit", name, written(columns), *options, "-o", "mine.yaml"], told)
    assert not Path("mine.yaml").exists()
