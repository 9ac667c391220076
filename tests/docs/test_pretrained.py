"""The example of pretrained networks: what is read is what the package computes, and it goes onto a die."""

import importlib.util
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs ndrite[train]")

import torch

import ndrite

EXAMPLE = Path(__file__).parents[2] / "examples" / "pretrained.py"


@pytest.fixture(scope="module")
def example() -> Any:
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE)))


def test_the_wake_word_is_the_packages(example: Any) -> None:
    """Rebuilt from the file's constants, it gives what the package's TensorFlow Lite gives."""
    package = pytest.importorskip("pyopen_wakeword", reason="needs ndrite[pretrained]")
    pytest.importorskip("tflite", reason="needs ndrite[pretrained]")
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


@pytest.mark.parametrize(("stage", "side"), [("p", 12), ("r", 24)])
def test_faces_go_onto_a_die(example: Any, stage: str, side: int) -> None:
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip("needs facenet-pytorch, installed with --no-deps")
    pytest.importorskip("sklearn", reason="needs ndrite[pretrained]")
    model = example.net(stage)
    picture = next(iter(example.photographs()))
    small = torch.nn.functional.interpolate(picture[None], (120, 100), mode="area")
    parts = (small - 127.5) / 128
    x = torch.cat(
        [parts[:, :, r : r + side, c : c + side] for r in range(0, 96, 12) for c in range(0, 72, 12)]
    )
    chip = ndrite.analog(model, "ideal", samples=x, seed=0)
    with torch.no_grad():
        found, known = chip(x), model(x)
    assert found.shape == known.shape
    assert float((found - known).square().mean()) < 0.02 * float(known.var())
    assert (found != known).any()
