"""Potentiation and depression straight from a table of steps: steps, spread and
noise are told apart."""

from pathlib import Path

import numpy as np
import pytest

import ndrite
from ndrite.emulator.device.ecram.pulses import StepTable
from ndrite.emulator.device.fitting import KINDS, fit_steps, held_out_error, read_measurements
from ndrite.emulator.device.measurements import Measurements
from ndrite.emulator.errors import DatasetError

COUNT, CYCLES, DEVICES = 60, 4, 12
W = (np.arange(40) + 0.5) / 20 - 1
LAW = StepTable(
    step_up_table=tuple(0.08 * (1 - 0.9 * W)),
    step_down_table=tuple(0.05 * (1 + 0.9 * W) + 0.01),
    noise_up_table=tuple(0.02 * (1 + 0.5 * W)),
    noise_down_table=tuple(0.01 + 0 * W),
    w_min=-1.0,
    w_max=1.0,
)


def rows(spread: float = 0.0, read: float = 0.0, seed: int = 1) -> list[tuple[int, float, str, str, int]]:
    """Rows (pulse, state, direction, device, cycle); ``read``: deviation of a reading."""
    rng, table = np.random.default_rng(seed), []
    for device in range(DEVICES):
        part, w = 1 + spread * rng.standard_normal(), -1.0
        for cycle in range(CYCLES):
            for direction, up in (("up", True), ("down", False)):
                for pulse in range(COUNT):
                    table.append((pulse, w + read * rng.standard_normal(), direction, f"d{device}", cycle))
                    move = part * LAW.mean(w, up) + LAW.deviation(w, up) * rng.standard_normal()
                    w = float(np.clip(w + (move if up else -move), -1, 1))
    return table


def written(folder: Path, table: list[tuple[int, float, str, str, int]], wide: bool = False) -> Path:
    """The rows as a CSV file of conductances of 10 to 60 uS, or of currents,
    a column a device."""
    lines = ["pulse,conductance_uS,direction,device,cycle"]
    lines += [f"{n},{35 + 25 * w:.5f},{way},{name},{cycle}" for n, w, way, name, cycle in table]
    if wide:
        names = list(dict.fromkeys(row[3] for row in table))
        lines = [",".join(["pulse", "direction", "cycle", *(f"current_uA {name}" for name in names)])]
        columns = [[row for row in table if row[3] == name] for name in names]
        for same in zip(*columns, strict=True):
            n, _, way, _, cycle = same[0]
            lines.append(",".join([f"{n},{way},{cycle}", *(f"{35 + 25 * row[1]:.5f}" for row in same)]))
    path = folder / "pulses.csv"
    path.write_text("\n".join(lines))
    return path


def measured(path: Path) -> Measurements:
    kind = KINDS["potentiation"]
    return read_measurements(path, kind.columns, optional=kind.optional, either=kind.either)


def fitted(path: Path):
    return fit_steps(measured(path))


def test_equal_runs_have_no_noise_whatever_their_shape(tmp_path: Path) -> None:
    """Eight equal S-shaped runs: steps that differ across an entry of the
    table are not noise."""
    up = np.tanh((np.arange(COUNT) - COUNT / 2) / 9)
    table = [
        (pulse, w, direction, "d", cycle)
        for cycle in range(8)
        for direction, run in (("up", up), ("down", up[::-1]))
        for pulse, w in enumerate(run)
    ]
    values = fitted(written(tmp_path, table)).values
    for word in ("up", "down"):
        assert max(values[f"noise_{word}_table"]) < 0.02 * max(values[f"step_{word}_table"])


@pytest.mark.parametrize(("spread", "read"), [(0.0, 0.0), (0.25, 0.0), (0.1, 0.01)])
def test_steps_spread_and_noise_are_told_apart(tmp_path: Path, spread: float, read: float) -> None:
    fit = fitted(written(tmp_path, rows(spread, read)))
    law = StepTable(**{name: v for name, v in fit.values.items() if "table" in name}, w_min=-1.0, w_max=1.0)
    at = np.linspace(-0.8, 0.8, 9)
    for up in (True, False):
        mean, deviation = law.mean(at, up), law.deviation(at, up)
        assert np.abs(mean / LAW.mean(at, up) - 1).mean() < 0.15
        assert np.abs(deviation / LAW.deviation(at, up) - 1).mean() < 0.35
    assert fit.values["step_variation_percent"] == pytest.approx(100 * spread, rel=0.5, abs=4)
    assert (fit.low_uS, fit.high_uS) == (pytest.approx(10, abs=2), pytest.approx(60, abs=2))


@pytest.mark.parametrize("cycles", [2, 4, 5, 10])
def test_every_run_has_pulses_that_are_held_out(tmp_path: Path, cycles: int) -> None:
    """However many rows have one pulse number; rows of the same runs, as they come,
    are held out alike."""
    table = [row for row in rows(seed=2) if row[3] == "d0"]
    table = [(*row[:4], cycle) for row in table if row[4] == 0 for cycle in range(cycles)]
    data = measured(written(tmp_path, table))
    assert held_out_error(data, fit_steps(data)) == pytest.approx(0.01, abs=0.02)
    order = np.random.default_rng(0).permutation(len(table))
    mixed = measured(written(tmp_path, [table[i] for i in order]))
    assert held_out_error(mixed, fit_steps(mixed)) == pytest.approx(held_out_error(data, fit_steps(data)))


def test_a_column_a_device_is_the_same_as_below_each_other(tmp_path: Path) -> None:
    table = rows(0.1)
    wide, long = (fitted(written(tmp_path, table, wide)) for wide in (True, False))
    assert wide.values == long.values
    assert wide.summary.keys() == {"low_uA", "high_uA", "rms_of_range", "misfit_of_range"}


def test_a_fit_is_a_device_that_learns(tmp_path: Path) -> None:
    fit = ndrite.fit("potentiation", written(tmp_path, rows(0.1)), output=tmp_path / "mine.yaml")
    assert fit.summary["held_out_error"] < 0.2
    learned = ndrite.learn(
        data="digits", hidden="8", samples=50, epochs=1, device=str(tmp_path / "mine.yaml"), neuron="sigmoid"
    )
    assert max(learned.summary["pulses_a_device"]) > 0


HEAD = "pulse,conductance_uS,direction\n"
UP = "".join(f"{n},{10 + n},up\n" for n in range(12))
DOWN = "".join(f"{n},{22 - n},down\n" for n in range(12))
FLAT = "".join(f"{n},5,{way}\n" for way in ("up", "down") for n in range(9))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", r"x.csv: holds 0 rows; accepted: a header and"),
        (HEAD, r"x.csv: holds 1 rows; accepted: a header and"),
        ("conductance_uS,direction\n1,up\n", r"x.csv: no column for pulse; accepted: a header like pulse"),
        ("pulse,conductance_uS\n1,2\n", r"x.csv: no column for direction; accepted: a header like direction"),
        ("pulse,direction\n1,up\n", r"x.csv: no column for conductance or current; accepted: exactly one"),
        (
            "pulse,direction,conductance_S,current_A\n1,up,2,3\n",
            r"x.csv: columns for conductance and current; accepted: exactly one such column",
        ),
        (
            HEAD + "1,2,sideways\n",
            r"x.csv: line 2: direction is 'sideways'; accepted: up, potent",
        ),
        (HEAD + "1,2,up\n2,x,up\n", r"x.csv: line 3: conductance is 'x'; accepted: a finite number"),
        (HEAD + "one,2,up\n", r"x.csv: line 2: pulse is 'one'; accepted: a finite number"),
        (
            HEAD + "1,9.9e37,up\n",
            r"x.csv: line 2: conductance is '9.9e37', an instrument's overflow",
        ),
        (HEAD + "1,2\n", r"x.csv: line 2 has 2 columns; accepted: 3..3"),
        (HEAD + "1,2,up,4\n", r"x.csv: line 2 has 4 columns; accepted: 3..3"),
        (HEAD + "1,,up\n", r"x.csv: every row has a gap; accepted: rows with pulse, direction, conductance"),
        ("pulse,conductance_uV,direction\n1,2,up\n", r"x.csv: column 'conductance_uV' has the unit 'uV'"),
        ("pulse,current_A,direction,volts\n1,2,up,3\n", r"x.csv: column 'volts' is none of pulse, direction"),
        (
            HEAD + UP,
            r"x.csv: device 'all' has 0 consecutive pairs of pulses down; accepted: at least 8",
        ),
        (HEAD + UP + "5,3,up\n" + DOWN, r"x.csv: line 14: pulse is 5 for the second time in a run of device"),
        (
            HEAD + UP + "2000000,3,up\n" + DOWN,
            r"x.csv: pulse numbers span 2e\+06 in a run .*; accepted: at",
        ),
        (
            "pulse,direction,current_uA a,current_nA b\n1,up,2,3\n",
            r"x.csv: columns current_uA a, current_nA b; accepted: of one quantity and unit",
        ),
        (
            "pulse,direction,device,current_uA a,current_uA b\n1,up,x,2,3\n",
            r"x.csv: columns current_uA a, current_uA b; accepted: .* no column 'device' beside them",
        ),
        ("pulse,direction,current_uA a,current_uA b\n1,up,2\n", r"x.csv: line 2 has 3 columns; accepted: 4"),
        (HEAD + FLAT, r"x.csv: conductance does not move; accepted: a pulse response"),
    ],
)
def test_a_file_that_is_no_pulse_response_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    """In one line with the file, the line or the column, the value, and what is accepted."""
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DatasetError, match=wanted) as refusal:
        ndrite.fit("potentiation", tmp_path / "x.csv")
    assert "\n" not in str(refusal.value)


def test_runs_too_short_to_hold_pulses_out_have_no_held_out_error(tmp_path: Path) -> None:
    pairs = [(0, -1.0, "up"), (1, 1.0, "up"), (0, 1.0, "down"), (1, -1.0, "down")]
    table = [(*pair, "d", cycle) for cycle in range(40) for pair in pairs]
    data = measured(written(tmp_path, table))
    assert held_out_error(data, fit_steps(data)) is None
