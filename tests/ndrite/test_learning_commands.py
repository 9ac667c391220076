"""train and calibrate: what they print and write, and one clear line when they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import load_network
from emulator.network.datasets import digits
from emulator.spec import Program
from ndrite.shell.main import BAD_INPUT, OK, run

pytest.importorskip("torch")

TRAIN = ["train", "--data", "digits", "--hidden", "16", "--epochs", "12", "--batch", "64", "-o", "d.npz"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """d.npz, 64-16-10 on digits, and program.npz, the same on the dendritic chip with two ECRAMs a neuron."""
    here = tmp_path_factory.mktemp("learning")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert run([*TRAIN, "--chip", "dendritic-ndr+ecram-pair", "--height", "0.5", "--json"]) == OK
    x = digits()[0]
    network = load_network(here / "d.npz")
    ndrite.compile(network, "dendritic-ndr+ecram-pair", samples=x[:500], seed=1, output=here / "program.npz")
    return here


def test_train_writes_a_network_of_the_chip(folder: Path) -> None:
    network = load_network(folder / "d.npz")
    assert network.widths == (64, 16, 10)
    activation = network.layers[0].activation
    assert activation.curve is not None, "the chip's own curve, not x exp(1 - x)"  # type: ignore[union-attr]
    assert activation.height.max() <= 1  # type: ignore[union-attr]
    *_, x, y = digits()
    assert network.accuracy(x, y) > 0.75


@pytest.mark.slow
def test_train_on_maps_and_go_on_through_a_chip(
    here: Path, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    layers = ["--hidden", "conv 8 3, residual 3, pool 2, 16", "--neuron", "clipped-relu"]
    common = ["train", "--data", "digits", "--batch", "64", "--weight-decay", "0.01", "--half", "--json"]
    assert run([*common, *layers, "--epochs", "6", "-o", "maps.npz"]) == OK
    first = json.loads(capsys.readouterr().out)
    again = ["--start", "maps.npz", "--chip", "wan2022", "--rate", "0.001", "--epochs", "2", "--shift", "1"]
    assert run([*common, *again, "-o", "chip.npz"]) == OK
    second = json.loads(capsys.readouterr().out)
    assert first["shape"] == second["shape"] == [64, 8, 8, 8, 16, 10]
    assert min(first["test_accuracy"], second["test_accuracy"]) > 0.85
    networks = [load_network(name) for name in ("maps.npz", "chip.npz")]
    assert [n.map_shapes for n in networks] == [
        ((1, 8, 8), (8, 8, 8), (8, 8, 8), (8, 8, 8), (8, 4, 4), (16, 1, 1), (10, 1, 1))
    ] * 2
    assert networks[1].products[2].skip == 1
    assert networks[1].provenance["job"]["recipe"]["weight_decay"] == 0.01
    fails([*common, "--start", "chip.npz", "-o", "chip.npz"], "the file of start; accepted: another file")
    x = digits()[0]
    program = map_network(networks[1], "wan2022", x[:200], seed=1).program
    *_, test, labels = digits()
    assert (Core(program).infer(test).argmax(axis=1) == labels).mean() > 0.8


@pytest.mark.slow
def test_calibrate_gives_the_same_program_on_gateware(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    common = ["calibrate", "program.npz", "--data", "digits", "--json"]
    values = {}
    for board in ("golden:", "sim:"):
        size = ["--steps", "3", "--batch", "100", "--measure", "100", "-o", f"{board[:-1]}.npz"]
        assert run([*common, *size, "--board", board]) == OK
        values[board] = json.loads(capsys.readouterr().out)
    assert values["golden:"]["tag"] == values["sim:"]["tag"]
    assert values["golden:"]["accuracy_after"] == values["sim:"]["accuracy_after"]
    before, after = Program.load("program.npz"), Program.load("golden.npz")
    np.testing.assert_array_equal(before.layers[0].weights, after.layers[0].weights)
    assert before.checksum() != after.checksum()
    assert after.provenance["calibration"]["steps"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "--data", "cifar", "-o", "x.npz"],
            "'cifar' is not one of 'fashion-mnist', 'digits', 'digits-32', 'mnist'",
        ),
        (
            ["train", "--hidden", "a", "-o", "x.npz"],
            "hidden is 'a'; 'a' is no layer; accepted: widths 1..65536, conv CHANNELS KERNEL",
        ),
        (["train", "--hidden", "8,conv 4 2", "-o", "x.npz"], "'conv 4 2' is no layer; accepted"),
        ([*TRAIN, "--hidden", "pool 9"], "on a map of (1, 8, 8): kernel (9, 9) does not fit"),
        ([*TRAIN, "--neuron", "relu", "--height", "0.5"], "height is 0.5 with neuron 'relu'; accepted"),
        ([*TRAIN, "--start", "other.npz"], "accepted: without hidden"),
        (["train", "--data", "digits", "--start", "none.npz", "-o", "x.npz"], "none.npz: no such network"),
        (
            ["train", "--data", "mnist", "--start", "d.npz", "-o", "x.npz"],
            "64 inputs, 10 outputs; accepted: 784",
        ),
        ([*TRAIN, "--chip", "nothing"], "chip is 'nothing'; accepted"),
        ([*TRAIN[:-1], "nowhere/x.npz"], "nowhere: no such folder"),
        ([*TRAIN[:-1], "x.npz", "--batch", "5000"], "training set holds 1189 samples; accepted: at least"),
        (["calibrate", "none.npz", "-o", "x.npz"], "none.npz: no such"),
        (
            ["calibrate", "program.npz", "-o", "x.npz", "--inputs", "a.npy"],
            "inputs and labels belong together",
        ),
    ],
)
def test_one_clear_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    assert run(arguments) == BAD_INPUT
    err = capsys.readouterr().err
    assert err.startswith("ndrite: error: ")
    assert message in err
    assert not Path("x.npz").exists()


def test_a_network_of_curves_from_training_to_a_die(here: Path, said: Any, prints: Any, fails: Any) -> None:
    train = [
        "train",
        "--data",
        "digits",
        "--hidden",
        "bases 3, 16, bases 3",
        "--epochs",
        "6",
        "--batch",
        "64",
    ]
    assert said([*train, "--rate", "0.03", "-o", "kan.npz"])["test_accuracy"] > 0.85
    out = prints(["compile", "kan.npz", "--chip", "wan2022", "-o", "program.npz"])
    assert "table 1" in out
    assert "functions" in out
    said = said(["evaluate", "program.npz", "--count", "60"])
    assert said["mismatches"] == 0
    assert said["accuracy"] > 0.85
    fails([*train[:4], "bases 30", "-o", "x.npz"], "'bases 30' is no layer")
