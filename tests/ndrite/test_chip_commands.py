"""chip, fit and explain: what they print and write, and one clear line when they cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from emulator.device.description import load_chip
from emulator.device.ndr.curves import Esaki
from emulator.network import Dense, Ndr, Network
from ndrite.shell.main import FAILED_CHECK, OK, run

PNG = b"\x89PNG"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a small network, the same on dendritic-ndr, labelled data, three CSV files."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    activation = Ndr(rng.uniform(0.5, 2, 12), rng.uniform(0.4, 1, 12))
    first = Dense(rng.normal(size=(20, 12)) * 0.5, rng.normal(size=12) * 0.3, activation)
    network = Network.chain((first, Dense(rng.normal(size=(12, 3)), np.zeros(3))), "small")
    network.save("float.npz")
    x = rng.integers(0, 256, (300, 20), dtype=np.uint8)
    np.save("s.npy", x[:100])
    np.save("x.npy", x[100:])
    np.save("y.npy", network.forward(x[100:] / np.float32(255)).argmax(axis=1))
    ndrite.compile(network, "dendritic-ndr", samples=x[:100], seed=4, output="mine")
    v = np.linspace(0, 0.5, 60)
    rows = [f"{a},{b}" for a, b in zip(v, Esaki().current(v), strict=True)]
    Path("iv.csv").write_text("voltage_V,current_A\n" + "\n".join(rows) + "\n")
    target = np.repeat([10.0, 20, 30, 40], 50)
    got = target + rng.standard_normal(200)
    rows = [f"{a},{b}" for a, b in zip(target, got, strict=True)]
    Path("g.csv").write_text("target_uS,Gread\n" + "\n".join(rows) + "\n")
    state = np.r_[np.linspace(10, 50, 41), np.linspace(49, 10, 40)]
    Path("p.csv").write_text("pulse,conductance_uS\n" + "\n".join(f"{i},{g}" for i, g in enumerate(state)))
    return tmp_path


def test_list_and_show(prints: Any, said: Any) -> None:
    kinds = {entry["name"]: entry["kind"] for entry in said("chip list")["chips"]}
    assert kinds["wan2022"] == "chip"
    assert kinds["ndr-bell"] == "device"
    assert said("chip show wan2022+ndr-bell")["neuron"]["model"] == "bell"
    assert "aihwkit" in prints("chip show wan2022")
    shown = prints("chip show ndr-ai301a")
    assert "Device card of ndr-ai301a" in shown
    assert "NI myDAQ" in shown
    assert "array." not in shown, "a device has its own fields only"


def test_a_fit_keeps_its_card(here: Path, said: Any) -> None:
    error = said("fit ndr iv.csv -o mine.yaml")["held_out_error"]
    card = said("chip show mine.yaml")["cards"]["mine"]
    assert card["data"].startswith("iv.csv, ")
    assert card["error"].startswith(f"{error:.3g}, rms of every fifth point")


def test_check(here: Path, fails: Any, said: Any) -> None:
    Path("mine.yaml").write_text("name: mine\ncell: {g_max_uS: 10, levels: {value: 4, source: me}}\n")
    assert said("chip check mine.yaml")["without_source"] == ["cell.g_max_uS"]
    assert said("chip check ndr-esaki") == {
        "name": "ndr-esaki",
        "ok": True,
        "values": 7,
        "without_source": [],
        "without_effect": {},
        "stability": {},
    }
    Path("mine.yaml").write_text("name: mine\ncell: {g_max_uS: 10, levels: 4000}\n")
    fails("chip check mine.yaml", "mine.yaml: cell.levels is 4000; accepted: 2..256")
    fails("chip check nothing", "chip is 'nothing'; accepted: a YAML file, or a preset")


def test_check_says_what_keeps_a_neuron_stable(here, prints: Any):
    circuit = "source_resistance_ohm: 20, capacitance_pF: 0.05, inductance_nH: %s"
    text = f"name: n\nneuron: {{model: esaki, {circuit}}}\n"
    # R C Rn by hand: 20 ohm, 50 fF and the 271.86 ohm of the steepest fall make 0.272 nH.
    for henry, word in ((1, "oscillates"), (0.05, "does not oscillate")):
        Path("n.yaml").write_text(text % henry)
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


def test_table(capsys: pytest.CaptureFixture[str], said: Any) -> None:
    ideal, wan = said("chip table ideal wan2022 --count 100")["chips"]
    assert ideal["snr_db"] > 35 > wan["snr_db"] > wan["snr_noise_db"] > 12
    assert run(["chip", "table", "ideal", "--count", "50", "--markdown"]) == OK
    assert capsys.readouterr().out.startswith("| chip | SNR |")


def test_fit_ndr_to_a_chip_that_compiles(here: Path, said: Any) -> None:
    report = said("fit ndr iv.csv -o mine.yaml -p iv.png")
    assert report["values"]["peak_voltage_V"] == pytest.approx(0.1, rel=0.01)
    assert Path("iv.png").read_bytes().startswith(PNG)
    chip = load_chip("wan2022+mine.yaml")
    assert chip.neuron.model == "esaki"
    assert "iv.csv" in chip.sources["neuron.peak_voltage_V"]
    arguments = ["compile", "float.npz", "--chip", "wan2022+mine.yaml", "-o", "i.npz", "--samples", "s.npy"]
    assert run(arguments) == OK


def test_fit_rram_and_ecram(here: Path, said: Any) -> None:
    column = ["--column", "conductance=Gread:uS"]
    assert said(["fit", "rram", "g.csv", *column, "-o", "g.yaml", "-p", "g.png"])["cells"] == 200
    assert load_chip("wan2022+g.yaml").cell.error_model.sigma(20.0) == pytest.approx(1.0, rel=0.2)
    assert run(["fit", "ecram", "p.csv", "-o", "p.yaml", "-p", "p.png"]) == OK
    assert "wan2022" not in Path("p.yaml").read_text()
    assert load_chip("wan2022+p.yaml").ecram.step_up == pytest.approx(0.05, rel=0.05)
    assert Path("p.png").read_bytes().startswith(PNG)
    assert Path("g.png").read_bytes().startswith(PNG)


def test_fit_errors(here: Path, fails: Any) -> None:
    fails("fit ndr none.csv", "none.csv: no such file")
    fails("fit ndr g.csv", "g.csv: no column for voltage", "headers: target_uS, Gread")
    fails("fit rram g.csv --column conductance=Gread", "has the unit ''", "Gread:S")
    fails("fit rram g.csv --column Gread", "column is 'Gread'; accepted")
    fails("fit ndr iv.csv -o nowhere/mine.yaml", "nowhere: no such folder")
    Path("up.csv").write_text("voltage_V,current_A\n" + "\n".join(f"{i},{i}" for i in range(20)))
    fails("fit ndr up.csv -o up.yaml", "the current does not fall")
    assert not Path("up.yaml").exists()
    # A device beyond what the emulator accepts: 30 V.
    v = np.linspace(0, 100, 60)
    rows = [f"{a},{b}" for a, b in zip(v, v * np.exp(-v / 30), strict=True)]
    Path("big.csv").write_text("voltage_V,current_A\n" + "\n".join(rows))
    fails("fit ndr big.csv", "the fitted neuron.peak_voltage_V is 30", "accepted: 0.001..10")


EXPLAIN = ["explain", "mine", "--inputs", "x.npy", "--labels", "y.npy"]


@pytest.mark.slow
def test_explain(here: Path, prints: Any, said: Any) -> None:
    rows = said([*EXPLAIN, "-p", "e.png"])["rows"]
    assert Path("e.png").read_bytes().startswith(PNG)
    assert rows == list(ndrite.explain("mine", "x.npy", "y.npy").as_dict()["rows"])
    text = prints([*EXPLAIN, "--mitigation"])
    assert "programming error" in text
    assert "default - bias correction" in text


def test_explain_errors(here: Path, fails: Any) -> None:
    fails("explain none", "none: no such file")
    fails(EXPLAIN[:4], "inputs and labels belong together")
    fails([*EXPLAIN, "-p", "no/e.png"], "no: no such folder")
    fails([*EXPLAIN, "--data", "digits"], "data and inputs exclude each other")
    fails("explain mine --data digits", "digits has 64 inputs; accepted: 20")
    np.save("y.npy", np.zeros(3))
    fails(EXPLAIN, "y.npy: 3 rows; accepted: 200")
    np.save("y.npy", np.zeros(200))
    fails(EXPLAIN, "y.npy: float64 (200,); accepted: classes (n,), or targets (n, 3)")
