"""chip, fit and explain: what they print and write, and one clear line when they cannot."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.description.loader import load_content
from ndrite.emulator.device.ndr.curves import Esaki
from ndrite.intervals import proportion
from ndrite.results import plain
from ndrite.shell.main import FAILED_CHECK, OK, run
from tests.chips import random_network, samples
from tests.docs.given import write_csv

PNG = b"\x89PNG"


@pytest.fixture
def measured(here: Path) -> None:
    """The working folder: three CSV files."""
    v = np.linspace(0, 0.5, 60)
    write_csv("iv.csv", "voltage_V,current_A", v, Esaki().current(v))
    target = np.repeat([10.0, 20, 30, 40], 50)
    write_csv("g.csv", "target_uS,Gread", target, target + np.random.default_rng(0).standard_normal(200))
    state = np.r_[np.linspace(10, 50, 41), np.linspace(49, 10, 40)]
    write_csv("p.csv", "pulse,conductance_uS", np.arange(81), state)


@pytest.fixture
def compiled(here: Path) -> None:
    """The working folder: a small network on dendritic-ndr, and labelled data."""
    network = random_network((20, 12, 3))
    x = samples(network)
    np.save("x.npy", x[100:])
    np.save("y.npy", network.forward(x[100:] / np.float32(255)).argmax(axis=1))
    ndrite.compile(network, "dendritic-ndr", samples=x[:100], seed=4, output="mine")


def test_list_and_show(prints: Any, said: Any) -> None:
    kinds = {entry["name"]: entry["kind"] for entry in said("chip list")["chips"]}
    assert kinds["wan2022"] == "chip"
    assert kinds["ndr-bell"] == "device"
    assert said("chip show wan2022+ndr-bell")["neuron"]["model"] == "bell"
    for entry in said("chip list")["chips"]:
        text = " ".join(load_content(entry["name"])["description"].split())
        short = text if len(text) <= 120 else f"{text[:117].rpartition(' ')[0]}..."
        assert entry["description"] == short
    assert "aihwkit" in prints("chip show wan2022")
    shown = prints("chip show ndr-ai301a")
    assert "Device card of ndr-ai301a" in shown
    assert "NI myDAQ" in shown
    assert "array." not in shown, "a device has its own fields only"


def test_check(here: Path, fails: Any, said: Any) -> None:
    mine = Path("mine.yaml")
    mine.write_text("name: mine\ncell: {g_max_uS: 10, levels: {value: 4, source: me}}\n")
    assert said("chip check mine.yaml")["without_source"] == ["cell.g_max_uS"]
    for part in ("cell: {levels: 4}", "name: p\ncell: {g_max_uS: 9}", "array: {rows: 64}"):
        mine.write_text(part)
        assert said("chip check mine.yaml")["values"] == 1
        shown = said("chip show mine.yaml")
        assert (len(shown), shown["sources"]) == (5, {}), (
            "name, description, cards and the section beside them"
        )
    good = {"name": "ndr-esaki", "ok": True, "values": 7}
    nothing = {"without_source": [], "without_effect": {}, "stability": {}}
    assert said("chip check ndr-esaki") == good | nothing
    mine.write_text("name: mine\ncell: {g_max_uS: 10, levels: 4000}\n")
    fails("chip check mine.yaml", "mine.yaml: cell.levels is 4000; accepted: 2..256")
    fails("chip check nothing", "chip is 'nothing'; accepted: a YAML file, or a preset")


def test_check_and_show_look_at_all_files_that_are_joined(here: Path, said: Any, prints: Any) -> None:
    Path("a.yaml").write_text("cell: {drift_mean: 0.1, levels: {value: 8, source: me}}")
    Path("b.yaml").write_text("cell: {levels: 4}")
    whole, part = said("chip check wan2022+a.yaml+b.yaml"), said("chip check a.yaml+b.yaml")
    for checked in (whole, part):
        assert sorted(checked["without_source"]) == ["cell.drift_mean", "cell.levels"]
        assert list(checked["without_effect"]) == ["cell.drift_mean"]
    assert (whole["values"], part["values"]) == (said("chip check wan2022")["values"] + 1, 2)
    rows = prints("chip show wan2022+a.yaml+b.yaml").splitlines()
    sources = [row.split("│")[3].strip() for row in rows if "cell.drift_mean" in row or "cell.levels" in row]
    assert sources == 2 * ["stated without a source"]


def test_conditions_without_effect_are_said_of_whole_chips(here: Path, said: Any) -> None:
    """A part's conditions take effect in a chip that it is added to."""
    Path("late.yaml").write_text("conditions: {time_since_programming_s: 100.0}")
    field = "conditions.time_since_programming_s"
    assert list(said("chip check ideal+late.yaml")["without_effect"]) == [field]
    assert said("chip check late.yaml")["without_effect"] == {}


def test_check_says_what_keeps_a_neuron_stable(here: Path, prints: Any) -> None:
    circuit = "model: esaki, source_resistance_ohm: 20, capacitance_pF: 0.05"
    # R C Rn by hand: 20 ohm, 50 fF and the 271.86 ohm of the steepest fall make 0.272 nH.
    for henry, word in ((1, "oscillates"), (0.05, "does not oscillate")):
        Path("n.yaml").write_text(f"name: n\nneuron: {{{circuit}, inductance_nH: {henry}}}\n")
        said = prints("chip check n.yaml")
        assert f"neuron: {word} with {henry} nH and 0.05 pF; any less than R C Rn = 0.272 nH does not" in said
        assert "20 ohm is below the device's negative resistance of 271.9 ohm" in said


def test_fields_of_another_model_are_said(here: Path, prints: Any, said: Any) -> None:
    Path("bell.yaml").write_text("name: bell\nneuron: {model: bell, width_V: 0.1, valley_voltage_V: 0.4}\n")
    field, why = "neuron.valley_voltage_V", "of model esaki, not bell"
    assert said("chip check bell.yaml")["without_effect"] == {field: why}
    assert f"{field}: no effect ({why})" in prints("chip check bell.yaml")


def test_diff(said: Any) -> None:
    found = said("chip diff wan2022 wan2022+ndr-bell")["differences"]
    assert found["neuron.width_V"] == [0.05, 0.208]
    assert run(["chip", "diff", "wan2022", "wan2022", "--exit-code"]) == OK
    assert run(["chip", "diff", "wan2022", "ideal", "--exit-code"]) == FAILED_CHECK


def test_fit_ndr_to_a_chip_that_compiles(measured: None, said: Any) -> None:
    report = said("fit ndr iv.csv -o mine.yaml -p iv.png")
    assert report["values"]["peak_voltage_V"] == pytest.approx(0.1, rel=0.01)
    assert Path("iv.png").read_bytes().startswith(PNG)
    card = said("chip show mine.yaml")["cards"]["mine"]
    assert card["data"].startswith("iv.csv, ")
    assert card["error"].startswith(f"{report['held_out_error']:.3g}, rms of every fifth point")
    chip = load_chip("wan2022+mine.yaml")
    assert chip.neuron.model == "esaki"
    assert "iv.csv" in chip.sources["neuron.peak_voltage_V"]
    network = random_network((20, 12, 3))
    ndrite.compile(network, "wan2022+mine.yaml", samples=samples(network, 100))


def test_a_fit_says_what_it_could_not_do(measured: None, said: Any, prints: Any) -> None:
    Path("gap.csv").write_text(Path("iv.csv").read_text() + "0.6,\n")
    assert "note: 1 rows with gaps left out" in prints("fit ndr gap.csv")
    found = ndrite.fit("ndr", "gap.csv", model="esaki", output="gap.yaml", picture="gap.png")
    assert Path("gap.png").is_file()
    for notes, error, told in (
        (("a", "b"), None, ("a; b", "too few rows to hold any out")),
        ((), 0.125, ("nothing that the fit knows of", "0.125, rms of every fifth point")),
    ):
        dataclasses.replace(found, notes=notes, summary={"held_out_error": error}).save("mine.yaml")
        card = said("chip show mine.yaml")["cards"]["mine"]
        assert card["data"] == "gap.csv, 60 rows, 1 device(s)"
        assert (card["extrapolated"], card["error"][: len(told[1])]) == told
    rows = [tuple(row) for table in found.tables() for row in table.rows]
    assert rows[0] == ("neuron.model", "esaki")
    assert ("held_out_error", plain(found.summary["held_out_error"])) in rows


def test_fit_rram_and_ecram(measured: None, said: Any, prints: Any) -> None:
    assert said("fit rram g.csv --column conductance=Gread:uS -o g.yaml -p g.png")["cells"] == 200
    assert load_chip("wan2022+g.yaml").cell.error_model.sigma(20.0) == pytest.approx(1.0, rel=0.2)
    prints("fit ecram p.csv -o p.yaml -p p.png")
    assert "wan2022" not in Path("p.yaml").read_text()
    assert load_chip("wan2022+p.yaml").ecram.step_up == pytest.approx(0.05, rel=0.05)
    assert all(Path(name).read_bytes().startswith(PNG) for name in ("p.png", "g.png"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fit ndr none.csv", ("none.csv: no such file",)),
        ("fit ndr g.csv", ("g.csv: no column for voltage", "headers: target_uS, Gread")),
        ("fit rram g.csv --column conductance=Gread", ("has the unit ''", "Gread:S")),
        ("fit rram g.csv --column Gread", ("column is 'Gread'; accepted",)),
        ("fit ndr up.csv -o up.yaml", ("the current does not fall",)),
        # A device beyond what the emulator accepts: 30 V.
        ("fit ndr big.csv", ("the fitted neuron.peak_voltage_V is 30", "accepted: 0.001..10")),
    ],
)
def test_fit_errors(line: str, told: tuple[str, ...], measured: None, fails: Any) -> None:
    write_csv("up.csv", "voltage_V,current_A", np.arange(20), np.arange(20))
    v = np.linspace(0, 100, 60)
    write_csv("big.csv", "voltage_V,current_A", v, v * np.exp(-v / 30))
    fails(line, *told)
    assert not Path("up.yaml").exists()


BOTH = "--inputs x.npy --labels y.npy"
EXPLAIN = f"explain mine {BOTH}"


def test_explain_of_one_sample_has_no_spread_to_compare_with(compiled: None, prints: Any, said: Any) -> None:
    assert "inf %" in prints(f"{EXPLAIN} --count 1").splitlines()[-2]
    assert said(f"{EXPLAIN} --count 1")["rows"][-1]["snr_db"] == -100


def test_the_first_so_many_samples_are_taken(compiled: None) -> None:
    """Of every command that has a count."""
    x, y, whole = np.load("x.npy"), np.load("y.npy"), ndrite.load("mine")
    y[7:] = (y[7:] + 1) % 3  # counted, these would be wrong
    judged = {"inputs": x, "labels": y, "codes": True, "count": 7}
    found = ndrite.evaluate(whole, **judged)
    assert (found.samples, found.accuracy_float) == (7, 1)
    loss = ndrite.explain(whole, **judged).explanation
    assert (loss.samples, loss.reference) == (7, 1)
    wafer = ndrite.campaign(whole, **judged, chips=2, chip="ideal")
    assert (wafer.summary["samples"], wafer.summary["accuracy_float"]) == (7, 1)
    assert len(ndrite.report(whole, **judged).x) == 7
    assert ndrite.cost(whole, x, codes=True, count=7).samples == 7


def test_calibrate_is_told_everything(compiled: None) -> None:
    x, y = np.load("x.npy"), np.load("y.npy")
    how = {"steps": 2, "batch": 30, "rate": 0.02, "method": "sign", "read_cells": True}
    found = ndrite.calibrate("mine", x, y, output="tuned", codes=True, learning_seed=3, measure=50, **how)
    assert ndrite.load("tuned").program.checksum() == found.compiled.program.checksum()
    told = found.compiled.program.provenance["calibration"]
    assert told == how | {"seed": 3, "samples": 150, "pulses_total": found.summary["pulses"]}
    assert (found.summary["learned_from"], found.summary["measured_on"]) == (150, 50)
    for name, whole in (("before", ndrite.load("mine")), ("after", found.compiled)):
        judged = ndrite.evaluate(whole, x[150:], y[150:], codes=True)
        assert found.summary[f"accuracy_{name}"] == judged.accuracy
        assert found.summary[f"accuracy_{name}_interval_95"] == proportion(judged.accuracy, 50)
    assert found.summary["cross_entropy_first"] != found.summary["cross_entropy_last"]
    again = ndrite.calibrate("mine", x, y, codes=True, learning_seed=3, measure=50, **how)
    assert again.compiled.program.checksum() == found.compiled.program.checksum()
    for change in ({"learning_seed": 4}, {"seed": 9}, {"method": "gradient"}, {"read_cells": False}):
        options = how | {"learning_seed": 3, "measure": 50} | change
        other = ndrite.calibrate("mine", x, y, codes=True, **options)
        assert other.compiled.program.checksum() != found.compiled.program.checksum(), change


def test_explain_judges_what_evaluate_does(compiled: None, said: Any, prints: Any) -> None:
    """The same die, samples and read noise, whatever the seed."""
    assert "default - bias correction" in prints(f"{EXPLAIN} --mitigation -p e.png")
    assert Path("e.png").read_bytes().startswith(PNG)
    for seed in (5, (1 << 64) - 1):
        same = f"mine {BOTH} --seed {seed}"
        found, wanted = said(f"explain {same} --mitigation"), said(f"evaluate {same}")["accuracy"]
        assert found["rows"][-1]["accuracy"] == wanted
        assert {m["name"]: m["accuracy"] for m in found["mitigation"]}["default"] == wanted


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("explain none", "none: no such file"),
        ("explain mine --inputs x.npy", "inputs and labels belong together"),
        (f"{EXPLAIN} -p no/e.png", "no: no such folder"),
        (f"{EXPLAIN} --data digits", "data and inputs exclude each other"),
        (f"campaign mine --chip ideal {BOTH} --threshold 85", "threshold is 85.0; accepted: 0..1"),
        ("calibrate mine --inputs one.npy --labels class.npy", "number of samples is 1; accepted: 2 or more"),
        (f"{EXPLAIN} --count 201", "count is 201; accepted: 1..200, as many as there are samples"),
        ("export mine --inputs x.npy --spice d.cir --count 201", "count is 201; accepted: 1..200"),
        (f"calibrate mine {BOTH} --measure 200", "measure is 200; accepted: 1..199; the others"),
        ("explain mine --data digits", "digits has 64 inputs; accepted: 20"),
        ("explain mine --inputs x.npy --labels few.npy", "few.npy: 3 rows; accepted: 200"),
        (
            "explain mine --inputs x.npy --labels floats.npy",
            "floats.npy: float64 (200,), 0.5; accepted: class numbers 0..2; or values, (200, 3)",
        ),
    ],
)
def test_explain_errors(line: str, told: str, compiled: None, fails: Any) -> None:
    np.save("few.npy", np.zeros(3))
    np.save("one.npy", np.load("x.npy")[:1])
    np.save("class.npy", np.load("y.npy")[:1])
    np.save("floats.npy", np.full(200, 0.5))
    fails(line, told)
