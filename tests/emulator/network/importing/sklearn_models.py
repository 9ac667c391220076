"""Models of scikit-learn through skl2onnx."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emulator.network.importing.cases import Build, Case, normal, onnx_case

skl2onnx = pytest.importorskip("skl2onnx", reason="needs ndrite[import-check]")


def sklearn_file(folder: Path, model: Any, inputs: int, **options: Any) -> Path:
    from skl2onnx.common.data_types import FloatTensorType

    proto = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType([None, inputs]))], options=options or None
    )
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def _classifier(activation: str, inputs: int, **options: Any) -> Build:
    def case(folder: Path) -> Case:
        from sklearn.neural_network import MLPClassifier

        x = normal(300, inputs)
        y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
        model = MLPClassifier((24,), activation=activation, max_iter=30, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        return onnx_case(sklearn_file(folder, model, inputs, zipmap=False), x, "probabilities")

    return case


def _regressor(folder: Path) -> Case:
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = normal(300, 5) * np.array([1, 10, 0.1, 1000, 5], np.float32) + np.array([0, 50, 0, 0, -3], np.float32)
    y = np.sin(x[:, 0]) + 0.1 * x[:, 1]
    model = make_pipeline(
        StandardScaler(),
        MLPRegressor(hidden_layer_sizes=(30, 20), activation="tanh", max_iter=60, random_state=0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return onnx_case(sklearn_file(folder, model, 5), x)


def _sklearn(build: Callable[[], Any], output: int | str = 0, **options: Any) -> Build:
    """A fitted model of two classes (by the sign of a sum), or of a linear target."""

    def case(folder: Path) -> Case:
        x = normal(300, 7)
        model = build()
        target = x[:, 0] - 2 * x[:, 1] + 0.3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, (target > 0).astype(int) if hasattr(model, "predict_proba") else target)
        return onnx_case(sklearn_file(folder, model, 7, **options), x, output)

    return case


def _sk(name: str, kind: str, **options: Any) -> Callable[[], Any]:
    return lambda: getattr(importlib.import_module(f"sklearn.{name}"), kind)(**options)


SKLEARN: dict[str, Build] = {
    "onnx sklearn classifier relu": _classifier("relu", 12),
    "onnx sklearn classifier logistic, 200 inputs": _classifier("logistic", 200),
    "onnx sklearn scaler and regressor tanh": _regressor,
    "onnx sklearn two classes": _sklearn(
        _sk("neural_network", "MLPClassifier", hidden_layer_sizes=(16,), max_iter=40, random_state=0),
        "probabilities",
        zipmap=False,
    ),
    "onnx sklearn logistic regression": _sklearn(
        _sk("linear_model", "LogisticRegression"), "probabilities", zipmap=False
    ),
    "onnx sklearn linear regression": _sklearn(_sk("linear_model", "LinearRegression")),
    "onnx sklearn ridge": _sklearn(_sk("linear_model", "Ridge")),
}
