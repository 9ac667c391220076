"""Estimators of scikit-learn, fitted to a curved score of their first features."""

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.emulator.network.importing.cases import Build, Case, normal, onnx_case
from tests.extras import needs

skl2onnx = needs("skl2onnx")

FAR = np.array([1, 10, 0.1, 1000, 5, 1], np.float32), np.array([0, 50, 0, 0, -3, 0], np.float32)
"""Factors and offsets of features that need a scaler."""


def estimator(path: str, **options: Any) -> Any:
    """``module.Class`` of scikit-learn."""
    where, kind = path.rsplit(".", 1)
    return getattr(importlib.import_module(f"sklearn.{where}"), kind)(**options)


def mlp(kind: str = "MLPClassifier", **options: Any) -> Any:
    given = {"hidden_layer_sizes": (12,), "max_iter": 60, "random_state": 0} | options
    return estimator(f"neural_network.{kind}", **given)


def piped(first: str, last: Any, **options: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(estimator(first, **options), last)


def fitted(model: Any, target: str = "classes", features: int = 6) -> tuple[Any, np.ndarray]:
    """The estimator fitted to ``target``, and its samples."""
    x = normal(300, features)
    score = x[:, 0] - 0.5 * x[:, 1] + 0.3 * x[:, 2] ** 2
    classes = (score > 0).astype(int) + (score > 1)
    named = np.array(["low", "middle", "high"])[classes]
    y = {"values": score, "two": (score > 0).astype(int), "classes": classes, "names": named}
    if target == "far":
        x = x * FAR[0] + FAR[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, y.get(target, score)), x


SCALER, DISCRIMINANT = "preprocessing.StandardScaler", "discriminant_analysis"
WIDE = {"hidden_layer_sizes": (30, 20), "activation": "tanh"}
APART = {"transformers": [("scaled", estimator(SCALER), [4, 0])], "remainder": "passthrough"}
logistic = partial(estimator, "linear_model.LogisticRegression")
linear_svc = partial(estimator, "svm.LinearSVC")
ESTIMATORS: dict[str, tuple[Callable[[], Any], str, int]] = {
    "three classes": (mlp, "classes", 6),
    "three classes by name": (mlp, "names", 6),
    "two classes": (lambda: mlp(hidden_layer_sizes=(16,)), "two", 7),
    "200 inputs": (lambda: mlp(activation="logistic"), "classes", 200),
    "scaled": (lambda: piped(SCALER, mlp(activation="tanh")), "classes", 6),
    "a range": (lambda: piped("preprocessing.MinMaxScaler", mlp(activation="logistic")), "classes", 6),
    "components": (lambda: piped("decomposition.PCA", logistic(), n_components=4), "classes", 6),
    "logistic regression": (logistic, "classes", 6),
    "logistic regression of two": (logistic, "two", 6),
    "support vectors": (linear_svc, "classes", 6),
    "support vectors of two": (linear_svc, "two", 6),
    "scaled support vectors": (lambda: piped(SCALER, linear_svc()), "names", 6),
    "perceptron of two": (partial(estimator, "linear_model.Perceptron"), "two", 6),
    "discriminant of two": (partial(estimator, f"{DISCRIMINANT}.LinearDiscriminantAnalysis"), "two", 6),
    "scaled ridge of two": (lambda: piped(SCALER, estimator("linear_model.RidgeClassifier")), "two", 6),
    "a regressor": (lambda: mlp("MLPRegressor"), "values", 6),
    "a scaled regressor": (lambda: piped(SCALER, mlp("MLPRegressor", **WIDE)), "far", 6),
    "a linear regressor": (partial(estimator, "linear_model.LinearRegression"), "values", 6),
    "counts": (partial(estimator, "linear_model.PoissonRegressor"), "two", 6),
    "columns apart": (lambda: piped("compose.ColumnTransformer", logistic(), **APART), "classes", 6),
    "ridge": (partial(estimator, "linear_model.Ridge"), "values", 7),
}


def _case(name: str) -> Build:
    def case(folder: Path) -> Case:
        build, target, features = ESTIMATORS[name]
        model, x = fitted(build(), target, features)

        def outputs(x: np.ndarray) -> np.ndarray:
            given = x.astype(np.float32)
            ways = ("predict_proba", "decision_function", "predict")
            way = next(getattr(model, way) for way in ways if hasattr(model, way))
            found = np.asarray(way(given)).reshape(len(x), -1)
            return np.hstack([-found, found]) if way.__name__ == ways[1] and target == "two" else found

        return Case(model, x, outputs)

    return case


def _file(folder: Path) -> Case:
    """As skl2onnx writes it, its probabilities an array."""
    model, x = fitted(mlp())
    written = skl2onnx.to_onnx(model, x[:1], options={"zipmap": False})
    (folder / "model.onnx").write_bytes(written.SerializeToString())
    return onnx_case(folder / "model.onnx", x, "probabilities")


SKLEARN: dict[str, Build] = {f"sklearn {name}": _case(name) for name in ESTIMATORS} | {
    "onnx sklearn three classes": _file
}
