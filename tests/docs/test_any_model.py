"""The examples of PyTorch models: each is what a package computes, and goes
onto a die as it is."""

import importlib.util
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.extras import needs

needs("torch")

import torch

import ndrite
from ndrite.networks import import_model
from tests.marks import long_where

EXAMPLE = Path(__file__).parents[2] / "examples" / "any_model.py"
IMAGES, SEQUENCES = (16, 1, 28, 28), (16, 29, 12)
INPUTS = {"resnet": IMAGES, "lstm": SEQUENCES, "transformer": SEQUENCES, "unet": IMAGES}


SUMS = {"lstm": (16, 3, 14866), "transformer": (16, 14, 27858), "unet": (2, 13, 103488)}
"""Samples to set converters by, products, and sums that a batch of two samples has."""


def model_of(name: str) -> Any:
    """One of the example's modules, its weights as they are drawn."""
    models = runpy.run_path(str(EXAMPLE))["MODELS"]
    torch.manual_seed(0)
    return models[name][0]().eval()


@pytest.mark.parametrize("name", long_where({"resnet", "unet"}.__contains__, INPUTS))
def test_a_model_runs_on_a_die(name: str) -> None:
    model, x = model_of(name), torch.rand(INPUTS[name])
    chip = ndrite.analog(model, "wan2022", samples=x)
    with torch.no_grad():
        y, wanted = chip(x), model(x)
    assert y.shape == wanted.shape
    assert (y - wanted).abs().max() > 0
    assert (y - wanted).square().mean() < 0.3 * wanted.var()
    assert chip.ndrite.table().share > 0.8


def watched(chip: Any) -> list[tuple[str, int, Any]]:
    """Every product that is read from now on: its name, call, and sums (n, outputs)."""
    placement, sums = chip.ndrite, []
    read = placement.run

    def run(name: str, program: Any, codes: Any, first: int, call: int) -> Any:
        answer = read(name, program, codes, first, call)
        sums.append((name, call, answer))
        return answer

    placement.run = run
    return sums


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", SUMS)
def test_every_product_of_the_gateware_is_the_golden_models(name: str) -> None:
    """One batch of two samples; converters are set by what the gateware itself gives."""
    count, products, size = SUMS[name]
    model, x = model_of(name), torch.rand(count, *INPUTS[name][1:])
    how = {"samples": x, "seed": 3, "progress": lambda *_: None}
    chips = [ndrite.analog(model, "wan2022", board=url, **how) for url in ("golden:", "sim:")]
    golden, sim = (watched(chip) for chip in chips)
    with torch.no_grad():
        first, second = (chip(x[:2]) for chip in chips)
    assert torch.equal(first, second)
    assert [read[:2] for read in golden] == [read[:2] for read in sim]
    for (product, call, wanted), (_, _, got) in zip(golden, sim, strict=True):
        assert got.dtype == wanted.dtype
        assert (got == wanted).all(), f"{product}, call {call}: {(got != wanted).sum()} of {got.size} differ"
        assert len(set(got.ravel().tolist())) > 8
    assert len({product for product, _, _ in sim}) == products
    assert sum(y.size for _, _, y in sim) == size
    assert {row.where for row in chips[1].ndrite.table().rows} - {"torch"} == {"die"}
    chips[1].ndrite.close()


@pytest.fixture(scope="module")
def example() -> Any:
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE.with_name("pretrained.py"))))


def test_the_wake_word_is_the_packages(example: Any) -> None:
    """Rebuilt from the file's constants, it gives what the package's TensorFlow Lite gives."""
    package = needs("pyopen_wakeword")
    needs("tflite")
    path = Path(package.__file__).parent / "models" / "okay_nabu.tflite"
    model = example.WakeWord(example.constants(path)).eval()
    rng = np.random.default_rng(0)
    rows = rng.normal(scale=8, size=(40, 96)).astype(np.float32)
    theirs = package.OpenWakeWord.from_builtin(package.Model.OKAY_NABU)
    wanted = [p for row in rows for p in theirs.process_streaming(row[None, None, None])]
    windows = np.lib.stride_tricks.sliding_window_view(rows, 16, 0).swapaxes(1, 2)
    x = torch.tensor(windows.copy())
    with torch.no_grad():
        found = model(x)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-3, atol=1e-6)
        chip = ndrite.analog(model, "ideal", samples=x, seed=0)
        logits = [torch.logit(v.clamp(1e-9, 1 - 1e-9)) for v in (chip(x), found)]
    assert chip.ndrite.table().weights == 1536 * 32 + 32 * 32 + 32
    assert float((logits[0] - logits[1]).abs().mean()) < 0.1 * float(logits[1].std())


def test_the_speech_detector_is_the_packages(example: Any) -> None:
    """Rebuilt from the file's constants, it gives what the file gives frame by frame;
    and so does the file itself, imported with its state."""
    runtime = needs("onnxruntime")
    if importlib.util.find_spec("silero_vad") is None:
        pytest.skip("needs silero-vad, installed with --no-deps")
    path = example.data_of("silero_vad", "speech") / "silero_vad_16k_op15.onnx"
    rng, session = np.random.default_rng(0), runtime.InferenceSession(str(path))
    loudness = rng.uniform(0.02, 0.2, (16, 4, 1))
    x = (loudness * rng.normal(size=(16, 4, 576))).astype(np.float32)
    state, wanted = np.zeros((2, 16, 128), np.float32), []
    for call in range(4):
        y, state = session.run(None, {"input": x[:, call], "sr": np.array(16_000), "state": state})
        wanted.append(y[:, 0])
    with torch.no_grad():
        found = example.SpeechDetector(path).eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, np.stack(wanted, axis=1), rtol=1e-3, atol=1e-5)
    inputs = {"sr": 16_000, "state": "stateN"}
    imported = import_model(path, samples=x, model_inputs=inputs, output="output")
    assert imported.network.calls == 4
    y = imported.network.forward(imported.inputs.unit(x.reshape(16, -1)))
    assert np.abs(y[:, 0] - wanted[-1]).max() < 0.05 * np.ptp(wanted[-1])


@pytest.mark.parametrize(("stage", "side"), [("p", 12), ("r", 24)])
def test_faces_go_onto_a_die(example: Any, stage: str, side: int) -> None:
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip("needs facenet-pytorch, installed with --no-deps")
    needs("sklearn")
    model = example.net(stage)
    picture = next(iter(example.photographs()))
    small = torch.nn.functional.interpolate(picture[None], (120, 100), mode="area")
    parts = (small - 127.5) / 128
    corners = [(r, c) for r in range(0, 96, 12) for c in range(0, 72, 12)]
    x = torch.cat([parts[:, :, r : r + side, c : c + side] for r, c in corners])
    chip = ndrite.analog(model, "ideal", samples=x, seed=0)
    with torch.no_grad():
        found, known = chip(x), model(x)
    assert found.shape == known.shape
    assert float((found - known).square().mean()) < 0.02 * float(known.var())
    assert (found != known).any()
