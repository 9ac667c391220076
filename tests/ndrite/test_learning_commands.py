"""train and calibrate: what they print and write, and one clear line when they cannot."""

import dataclasses
import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.network import load_network
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.meaning import Meaning
from ndrite.samples import data_set
from ndrite.shell.main import OK, run
from ndrite.verbs.train import start_of
from tests.extras import needs

torch = needs("torch")

from ndrite.emulator.learning.training.loop import Interrupted
from ndrite.nn import Bases, Ndr

CHIP = "dendritic-ndr+ecram-pair"
TRAIN = f"train --data digits --hidden 16 --epochs 12 --batch 64 -o d.npz --chip {CHIP} --height 0.5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """d.npz, 64-16-10 on digits, and program.npz, the same on the dendritic chip with
    two ECRAMs a neuron."""
    here = tmp_path_factory.mktemp("learning")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert run(TRAIN.split()) == OK
    x = digits()[0]
    network = load_network(here / "d.npz")
    dataclasses.replace(network, nodes=network.nodes[:1], meaning=Meaning()).save(here / "values.npz")
    ndrite.compile(network, CHIP, samples=x[:500], seed=1, output=here / "program.npz")
    np.save(here / "own.npy", x[:60, :60])
    np.save(here / "labels.npy", np.repeat([1, 0, 1], [1, 54, 5]))
    return here


def test_train_writes_a_network_of_the_chip(folder: Path) -> None:
    network = load_network(folder / "d.npz")
    assert network.widths == (64, 16, 10)
    activation = network.layers[0].activation
    assert activation.curve is not None, "the chip's own curve, not x exp(1 - x)"  # type: ignore[union-attr]
    assert activation.height.max() <= 1  # type: ignore[union-attr]
    *_, x, y = digits()
    assert network.accuracy(x, y) > 0.75


EXAMPLE = str(Path(__file__).parents[2] / "examples" / "own_layers.py")


def own_layers() -> SimpleNamespace:
    """The example's modules."""
    needs("onnx")
    torch.manual_seed(0)
    return SimpleNamespace(**runpy.run_path(EXAMPLE))


@pytest.mark.slow
def test_the_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    needs("onnx")
    monkeypatch.setattr("sys.argv", [EXAMPLE, "--epochs", "3"])
    runpy.run_path(EXAMPLE, run_name="__main__")
    said = re.findall(r"^(\w+): float 0\.[89]\d+, on a die 0\.[89]\d+", capsys.readouterr().out, re.M)
    assert said == ["residual", "kan"]


@pytest.mark.slow
def test_a_module_is_trained_and_goes_on_through_a_chip(here: Path, said: Any, fails: Any) -> None:
    """A convolution and a residual: from a module, a float network, what compile
    gave, an ONNX file."""
    how = "train --data digits --batch 64 --weight-decay 0.01 --half"
    module = own_layers().Residual()
    first = ndrite.train(data="digits", start=module, batch=64, epochs=6, rate=0.02, output="maps.npz")
    again = "--chip wan2022 --rate 0.001 --epochs 2 --shift 1 --start maps.npz -o chip.npz"
    second = said(f"{how} {again}")
    assert first.summary["shape"] == second["shape"] == [64, 8, 8, 8, 10]
    assert min(first.summary["test_accuracy"], second["test_accuracy"]) > 0.85
    network = load_network(here / "chip.npz")
    assert network.map_shapes == ((1, 8, 8), *[(8, 8, 8)] * 3, (8, 4, 4), (10, 1, 1))
    assert network.products[2].skip == 1
    assert network.provenance["job"]["weight_decay"] == 0.01
    fails(f"{how} --start chip.npz -o chip.npz", "the file of start; accepted: another")
    ndrite.compile(network, "wan2022", output="mine")
    assert ndrite.evaluate("mine").accuracy > 0.8
    torch.onnx.export(module, (torch.zeros(1, 64),), "maps.onnx", dynamo=False, custom_opsets={"ndrite": 1})
    for start in ("mine", "maps.onnx"):
        more = said(f"{how} --epochs 1 --rate 0.01 --start {start} -o x.npz")
        assert more["shape"] == second["shape"]


@pytest.mark.slow
def test_calibrate_gives_the_same_program_on_gateware(working: Path, said: Any) -> None:
    how = "calibrate program.npz --data digits --steps 3 --batch 100 --measure 100"
    golden, gateware = (said(f"{how} -o {name}.npz --board {name}:") for name in ("golden", "sim"))
    assert golden["tag"] == gateware["tag"]
    assert golden["accuracy_after"] == gateware["accuracy_after"]
    before, after = Program.load("program.npz"), Program.load("golden.npz")
    np.testing.assert_array_equal(before.layers[0].weights, after.layers[0].weights)
    assert before.checksum() != after.checksum()
    assert after.provenance["calibration"]["steps"] == 3


DIGITS = "train --data digits -o x.npz"
CIFAR = "'cifar' is not one of 'fashion-mnist', 'digits', 'digits-32', 'mnist'"
OWN = "train --inputs own.npy --labels labels.npy --hidden 0 --epochs 1 --batch 8 -o x.npz"
WIDTHS = "hidden is 'a'; accepted: widths such as 128 or 64,32, each 1..65536; 0 for none"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("train --data cifar -o x.npz", CIFAR),
        ("train --hidden a -o x.npz", WIDTHS),
        (f"{DIGITS} --neuron gelu", "'gelu' is not one of 'ndr', 'ndr-shared'"),
        (f"{DIGITS} --input-shape 1,8,8", "input_shape applies only to an imported model"),
        (f"{DIGITS} --neuron relu --height 0.5", "height is 0.5 with neuron 'relu'; accepted"),
        (f"{DIGITS} --hidden 16 --start other.npz", "leave out hidden"),
        (f"{DIGITS} --start none.npz", "none.npz: no such network"),
        ("train --data digits-32 --start d.npz -o x.npz", "64 inputs, 10 outputs; accepted: 1024"),
        (
            f"{DIGITS} --start values.npz",
            "values.npz: its outputs are values in 0..1; accepted: a network whose last layer",
        ),
        (f"{DIGITS} --chip nothing", "chip is 'nothing'; accepted"),
        (f"{DIGITS} --batch 5000", "training set holds 1189 samples; accepted: at least"),
        (
            f"{DIGITS} --noise-scale 2",
            "noise_scale is 2, but without chip there are no errors to scale",
        ),
        (
            f"{DIGITS} --folder away",
            "folder is away, but digits ships with ndrite; accepted: a folder only for fashion-mnist",
        ),
        (f"{OWN} --folder away", "folder and inputs exclude each other"),
        (f"{DIGITS} --resume", ".x.npz.state: no such file, so nothing can be resumed"),
        ("train --data digits --resume", "resume needs output"),
        (f"{DIGITS} --inputs own.npy --labels labels.npy", "data and inputs exclude each other"),
        (f"{DIGITS} --side 8", "side is 8, for samples of 64 inputs; accepted: your own square pictures"),
        (f"{OWN} --side 8", "side is 8, for samples of 60 inputs; accepted: your own square pictures"),
        (f"{OWN} --shift 2", "give side for your own samples"),
        (f"{OWN} --flip", "give side for your own samples"),
        ("calibrate none.npz -o x.npz", "none.npz: no such"),
        ("calibrate program.npz --method perturb --read-cells", "accepted: gradient or sign"),
        ("calibrate program.npz -o x.npz --steps 0", "steps is 0; accepted: 1..100000"),
        ("calibrate program.npz -o x.npz --rate 0", "rate is 0.0; accepted: 1e-05..1"),
        ("calibrate program.npz -o x.npz --batch 0", "batch is 0; accepted: 1 and more"),
        ("calibrate program.npz -o x.npz --inputs a.npy", "inputs and labels belong together"),
    ],
)
def test_one_clear_line(line: str, told: str, working: Path, fails: Any) -> None:
    fails(line, told)
    assert not Path("x.npz").exists()


def test_a_network_of_curves_from_training_to_a_die(here: Path, prints: Any, said: Any) -> None:
    """The example's, every input with devices of its own."""
    module = own_layers().kan()
    module[0], module[2] = Bases(64, 3, each=True), Bases(16, 3, low=-1, high=1, each=True)
    found = ndrite.train(data="digits", start=module, epochs=6, batch=64, rate=0.03, output="kan.npz")
    assert found.summary["test_accuracy"] > 0.85
    assert len(np.unique(found.network.nodes[0].activation.peak)) == 3 * 64
    assert "table 1" in prints("-v compile kan.npz --chip wan2022 -o program.npz")
    told = said("evaluate program.npz --count 60")
    assert told["mismatches"] == 0
    assert told["accuracy"] > 0.8


def test_nothing_right_is_no_network(working: Path) -> None:
    x, labels = np.load("own.npy"), np.load("labels.npy")
    with pytest.raises(ndrite.EmulatorError) as refused:
        ndrite.train(x * 0, labels, hidden="0", epochs=1, batch=8)
    assert str(refused.value) == "no epoch had any of 5 held-out samples right; nothing was written"


def test_half_precision_is_what_is_judged(working: Path) -> None:
    """Weights whose half is another network: the last bits of large ones decide."""
    torch.manual_seed(0)
    module = torch.nn.Linear(64, 10)
    with torch.no_grad():
        module.weight += 300
    how = {"start": module, "data": "digits", "epochs": 1, "batch": 64, "rate": 1e-3}
    found = ndrite.train(**how, half=True, output="half.npz")
    held = load_network("half.npz").layers[0].weights
    np.testing.assert_array_equal(held, held.astype(np.float16))
    x, labels = (part[-108:] for part in digits()[:2])
    told = found.summary["held_out_accuracy"]
    assert told == found.network.accuracy(x, labels)
    assert told != ndrite.train(**how, output="full.npz").summary["held_out_accuracy"]
    assert Path("half.npz").stat().st_size < 0.7 * Path("full.npz").stat().st_size


@pytest.mark.parametrize("output", [None, "x.npz"])
def test_an_interruption_says_what_is_kept(working: Path, monkeypatch: Any, output: str | None) -> None:
    """In the first epoch nothing is, nor where there is no output to have it beside."""

    def stop(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ndrite.emulator.learning.training.loop.settle_normalisation", stop)
    with pytest.raises(KeyboardInterrupt, match="after epoch 0 of 2, nothing is kept"):
        ndrite.train(data="digits", hidden="8", epochs=2, batch=64, output=output)

    def later(*given: Any, **named: Any) -> None:
        raise Interrupted(1)

    monkeypatch.setattr("ndrite.emulator.learning.training.job.run_job", later)
    kept = ", nothing is kept" if output is None else "; the same command with --resume goes on"
    with pytest.raises(KeyboardInterrupt, match=f"after epoch 1 of 2{kept}"):
        ndrite.train(data="digits", hidden="8", epochs=2, batch=64, output=output)


def test_held_parameters_are_told() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(64, 8), Ndr(8, trainable=False), torch.nn.Linear(8, 10))
    with pytest.warns(UserWarning, match="start: 1.log_peak, 1.log_height not to be trained"):
        ndrite.train(data="digits", start=module, epochs=1, batch=64)


def test_an_imported_start_takes_codes_as_values_of_0_to_1(seen: Any) -> None:
    module, labelled = torch.nn.Linear(64, 10), data_set("digits", None)
    network = start_of(module, labelled)
    x = labelled.x / np.float32(255)
    np.testing.assert_allclose(network.forward(x), module(torch.tensor(x)).detach(), atol=1e-5)
    assert (network.meaning.inputs, network.meaning.output_step) == (None, None)
    with pytest.raises(
        ndrite.InputError, match="start: 64 inputs, 9 outputs; accepted: 64 inputs and at least"
    ):
        start_of(torch.nn.Linear(64, 9), labelled)
    assert start_of(torch.nn.Linear(64, 11), labelled).outputs == 11
    (_, typical), named = seen("ndrite.verbs.train.network_of", lambda: start_of(module, labelled))
    np.testing.assert_array_equal(typical, labelled.x[:512] / 255)
    assert (typical.max(), named["input_range"]) == (1.0, (0.0, 1.0))


def test_without_a_hidden_layer() -> None:
    """The caller's PyTorch goes on with its own threads."""
    before = torch.get_num_threads()
    found = ndrite.train(data="digits", hidden="0", epochs=1, batch=64, threads=before + 1)
    assert found.network.widths == (64, 10)
    *_, x, labels = digits()
    right = found.network.accuracy(x, labels)
    assert (found.summary["test_accuracy"], found.summary["test_samples"]) == (right, len(x))
    low, high = found.summary["test_accuracy_interval_95"]
    assert low < right < high
    assert torch.get_num_threads() == before


def test_a_convolution_is_told_the_shape_of_a_sample(here: Path) -> None:
    needs("onnx")
    nn = torch.nn
    module = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
    found = ndrite.train(data="digits", epochs=1, batch=64, start=module, input_shape=(1, 8, 8))
    assert found.network.map_shapes[0] == (1, 8, 8)
