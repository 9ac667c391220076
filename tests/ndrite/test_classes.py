"""Class labels of every kind, from estimator to classifier, and errors over all outputs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("skl2onnx", reason="needs ndrite[sklearn]")

from sklearn.neural_network import MLPClassifier

import ndrite

RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 6)).astype(np.float32)
SCORE = X[:, 0] - 0.5 * X[:, 1]
WHICH = (SCORE > -0.5).astype(int) + (SCORE > 0.5)


def compiled(y: Any) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier(hidden_layer_sizes=(16,), max_iter=200, random_state=0).fit(X, y)
        return model, ndrite.compile(model, "ideal", samples=X)


@pytest.mark.parametrize("labels", [WHICH + 1, np.array(["low", "middle", "high"])[WHICH], WHICH - 1])
def test_scores_are_of_the_users_own_labels(labels: Any) -> None:
    model, found = compiled(labels)
    classifier = ndrite.Classifier(found)
    assert classifier.classes_.tolist() == model.classes_.tolist()
    assert classifier.score(X, labels) == pytest.approx(model.score(X, labels), abs=0.02)
    assert set(classifier.predict(X)) <= set(labels)
    assert "3 classes" in repr(classifier)


@pytest.mark.parametrize("labels", [WHICH, np.array(["a", "b", "c"])[WHICH]])
def test_labels_of_another_kind_are_refused_not_wrong(labels: Any) -> None:
    _, found = compiled(np.array(["low", "middle", "high"])[WHICH])
    with pytest.raises(ndrite.InputError, match=r"label is \w+; accepted: \['high', 'low', 'middle'\]"):
        ndrite.Classifier(found).score(X, labels)


def test_the_targets_deviation_is_over_all_outputs() -> None:
    """As the error that it is compared with: a small output does not make it small."""
    torch = pytest.importorskip("torch", reason="needs ndrite[train]")
    y = np.stack([SCORE, 100 * SCORE], axis=1)
    model = torch.nn.Linear(6, 2)
    with torch.no_grad():
        model.weight.zero_()
        model.weight[:, :2] = torch.tensor([[1.0, -0.5], [100.0, -50.0]])
        model.bias.zero_()
    found = ndrite.compile(model, "ideal", samples=X)
    result = ndrite.evaluate(found, X, y)
    assert result.target_rms == pytest.approx(np.sqrt(y.var(axis=0).mean()), rel=1e-5)
    assert result.rms_error < 0.05 * result.target_rms


def test_boards_say_what_they_hold() -> None:
    program = ndrite.load().program
    board = ndrite.connect("golden:tiny")
    assert repr(board) == "GoldenBoard(array 'tiny', holds nothing)"
    board = ndrite.connect("golden:")
    board.program(program)
    assert repr(board).endswith(f"holds {program.name!r})")
    assert repr(ndrite.connect("sim:")) == "SteppedBoard(on SizedBoard(not powered on), holds nothing)"
