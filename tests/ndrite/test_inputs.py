"""What a network is judged by and in which unit: never another data set than its own,
never a silent clip."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.noise import virtual_chip
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Dense, InputRange, Meaning, Named, Network, Patches, Product
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec import PRESETS, Geometry
from ndrite.emulator.spec.task import Task
from ndrite.emulator.spec.variation import inference_index
from ndrite.evaluations import work
from ndrite.shell.main import OK, run
from ndrite.verbs.campaign import with_variation
from ndrite.verbs.infer import Answers

X, LABELS, TEST, TEST_LABELS = digits()
JUDGED = "program.npz --inputs x.npy --labels y.npy"


def nearest_means(**said: Any) -> Network:
    """Digits by their mean sample: a linear network of inputs in 0..1."""
    means = np.stack([X[k == LABELS].mean(axis=0) for k in range(10)]) / 255
    return Network.chain((Dense(means.T, -0.5 * (means**2).sum(axis=1)),), "means", meaning=Meaning(**said))


def programmed(**said: Any) -> Network:
    """The same, on the ideal chip as program.npz."""
    network = nearest_means(**said)
    map_network(network, "ideal", X[:100]).program.save("program.npz")
    return network


@pytest.mark.parametrize(
    "line",
    [
        "compile float.npz --chip ideal -o other.npz",
        "evaluate program.npz",
        "campaign program.npz --chips 2 --count 10 --chip ideal",
        "infer program.npz",
    ],
)
def test_no_data_set_stands_in_for_another(line: str, here: Path, fails: Any) -> None:
    """784 inputs alone do not make a network one of Fashion-MNIST."""
    rng = np.random.default_rng(1)
    network = Network.chain((Dense(rng.normal(size=(784, 10)), np.zeros(10)),), "someone's")
    network.save("float.npz")
    map_network(network, "ideal", rng.integers(0, 256, (64, 784), np.uint8)).program.save("program.npz")
    fails(line, "the network names no data set; give ")
    assert sorted(p.name for p in here.iterdir()) == ["float.npz", "program.npz"]


def test_a_network_names_its_data_set(here: Path, said: Any, prints: Any) -> None:
    """Its accuracy stands beside its interval and the floats'."""
    network = nearest_means(data_set="digits")
    network.save("float.npz")
    prints("compile float.npz --chip wan2022 -o program.npz")
    result = said("evaluate program.npz")
    assert result["samples"] == 500
    assert result["accuracy_float"] == network.accuracy(TEST, TEST_LABELS)
    assert result["accuracy"] == pytest.approx(result["accuracy_float"], abs=0.02)
    low, high = result["accuracy_interval_95"]
    # Wilson's interval of 500 samples, near 90 %, is some 2.7 points to either side.
    assert low < result["accuracy"] < high
    assert 0.04 < high - low < 0.07


def test_compile_judges_on_samples_that_set_no_range() -> None:
    """Those of the data set after the first 512, which calibrate."""
    x, labels = ndrite.networks.judging_set("fashion-mnist")
    means = np.stack([x[1000:][labels[1000:] == k].mean(axis=0) for k in range(10)]) / 255
    dense = Dense(2 * means.T, -(means**2).sum(axis=1))
    network = Network.chain((dense,), "means", meaning=Meaning(data_set="fashion-mnist"))
    compiled = ndrite.compile(network, "wan2022")
    np.testing.assert_array_equal(compiled.samples, x[:512])
    judged = slice(512, 512 + compiled.answer.samples)
    right = [
        (outputs[judged].argmax(axis=1) == labels[judged]).mean()
        for outputs in (Core(compiled.program).infer(x), network.forward(x / np.float32(255)))
    ]
    # Read noise differs with an inference's number.
    assert compiled.answer.score == pytest.approx(right[0], abs=0.01)
    assert compiled.answer.float_score == right[1]
    assert compiled.answer.samples == 2000


def test_answers_are_counted_by_label() -> None:
    """Of labels, of which a sample may have several, and of classes, of which it has one."""
    outputs = np.array([[5, -1, 1], [2, 3, -4], [1, -7, -7]])
    for kind, counts in (("labels", ["3", "1", "1"]), ("classes", ["2", "1", "0"])):
        task = Task(kind=kind, shape=(3, 1, 1), classes=("a", "b", "c"))
        (table,) = Answers(outputs, {"board": "golden:", "on_host": []}, task).tables()
        assert [tuple(row) for row in table.rows] == list(zip("abc", counts, strict=True))


def test_a_data_set_that_no_command_has_leaves_the_samples_held(here: Path, said: Any) -> None:
    """Such as that of the shipped LSTM."""
    network = nearest_means(data_set="japanese-vowels")
    ndrite.compile(network, "ideal", samples=TEST[:64], output="mine")
    assert said("evaluate mine")["judged_by"].startswith("the float network's answers on the samples")


def test_bytes_are_in_the_model_s_unit_too(here: Path, prints: Any, fails: Any) -> None:
    """Grey values 0..16 as uint8 and as floats are the same inputs; codes must be called so."""
    programmed(inputs=InputRange([0], [16]))
    grey = np.rint(TEST / 255 * 16)
    answers = []
    for x, options in ((grey, ""), (grey.astype(np.uint8), ""), (TEST, "--codes")):
        np.save("x.npy", x)
        prints(f"infer program.npz --inputs x.npy -o y.npy {options}")
        answers.append(np.load("y.npy"))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    assert (answers[0].argmax(axis=1) == TEST_LABELS).mean() > 0.85
    told = "values are 0..255; accepted: the model's own unit, 0..16 in the program; if"
    fails("infer program.npz --inputs x.npy -o none.npy", told)
    assert not Path("none.npy").exists()


def test_clipped_values_are_said(here: Path, capsys: pytest.CaptureFixture[str], fails: Any) -> None:
    programmed(inputs=InputRange([-1], [1]))
    values = np.zeros((5, 64))
    values[2, :7] = 1.5
    np.save("x.npy", values)
    assert run("infer program.npz --inputs x.npy -o y.npy".split()) == OK
    err = capsys.readouterr().err
    assert "x.npy: 7 of 320 input values (2.2 %) lie outside the range of their input" in err
    assert "the first: x.npy[2, 0] is 1.5; accepted: -1..1" in err
    values[0, 0] = np.nan
    np.save("x.npy", values)
    fails("infer program.npz --inputs x.npy -o y.npy", "not finite")


def test_axes_in_another_order_are_refused(here: Path, fails: Any) -> None:
    """As many values do not make a sample the same one."""
    rng = np.random.default_rng(1)
    whole = Product(Dense(rng.normal(size=(24, 2)), np.zeros(2)), (0,), Patches.whole((3, 1, 8)))
    network = Network((whole,), (3, 1, 8), "series")
    x = rng.integers(0, 256, (32, 24)).astype(np.uint8)
    program = map_network(network, "ideal", x).program
    np.save("x.npy", x.reshape(32, 8, 3))
    program.save("program.npz")
    fails("infer program.npz --inputs x.npy", "x.npy: shape (32, 8, 3); accepted: (n, 3, 8), in this order")
    with pytest.raises(ndrite.InputError, match="in this order"):
        ndrite.Classifier(program).predict(np.load("x.npy"))
    assert len(ndrite.Classifier(program).predict(x.reshape(32, 3, 8))) == 32


@pytest.mark.parametrize("line", [f"evaluate {JUDGED}", f"campaign {JUDGED} --chips 2 --chip ideal"])
def test_labels_that_no_output_stands_for(line: str, here: Path, fails: Any) -> None:
    programmed()
    np.save("x.npy", TEST[:20])
    np.save("y.npy", np.full(20, 10))
    fails(line, "y.npy: int64 (20,), 10; accepted: class numbers 0..9; or values, (20, 10)")


@pytest.fixture
def regressor(here: Path) -> tuple[Network, np.ndarray, np.ndarray]:
    """A linear model of three outputs, samples uint8 (200, 12), and its targets; in
    x.npy, and in y.npy 0.25 above them."""
    rng = np.random.default_rng(2)
    weights, bias = rng.normal(size=(12, 3)), rng.normal(size=3)
    x = rng.integers(0, 256, (200, 12)).astype(np.uint8)
    targets = x / 255 @ weights + bias
    np.save("x.npy", x)
    np.save("y.npy", targets + 0.25)
    return Network.chain((Dense(weights, bias),), "plant"), x, targets


def test_a_regressor_is_judged_in_its_own_unit(regressor: Any, said: Any, prints: Any, fails: Any) -> None:
    """No accuracy of 0.0: the error of the targets, of board, golden model and floats alike."""
    network, x, targets = regressor
    ndrite.compile(network, "ideal", samples=x, output="program.npz")
    result = said(f"evaluate {JUDGED}")
    assert "accuracy" not in result
    assert result["rms_error_float"] == pytest.approx(0.25, rel=1e-4)
    assert result["rms_error"] == result["rms_error_golden"] == pytest.approx(0.25, rel=0.02)
    assert result["target_rms"] == pytest.approx(np.sqrt(targets.var(axis=0).mean()))
    assert "accuracy" not in prints(f"evaluate {JUDGED}")
    prints("infer program.npz --inputs x.npy -o model.npy --model-unit")
    np.testing.assert_allclose(np.load("model.npy"), targets, atol=0.02)
    np.save("y.npy", targets[:, :2])
    fails(f"evaluate {JUDGED} --json", "accepted: class numbers 0..2; or values, (200, 3) numbers")


@pytest.mark.slow
def test_targets_everywhere(regressor: Any, said: Any, prints: Any) -> None:
    """explain, report and campaign give the rms error of targets, each as NumPy has it."""
    network, x, targets = regressor
    compiled = ndrite.compile(network, "wan2022", samples=x, nominal=True, output="program.npz")
    shifted = targets + 0.25
    step = compiled.program.meaning.output_step
    assert step is not None

    def rms(outputs: np.ndarray) -> float:
        return float(np.sqrt(np.mean((outputs * step - shifted) ** 2)))

    loss = ndrite.explain(compiled, x, shifted, picture="loss.png")
    assert loss.explanation.measure == "rms_error"
    assert loss.explanation.reference == pytest.approx(0.25, rel=1e-4)
    golden = pytest.approx(rms(ndrite.infer(compiled, x).outputs))
    assert loss.causes[-1].score == golden
    assert all(row.lost is None and row.score > 0.2 for row in loss.causes)
    assert "rms error" in prints(f"explain {JUDGED} --mitigation")
    assert said(f"report {JUDGED} -o r.html")["rms_error_golden"] == golden
    assert "Labels against answers" in Path("r.html").read_text()

    wafer = ndrite.campaign(compiled, x, shifted, chips=3, trials=2, seed=5)
    chip = virtual_chip(with_variation(compiled.program, None), seed=5, chip=1)
    read = int(np.random.SeedSequence([5, 1]).generate_state(1, np.uint64)[0])
    expected = [rms(Core(chip).infer(x, seed=read, first_index=inference_index(0, t))) for t in range(2)]
    assert wafer.summary["rms_error_per_chip"][1] == pytest.approx(np.sqrt(np.mean(np.square(expected))))
    assert len(set(wafer.summary["rms_error_per_chip"])) == 3
    assert wafer.on_host
    assert "rms_error_mean" in prints(f"campaign {JUDGED} --chips 4 --threshold 9 -p c.svg -o c.json")
    told = json.loads(Path("c.json").read_text())
    assert (told["yield"], told["threshold"]) == (1.0, 9.0)
    assert told["rms_error_float"] == pytest.approx(0.25, rel=1e-4)


def test_of_a_chain_rows_that_are_not_zero_times_columns() -> None:
    rng = np.random.default_rng(0)
    program = random_program(PRESETS["tiny"], rng, sizes=[6, 5, 3], dac_bits=4, noise=False)
    x = np.array([[0, 16, 15, 255, 0, 1]], np.uint8)
    hidden = dataclasses.replace(program, steps=program.steps[:1])
    y = Core(hidden, fast=False).infer(x)[0]
    found = work(program, x)
    assert found.products == 2 * (6 * 5 + 5 * 3)
    # Slices of four bits: 16 has its upper one, 15 and 1 their lower, 255 both.
    after = sum(int(v & 15 != 0) + int(v >> 4 != 0) for v in y)
    assert found.nonzero == 5 * 5 + 3 * after
    assert found.bound(4) == -(-found.nonzero // 4)
    assert 0 < found.zeros < 1


def test_blocks_and_packed_groups_are_the_mappers_own() -> None:
    """The network's products are counted, whatever more the mapper programs."""
    rng = np.random.default_rng(1)

    def product(source: int, rows: int, columns: int, where: Patches, neuron: Any = None) -> Product:
        return Product(Dense(rng.normal(size=(rows, columns)), np.zeros(columns), neuron), (source,), where)

    first = product(0, 9, 4, Patches(shape=(4, 6, 6), kernel=(3, 3), groups=4), Named("relu"))
    second = product(1, 16, 2, Patches(shape=(4, 4, 4), kernel=(2, 2)), Named("relu"))
    last = product(2, 18, 3, Patches.whole((2, 3, 3)))
    network = Network((first, second, last), (4, 6, 6), "deep")
    x = rng.integers(1, 256, (32, 4 * 36)).astype(np.uint8)
    program = map_network(network, "ideal", x, options=MapOptions(target=Geometry())).program
    assert program.products[0].patches.groups < 4
    assert work(program, x, network).products == 4 * 9 * 16 + 16 * 2 * 9 + 18 * 3
    assert work(program, x).products > work(program, x, network).products
