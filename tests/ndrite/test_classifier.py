"""Classifier and evaluate: the kind and the labels that were given, scores,
pipelines, refusals."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import InputRange
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec import Program
from ndrite.host import InputError
from tests.extras import needs
from tests.ndrite.test_inputs import nearest_means
from tests.refusals import refused

Trained = tuple[Program, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Digits by their mean sample, on the wan2022 chip; test images and labels."""
    x, _, test, test_labels = digits()
    network = nearest_means(inputs=InputRange([0], [16]))
    return map_network(network, "wan2022", x[:256]).program, test, test_labels


def test_predict_and_score(trained: Trained, tmp_path: Path) -> None:
    program, x, labels = trained
    classifier = ndrite.Classifier(program, seed=3, codes=True)
    y = classifier.predict(x)
    np.testing.assert_array_equal(y, Core(program).infer(x, seed=3).argmax(axis=1))
    assert classifier.score(x, labels) == (y == labels).mean() > 0.8
    program.save(tmp_path / "program.npz")
    read = ndrite.Classifier(tmp_path / "program.npz", seed=3, codes=True)
    np.testing.assert_array_equal(read.predict(x), y)
    named = ndrite.Classifier(program, seed=3, classes=list("abcdefghij"), codes=True)
    assert named.predict(x[:3]).tolist() == ["abcdefghij"[v] for v in y[:3]]
    # Floats in the unit that the network was imported with, and images that are not flat.
    own_unit = ndrite.Classifier(program, seed=3)
    grey = x.reshape(-1, 8, 8) / 255 * 16
    np.testing.assert_array_equal(own_unit.predict(grey), y)
    # The same grey values 0..16 as bytes are in the same unit: a dtype does
    # not make them codes.
    np.testing.assert_array_equal(own_unit.predict(np.rint(grey).astype(np.uint8)), y)


def test_in_a_pipeline(trained: Trained) -> None:
    needs("sklearn")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    program, x, labels = trained
    classifier = ndrite.Classifier(program, codes=True)
    pipeline = make_pipeline(FunctionTransformer(lambda v: v * 16.0), ndrite.Classifier(program))
    assert clone(classifier).codes
    assert is_classifier(pipeline)
    assert pipeline.fit(x / 255, labels).score(x / 255, labels) == classifier.score(x, labels)
    assert len(cross_val_score(classifier, x, labels, cv=3)) == 3


@pytest.fixture
def of_codes(trained: Trained) -> ndrite.Classifier:
    return ndrite.Classifier(trained[0], codes=True)


IMAGES = digits()[2]
NO_CODES = r"values are 0..255; accepted: .*, 0..16 in the program; .*codes"
test_refusals = refused(
    InputError,
    (lambda c: c.predict(np.zeros((3, 60), np.uint8)), r"x: shape \(3, 60\); accepted: \(n, 64\)"),
    (lambda c: c.predict(np.zeros((3, 64), np.int64)), "x: dtype int64; accepted: uint8"),
    (
        lambda c: c.fit(IMAGES, np.full(len(IMAGES), 12)),
        r"labels: int64 \(500,\), 12; accepted: classes by name \(0, 1, 2",
    ),
    (lambda c: c.set_params(depth=3), "parameter is 'depth'"),
    (lambda c: c.score(IMAGES, [1, 2]), "labels have 2 rows; accepted: 500"),
    (lambda c: ndrite.Classifier(c.program).predict(IMAGES), NO_CODES),
    given="of_codes",
)
NO_UNIT = r"x: dtype float64; accepted: uint8, .*a program that stores the range"
test_a_program_without_a_unit_takes_codes_only = refused(
    InputError, (lambda p: ndrite.Classifier(p).predict(np.zeros((3, p.inputs))), NO_UNIT), given="program"
)


RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 6)).astype(np.float32)
SCORE = X[:, 0] - 0.5 * X[:, 1]
WHICH = (SCORE > -0.5).astype(int) + (SCORE > 0.5)
NAMES = np.array(["low", "middle", "high"])[WHICH]


def estimated(y: Any) -> tuple[Any, Any]:
    """A scikit-learn classifier of X, and what is compiled of it."""
    needs("skl2onnx")
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier(hidden_layer_sizes=(16,), max_iter=200, random_state=0).fit(X, y)
        return model, ndrite.compile(model, "ideal", samples=X)


@pytest.mark.parametrize("labels", [WHICH + 1, NAMES, WHICH - 1, NAMES.astype(object), WHICH - 0.0])
def test_scores_are_of_the_users_own_labels(labels: Any) -> None:
    model, found = estimated(labels)
    classifier = ndrite.Classifier(found)
    assert classifier.classes_.tolist() == model.classes_.tolist()
    assert classifier.score(X, labels) == pytest.approx(model.score(X, labels), abs=0.02)
    assert set(classifier.predict(X)) <= set(labels)
    assert "3 classes" in repr(classifier)
    torch = needs("torch")
    y = classifier.predict(torch.tensor(X))
    np.testing.assert_array_equal(y, classifier.predict(X))
    if not isinstance(labels[0], str):  # names are no tensor's
        assert isinstance(y, torch.Tensor)
        assert classifier.score(torch.tensor(X), torch.tensor(labels)) == classifier.score(X, labels)


def test_truth_values_are_labels_and_several_a_sample_are_not() -> None:
    model, found = estimated(SCORE > 0)
    score = ndrite.Classifier(found).score(X, SCORE > 0)
    assert score == pytest.approx(model.score(X, SCORE > 0), abs=0.02)
    with pytest.raises(ndrite.EmulatorError, match="the exported graph gives other values"):
        estimated(np.stack([SCORE > 0, SCORE > 1], axis=1))


@pytest.mark.parametrize("labels", [WHICH, np.array(["a", "b", "c"])[WHICH]])
def test_labels_of_another_kind_are_refused_not_wrong(labels: Any) -> None:
    with pytest.raises(InputError, match=r"accepted: classes by name \(high, low, middle\), one-hot"):
        ndrite.Classifier(estimated(NAMES)[1]).score(X, labels)


def test_the_targets_deviation_is_over_all_outputs() -> None:
    """As the error that it is compared with: a small output does not make it small."""
    torch = needs("torch")
    model, y = torch.nn.Linear(6, 2), np.stack([SCORE, 100 * SCORE], axis=1)
    model.weight.data = torch.tensor([[1.0, -0.5], [100.0, -50.0]]) @ torch.eye(2, 6)
    model.bias.data.zero_()
    result = ndrite.evaluate(ndrite.compile(model, "ideal", samples=X), X, y)
    assert result.target_rms == pytest.approx(np.sqrt(y.var(axis=0).mean()), rel=1e-5)
    assert result.rms_error < 0.05 * result.target_rms
