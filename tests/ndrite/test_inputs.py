"""What a network is judged by and in which unit: never another data set than its own, never a silent clip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from emulator.golden import Core
from emulator.golden.redraw import virtual_chip
from emulator.mapping import map_network
from emulator.network import Dense, InputRange, Meaning, Network, zoo
from emulator.network.datasets import digits
from ndrite.shell.main import BAD_INPUT, OK, run
from ndrite.verbs.campaign import with_variation


def nearest_means(x: np.ndarray, labels: np.ndarray, **said: Any) -> Network:
    """Classes by their mean sample: a linear network of inputs in 0..1."""
    values = x.astype(np.float64) / 255
    means = np.stack([values[labels == k].mean(axis=0) for k in range(10)])
    return Network.chain((Dense(means.T, -0.5 * (means**2).sum(axis=1)),), "means", meaning=Meaning(**said))


def test_no_data_set_stands_in_for_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """784 inputs alone do not make a network one of Fashion-MNIST."""
    rng = np.random.default_rng(1)
    network = Network.chain((Dense(rng.normal(size=(784, 10)), np.zeros(10)),), "someone's")
    network.save("float.npz")
    x = rng.integers(0, 256, (64, 784)).astype(np.uint8)
    map_network(network, "ideal", x).program.save("program.npz")
    for arguments in (
        ["compile", "float.npz", "--chip", "ideal", "-o", "other.npz"],
        ["evaluate", "program.npz"],
        ["campaign", "program.npz", "--chips", "2", "--count", "10"],
        ["infer", "program.npz"],
        ["trace", "program.npz", "--preset", "tiny"],
    ):
        assert run(arguments) == BAD_INPUT, arguments
        out, err = capsys.readouterr()
        assert out == ""
        assert "the network names no data set; give " in err, arguments
    assert sorted(p.name for p in here.iterdir()) == ["float.npz", "program.npz"]


def test_a_network_names_its_data_set(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, labels, test, test_labels = digits()
    network = nearest_means(x, labels, data_set="digits")
    network.save("float.npz")
    assert run(["compile", "float.npz", "--chip", "ideal", "-o", "program.npz"]) == OK
    assert run(["evaluate", "program.npz", "--json"]) == OK
    result = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert result["samples"] == 500
    assert result["accuracy"] == pytest.approx(network.accuracy(test, test_labels), abs=0.02)


@pytest.mark.slow
def test_lenet5_needs_nothing_else(here: Path, said: Any) -> None:
    """The shipped LeNet-5 names the enlarged digits: compile and evaluate find samples and labels."""
    assert run(["compile", str(zoo.lenet5()), "--chip", "ideal", "-o", "lenet5.npz"]) == OK
    result = said(["evaluate", "lenet5.npz", "--count", "100"])
    assert result["accuracy"] > 0.9
    assert result["mismatches"] == 0


def test_bytes_are_in_the_model_s_unit_too(
    here: Path, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    """Grey values 0..16 as uint8 and as floats are the same inputs; codes must be called so."""
    x, labels, test, test_labels = digits()
    network = nearest_means(x, labels, inputs=InputRange([0], [16]))
    map_network(network, "ideal", x[:100]).program.save("program.npz")
    grey = np.rint(test / 255 * 16)
    np.save("floats.npy", grey)
    np.save("bytes.npy", grey.astype(np.uint8))
    np.save("codes.npy", test)
    answers = []
    for name, options in (("floats", []), ("bytes", []), ("codes", ["--codes"])):
        assert run(["infer", "program.npz", "--inputs", f"{name}.npy", "-o", f"y-{name}.npy", *options]) == OK
        answers.append(np.load(f"y-{name}.npy"))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    assert (answers[0].argmax(axis=1) == test_labels).mean() > 0.85
    capsys.readouterr()
    fails(
        ["infer", "program.npz", "--inputs", "codes.npy", "-o", "y.npy"],
        "values are 0..255; accepted: the model's own unit, 0..16 in the program; if",
    )
    assert not Path("y.npy").exists()


def test_clipped_values_are_said(here: Path, capsys: pytest.CaptureFixture[str], fails: Any) -> None:
    x, labels, _, _ = digits()
    network = nearest_means(x, labels, inputs=InputRange([-1], [1]))
    map_network(network, "ideal", x[:100]).program.save("program.npz")
    values = np.zeros((5, 64))
    values[2, :7] = 1.5
    np.save("x.npy", values)
    assert run(["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy"]) == OK
    err = capsys.readouterr().err
    assert "x.npy: 7 of 320 input values (2.2 %) lie outside the range of their input" in err
    assert "the first: x.npy[2, 0] is 1.5; accepted: -1..1" in err
    values[0, 0] = np.nan
    np.save("x.npy", values)
    fails(["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy"], "not finite")


def test_labels_that_no_output_stands_for(here: Path, fails: Any) -> None:
    x, labels, test, _ = digits()
    map_network(nearest_means(x, labels), "ideal", x[:100]).program.save("program.npz")
    np.save("x.npy", test[:20])
    np.save("y.npy", np.full(20, 10))
    for command in ("evaluate program.npz", "campaign program.npz --chips 2 --chip ideal"):
        words = [*command.split(), "--inputs", "x.npy", "--labels", "y.npy"]
        fails(words, "y.npy: classes are 10..10; accepted: 0..9")


def regressor(rng: np.random.Generator) -> tuple[Network, np.ndarray, np.ndarray]:
    """A linear model of three outputs, samples uint8 (200, 12), and its targets."""
    weights, bias = rng.normal(size=(12, 3)), rng.normal(size=3)
    x = rng.integers(0, 256, (200, 12)).astype(np.uint8)
    return Network.chain((Dense(weights, bias),), "plant"), x, x / 255 @ weights + bias


def test_a_regressor_is_judged_in_its_own_unit(
    here: Path, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    """No accuracy of 0.0: the error of the targets, of board, golden model and floats alike."""
    network, x, targets = regressor(np.random.default_rng(2))
    ndrite.compile(network, "ideal", samples=x, output="program.npz")
    np.save("x.npy", x)
    np.save("y.npy", targets + 0.25)
    options = ["--inputs", "x.npy", "--labels", "y.npy", "--json"]
    assert run(["evaluate", "program.npz", *options]) == OK
    result = json.loads(capsys.readouterr().out)
    assert "accuracy" not in result
    assert result["rms_error_float"] == pytest.approx(0.25, rel=1e-4)
    assert result["rms_error"] == result["rms_error_golden"] == pytest.approx(0.25, rel=0.02)
    assert result["target_rms"] == pytest.approx(np.sqrt(targets.var(axis=0).mean()))
    assert run(["evaluate", "program.npz", "--inputs", "x.npy", "--labels", "y.npy"]) == OK
    assert "accuracy" not in capsys.readouterr().out
    assert run(["infer", "program.npz", "--inputs", "x.npy", "-o", "model.npy", "--model-unit"]) == OK
    np.testing.assert_allclose(np.load("model.npy"), targets, atol=0.02)
    np.save("y.npy", targets[:, :2])
    fails(["evaluate", "program.npz", *options], "accepted: classes (n,), or targets (n, 3)")


@pytest.mark.slow
def test_targets_everywhere(here: Path, capsys: pytest.CaptureFixture[str], said: Any, prints: Any) -> None:
    """explain, report and campaign give the rms error of targets, each as NumPy has it."""
    network, x, targets = regressor(np.random.default_rng(2))
    compiled = ndrite.compile(network, "wan2022", samples=x, nominal=True, output="program.npz")
    shifted = targets + 0.25
    step = compiled.program.meaning.output_step
    assert step is not None

    def rms(outputs: np.ndarray) -> float:
        return float(np.sqrt(np.mean((outputs - shifted) ** 2)))

    loss = ndrite.explain(compiled, x, shifted, picture="loss.png")
    assert loss.explanation.measure == "rms_error"
    assert loss.explanation.reference == pytest.approx(0.25, rel=1e-4)
    golden = rms(ndrite.infer(compiled, x).outputs * step)
    assert loss.causes[-1].rms_error == pytest.approx(golden)
    assert all(row.accuracy is None and row.lost is None and row.rms_error > 0.2 for row in loss.causes)
    np.save("x.npy", x)
    np.save("y.npy", shifted)
    options = ["--inputs", "x.npy", "--labels", "y.npy"]
    assert "rms error" in prints(["explain", "program.npz", *options, "--mitigation"])
    assert said(["report", "program.npz", *options, "--no-timeline", "-o", "r.html"])[
        "rms_error_golden"
    ] == pytest.approx(golden)
    assert "Labels against answers" in Path("r.html").read_text()

    wafer = ndrite.campaign(compiled, x, shifted, chips=3, trials=2, seed=5)
    chip = virtual_chip(with_variation(compiled.program, None), seed=5, chip=1)
    expected = [rms(Core(chip).infer(x, seed=5 + 1 * 2 + t) * step) for t in range(2)]
    assert wafer.summary["rms_error_per_chip"][1] == pytest.approx(np.sqrt(np.mean(np.square(expected))))
    assert len(set(wafer.summary["rms_error_per_chip"])) == 3
    assert wafer.on_host
    command = ["campaign", "program.npz", *options, "--chips", "4", "--threshold", "9", "-p", "c.svg"]
    assert run([*command, "-o", "c.json"]) == OK
    said = json.loads(Path("c.json").read_text())
    assert (said["yield"], said["threshold"]) == (1.0, 9.0)
    assert said["rms_error_float"] == pytest.approx(0.25, rel=1e-4)
    assert "rms_error_mean" in capsys.readouterr().out


def test_accuracy_stands_beside_its_interval_and_the_floats(here: Path, said: Any) -> None:
    x, labels, test, test_labels = digits()
    network = nearest_means(x, labels, data_set="digits")
    ndrite.compile(network, "wan2022", samples=x[:200], output="program.npz")
    result = said(["evaluate", "program.npz"])
    assert result["accuracy_float"] == network.accuracy(test, test_labels)
    low, high = result["accuracy_interval_95"]
    # Wilson's interval of 500 samples, near 90 %, is some 2.7 points to either side.
    assert low < result["accuracy"] < high
    assert 0.04 < high - low < 0.07
