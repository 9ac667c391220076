"""ndrite import, and floats in place of codes for the commands after it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emulator.network import load_network
from emulator.spec import Program
from ndrite.cli.main import BAD_INPUT, OK, run

torch = pytest.importorskip("torch", reason="needs ndrite[train]")
nn = torch.nn


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """model.pt (10-8-3), and x.npy, float32 (40, 10) about zero."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Linear(10, 8), nn.ELU(), nn.Linear(8, 3)), "model.pt")
    np.save("x.npy", np.random.default_rng(0).normal(size=(40, 10)).astype(np.float32))
    return tmp_path


def test_import_compile_infer_on_floats(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["--classes", "a,b, c", "--input-unit", "mV"]
    assert run(["import", "model.pt", "--samples", "x.npy", "-o", "float.npz", "--json", *said]) == OK
    report = json.loads(capsys.readouterr().out)
    assert [block["function"] for block in report["blocks"]] == ["elu(x)", "none: outputs"]
    assert 0 < report["error_rms"] < 0.05 * report["output_rms"]
    assert run(["compile", "float.npz", "--chip", "ideal", "--samples", "x.npy", "-o", "program.npz"]) == OK
    assert run(["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy"]) == OK
    x = np.load("x.npy")
    program = Program.load("program.npz")
    inputs = program.meaning.inputs
    assert (program.meaning.classes, program.meaning.input_unit) == (("a", "b", "c"), "mV")
    assert inputs is not None
    wanted = load_network("float.npz").forward(inputs.unit(x))
    y = np.load("y.npy")
    assert np.corrcoef(y.ravel(), wanted.ravel())[0, 1] > 0.999
    # And explain, on the same floats.
    np.save("labels.npy", wanted.argmax(axis=1))
    capsys.readouterr()
    data = ["--samples", "x.npy", "--inputs", "x.npy", "--labels", "labels.npy"]
    assert run(["explain", "program.npz", "--network", "float.npz", *data, "--json"]) == OK
    explained = json.loads(capsys.readouterr().out)
    assert explained["reference"] == 1.0


def test_the_table_names_nodes_and_errors(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "model.pt", "--samples", "x.npy", "-o", "float.npz"]) == OK
    out = capsys.readouterr().out
    assert "elu(x)" in out
    assert "largest error possible" in out


def test_a_refused_model_leaves_no_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "model.pt", "-o", "float.npz"]) == BAD_INPUT
    assert "node 'model.pt: /1/Elu' (elu(x)) is not supported; it is unbounded" in capsys.readouterr().err
    assert not Path("float.npz").exists()
    assert run(["import", "model.pt", "--input-shape", "a", "-o", "float.npz"]) == BAD_INPUT
    assert "--input-shape" in capsys.readouterr().err
