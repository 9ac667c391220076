"""Networks that lost their accuracy without a word: within 1.5 points of the model's own on wan2022.

The reference is the model's own predictions on the same 500 test digits; read noise is on, dies are five.
"""

import copy
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ndrite
from emulator.errors import NetworkError
from emulator.network.datasets import digits
from ndrite.networks import import_model
from tests.emulator.network.importing.cases import nn, torch

quantization = pytest.importorskip("onnxruntime.quantization")
sklearn_neural = pytest.importorskip("sklearn.neural_network")

pytestmark = pytest.mark.slow
POINTS = 0.015
DIES = 5


@cache
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Digits 0..1 in float32; a third of the pixels never vary."""
    x, y, test_x, test_y = digits()
    x, test_x = (part.astype(np.float32) / 255 for part in (x, test_x))
    for part in (x, test_x):
        part[:, ::3] = 0.5
    return x, y, test_x, test_y


def trained(model: Any, shape: tuple[int, ...], epochs: int) -> Any:
    x, y, _, _ = data()
    torch.manual_seed(0)
    given, wanted = torch.from_numpy(x).reshape(-1, *shape), torch.from_numpy(y.astype(np.int64))
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(given[part]), wanted[part]).backward()
            optimiser.step()
    return model.eval()


@cache
def full_layers() -> Any:
    """64-32-10, trained once."""
    torch.manual_seed(0)
    return trained(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (64,), 30)


Made = tuple[Any, Callable[[np.ndarray], np.ndarray], tuple[int, ...]]
"""A model, what predicts with it, and the shape of a sample."""


def dead_inputs(folder: Path) -> Made:
    """The weights of pixels that never vary are made large; the bias takes them back."""
    model = copy.deepcopy(full_layers())
    with torch.no_grad():
        model[0].weight[:, ::3] += 40.0
        model[0].bias -= 0.5 * 40.0 * len(range(0, 64, 3))
    return model, by_torch(model, (64,)), (64,)


def averaged(folder: Path) -> Made:
    """A convolution and a global average behind it, no full layer."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 24, 3, stride=2, padding=1)
    last = nn.Conv2d(24, 10, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    model = trained(nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), *last), (1, 8, 8), 40)
    return model, by_torch(model, (1, 8, 8)), (1, 8, 8)


def quantised(folder: Path) -> Made:
    """onnxruntime's static quantisation, which drops the ReLUs."""
    import onnxruntime

    model = full_layers()
    path, x = folder / "float.onnx", data()[0]
    axes = {"x": {0: "n"}}
    torch.onnx.export(model, (torch.zeros(2, 64),), path, dynamo=False, input_names=["x"], dynamic_axes=axes)

    left = [{"x": x[i : i + 100]} for i in range(0, 500, 100)]
    reader = SimpleNamespace(get_next=lambda: left.pop() if left else None)
    quantization.quantize_static(str(path), str(folder / "q.onnx"), reader)
    session = onnxruntime.InferenceSession(str(folder / "q.onnx"), providers=["CPUExecutionProvider"])
    return folder / "q.onnx", lambda given: session.run(None, {"x": given})[0].argmax(axis=1), (64,)


def normalised(folder: Path) -> Made:
    """Every sample divided by its own norm: no product with constants."""
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    classifier = sklearn_neural.MLPClassifier((32,), max_iter=60, random_state=0)
    model = pipeline.make_pipeline(preprocessing.Normalizer(), classifier).fit(*data()[:2])
    return model, model.predict, (64,)


def by_torch(model: Any, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    def predict(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(model(torch.from_numpy(x).reshape(-1, *shape)).argmax(dim=1))

    return predict


@pytest.mark.parametrize("make", [dead_inputs, averaged, quantised, normalised])
def test_a_chip_loses_what_its_cells_cost(make: Callable[[Path], Any], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, predict, shape = make(tmp_path)
        x, _, test, labels = data()
        own = float((predict(test) == labels).mean())
        assert own > 0.75, "a network worth a chip"
        if make is normalised:
            with pytest.raises(NetworkError, match=r"analog"):
                import_model(model, samples=x[:200])
            return
        network = import_model(model, samples=x[:500].reshape(-1, *shape)).network
        found = []
        for die in range(DIES):
            compiled = ndrite.compile(network, "wan2022", samples=x[:500], seed=die)
            found.append(ndrite.evaluate(compiled, test, labels, seed=die).accuracy)
    assert np.mean(found) > own - POINTS, (found, own)
