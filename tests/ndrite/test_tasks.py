"""What outputs mean: labels in every form give the accuracy or error that scikit-learn
or PyTorch gives."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.host import InputError, InputWarning
from tests.extras import needs

torch = needs("torch")
sklearn = needs("sklearn")
needs("skl2onnx")
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)


def on_codes(count: int) -> np.ndarray:
    """Inputs float32 (count, 6) between -2 and 2 that 8-bit codes hold exactly,
    both ends among them."""
    codes = RNG.integers(0, 256, (count, 6))
    codes[:2] = [[0], [255]]
    return (codes / 255 * 4 - 2).astype(np.float32)


X, TEST = on_codes(240), on_codes(100)
SCORE, TEST_SCORE = X @ np.arange(1, 7), TEST @ np.arange(1, 7)
TWO, TEST_TWO = SCORE > 2, TEST_SCORE > 2
THREE, TEST_THREE = (np.digitize(s, [-4, 4]) for s in (SCORE, TEST_SCORE))


def fitted(kind: Callable[..., Any], y: Any, **options: Any) -> Any:
    with warnings.catch_warnings(action="ignore"):
        return kind(**options).fit(X, y)


def compiled(model: Any, **options: Any) -> Any:
    with warnings.catch_warnings(action="ignore"):
        return ndrite.compile(model, "ideal", samples=X, **options)


def mlp(y: Any) -> Any:
    return fitted(MLPClassifier, y, hidden_layer_sizes=(12,), max_iter=60, random_state=0)


def logits(*layers: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(*layers).eval()


NAMES = np.array(["cat", "dog", "emu"])
WAYS = {
    # what the labels are: (labels of training, labels of the test) of a three-class problem
    "numbers from 0": (THREE, TEST_THREE),
    "numbers from 1": (THREE + 1, TEST_THREE + 1),
    "numbers with gaps": (THREE * 10 - 5, TEST_THREE * 10 - 5),
    "whole floats": (THREE + 1.0, TEST_THREE + 1.0),
    "strings": (NAMES[THREE], NAMES[TEST_THREE]),
    "strings of digits": ((THREE + 1).astype(str), (TEST_THREE + 1).astype(str)),
    "one-hot": (THREE + 1, np.eye(3)[TEST_THREE]),
    "one-hot of bool": (THREE + 1, np.eye(3, dtype=bool)[TEST_THREE]),
    "a column": (THREE + 1, (TEST_THREE + 1)[:, None]),
}


@pytest.mark.parametrize("way", WAYS)
def test_labels_of_an_estimator_are_names(way: str) -> None:
    y, test_y = WAYS[way]
    model = mlp(y)
    plain = model.classes_[test_y.argmax(axis=1)] if way.startswith("one-hot") else test_y.reshape(-1)
    evaluation = ndrite.evaluate(compiled(model), TEST, test_y)
    assert evaluation.accuracy_float == model.score(TEST, plain)
    assert evaluation.accuracy == pytest.approx(model.score(TEST, plain), abs=0.03)
    if not way.startswith("one-hot"):
        assert ndrite.Classifier(compiled(model)).score(TEST, test_y) == evaluation.accuracy


def test_classes_missing_from_the_test_set_are_no_other_classes() -> None:
    model = mlp(THREE + 1)
    some = TEST_THREE < 2
    evaluation = ndrite.evaluate(compiled(model), TEST[some], TEST_THREE[some] + 1)
    assert evaluation.accuracy_float == model.score(TEST[some], TEST_THREE[some] + 1) > 0.3


def test_pandas_labels() -> None:
    pandas = needs("pandas")
    model = mlp(NAMES[THREE])
    whole = compiled(model)
    expected = model.score(TEST, NAMES[TEST_THREE])
    for labels in (pandas.Series(NAMES[TEST_THREE]), pandas.Categorical(NAMES[TEST_THREE])):
        assert ndrite.evaluate(whole, TEST, labels).accuracy_float == expected
    dummies = pandas.get_dummies(pandas.Series(NAMES[TEST_THREE]))
    assert ndrite.evaluate(whole, TEST, dummies).accuracy_float == expected


TWO_WAYS = {
    "0 and 1": (TWO.astype(int), TEST_TWO.astype(int)),
    "-1 and +1": (np.where(TWO, 1, -1), np.where(TEST_TWO, 1, -1)),
    "bool": (TWO, TEST_TWO),
    "bool for a model of 0 and 1": (TWO.astype(int), TEST_TWO),
    "0 and 1 for a model of bool": (TWO, TEST_TWO.astype(int)),
    "strings": (np.where(TWO, "yes", "no"), np.where(TEST_TWO, "yes", "no")),
}


@pytest.mark.parametrize("kind", [MLPClassifier, LogisticRegression, RidgeClassifier])
@pytest.mark.parametrize("way", TWO_WAYS)
def test_two_classes_of_an_estimator(way: str, kind: Any) -> None:
    y, test_y = TWO_WAYS[way]
    model = fitted(kind, y)
    evaluation = ndrite.evaluate(compiled(model), TEST, test_y)
    assert evaluation.accuracy_float == (model.predict(TEST) == test_y).mean() > 0.8


def single_logit() -> Any:
    """One logit that tells the two classes apart, as BCEWithLogits trains it."""
    model = logits(torch.nn.Linear(6, 1))
    with torch.no_grad():
        model[0].weight[:] = torch.arange(1.0, 7)
        model[0].bias[:] = -2
    return model


@pytest.mark.parametrize(
    "test_y", [TEST_TWO, TEST_TWO.astype(int), np.where(TEST_TWO, 1, -1), TEST_TWO * 1.0]
)
def test_one_logit_is_a_classifier_of_two_classes(test_y: np.ndarray) -> None:
    with pytest.warns(InputWarning, match="two classes, 1 above 0 and"):
        found = ndrite.evaluate(compiled(single_logit()), TEST, test_y)
    assert found.accuracy_float == 1.0
    assert found.accuracy == pytest.approx(1.0, abs=0.02)
    chip = ndrite.Classifier(compiled(single_logit(), labels=TWO.astype(int)))
    assert (chip.predict(TEST) == TEST_TWO).mean() == found.accuracy


def test_named_classes_of_one_output_need_no_guess() -> None:
    whole = compiled(single_logit(), classes=("no", "yes"))
    with warnings.catch_warnings(action="error"):
        evaluation = ndrite.evaluate(whole, TEST, np.where(TEST_TWO, "yes", "no"))
    assert evaluation.accuracy_float == 1.0
    assert ndrite.Classifier(whole).predict(TEST[:4]).tolist() == np.where(TEST_TWO[:4], "yes", "no").tolist()


def test_a_sigmoid_is_a_probability() -> None:
    model = logits(*single_logit(), torch.nn.Sigmoid())
    chip = ndrite.Classifier(compiled(model))
    expected = model(torch.tensor(TEST)).detach().numpy()
    shares = chip.predict_proba(TEST)
    np.testing.assert_allclose(shares[:, 1:], expected, atol=0.03)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (chip.predict(TEST) == (shares[:, 1] > 0.5)).all()
    assert chip.score(TEST, TEST_TWO) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("kind", [MLPClassifier, LogisticRegression])
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_predict_proba_is_the_models(kind: Any, y: np.ndarray) -> None:
    model = fitted(kind, y)
    np.testing.assert_allclose(
        ndrite.Classifier(compiled(model)).predict_proba(TEST), model.predict_proba(TEST), atol=0.05
    )


def test_a_model_without_probabilities_has_no_predict_proba() -> None:
    assert not hasattr(ndrite.Classifier(compiled(fitted(RidgeClassifier, THREE))), "predict_proba")


def test_several_labels_are_judged_like_scikit_learn() -> None:
    y, test_y = (np.stack([s > 2, s < 8, v[:, 0] > 0], axis=1) for s, v in ((SCORE, X), (TEST_SCORE, TEST)))
    model = mlp(y)
    whole = compiled(model)
    assert ndrite.evaluate(whole, TEST, test_y).accuracy_float == model.score(TEST, test_y)
    by_label = ndrite.evaluate(whole, TEST, test_y.astype(int), measure="label_accuracy").as_dict()
    assert by_label["label_accuracy_float"] == pytest.approx((model.predict(TEST) == test_y).mean())


def test_regressors_are_judged_by_error() -> None:
    y, test_y = (np.stack([s**2, v[:, 1]], axis=1) / 5 for s, v in ((SCORE, X), (TEST_SCORE, TEST)))
    model = fitted(LinearRegression, y)
    error = model.predict(TEST) - test_y
    evaluation = ndrite.evaluate(compiled(model), TEST, test_y)
    assert evaluation.score_float == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-4)
    evaluation = ndrite.evaluate(compiled(model), TEST, test_y, measure="mean_absolute_error")
    assert evaluation.score_float == pytest.approx(np.abs(error).mean(), rel=1e-4)
    with pytest.raises(InputError, match="outputs are values"):
        ndrite.Classifier(compiled(model)).predict(TEST)


def test_an_autoencoder_has_no_accuracy() -> None:
    model = logits(torch.nn.Linear(6, 3), torch.nn.ReLU(), torch.nn.Linear(3, 6))
    for evaluation in (ndrite.evaluate(compiled(model)), ndrite.evaluate(compiled(model), TEST, TEST)):
        assert evaluation.measure == "rms_error"
    wanted = model(torch.tensor(TEST)).detach().numpy()
    assert evaluation.score_float == pytest.approx(np.sqrt(np.square(wanted - TEST).mean()), rel=1e-4)


IMAGES = (RNG.integers(0, 256, (40, 2, 5, 6)) / 255 * 4 - 2).astype(np.float32)


def segmenter(channels: int) -> Any:
    return logits(torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, channels, 1))


@pytest.mark.parametrize("channels", [3, 1])
def test_a_map_of_classes_is_judged_place_by_place(channels: int) -> None:
    model = segmenter(channels)
    model[-1].bias.data -= model(torch.tensor(IMAGES)).mean(dim=(0, 2, 3))
    with warnings.catch_warnings(action="ignore"):
        whole = ndrite.compile(model, "ideal", samples=IMAGES)
    outputs = model(torch.tensor(IMAGES)).detach().numpy()
    answers = outputs.argmax(axis=1) if channels > 1 else outputs[:, 0] > 0
    labels = np.where(RNG.random(answers.shape) < 0.2, 0, answers).astype(int)
    with warnings.catch_warnings(action="ignore"):
        evaluation = ndrite.evaluate(whole, IMAGES, labels)
        assert ndrite.evaluate(whole, IMAGES, labels.reshape(40, -1)).accuracy == evaluation.accuracy
    assert evaluation.accuracy_float == pytest.approx((answers == labels).mean(), abs=0.01)
    assert 0.75 < evaluation.accuracy_float < 1
    assert (labels > 0).mean() > 0.2


def test_a_map_of_values_is_judged_by_error() -> None:
    model = segmenter(3)
    with warnings.catch_warnings(action="ignore"):
        whole = ndrite.compile(model, "ideal", samples=IMAGES)
    targets = RNG.normal(size=(40, 3, 5, 6))
    outputs = model(torch.tensor(IMAGES)).detach().numpy()
    evaluation = ndrite.evaluate(whole, IMAGES, targets)
    assert evaluation.score_float == pytest.approx(np.sqrt(np.square(outputs - targets).mean()), rel=1e-4)


def test_the_measure_decides_where_nothing_else_does() -> None:
    found = ndrite.evaluate(compiled(single_logit()), TEST, TEST_TWO.astype(int), measure="rms_error")
    expected = single_logit()(torch.tensor(TEST)).detach().numpy()[:, 0] - TEST_TWO
    assert found.score_float == pytest.approx(np.sqrt(np.square(expected).mean()), rel=1e-4)


def test_labels_decide_for_good_when_the_file_is_made(tmp_path: Path) -> None:
    compiled(single_logit(), labels=TWO.astype(int)).save(tmp_path / "mine")
    with warnings.catch_warnings(action="error"):
        assert ndrite.evaluate(tmp_path / "mine", TEST, TEST_TWO.astype(int)).accuracy_float == 1.0


THREE_LOGITS = [torch.nn.Linear(6, 3)]
REFUSED = {
    # (model, options of compile, labels or None, measure): words of the error, every
    # reading that was tried
    "labels beside the names": (
        lambda: mlp(THREE + 1),
        {},
        TEST_THREE,
        None,
        "classes by name (1, 2, 3), one-hot rows of 3; as numbers of outputs they would fit",
    ),
    "unknown name": (
        lambda: mlp(NAMES[THREE]),
        {},
        np.full(100, "fox"),
        None,
        "classes by name (cat, dog, emu), one-hot rows of 3",
    ),
    "text and no names": (
        lambda: logits(*THREE_LOGITS),
        {},
        NAMES[TEST_THREE],
        None,
        "names of classes, which the file has not",
    ),
    "numbers beyond": (
        lambda: logits(*THREE_LOGITS),
        {},
        TEST_THREE + 1,
        None,
        "class numbers 0..2; or values, (100, 3) numbers",
    ),
    "classes for a regressor": (
        lambda: fitted(MLPRegressor, SCORE, max_iter=5),
        {},
        TEST_SCORE,
        "accuracy",
        "rms_error or mean_absolute_error",
    ),
    "other classes": (
        lambda: mlp(THREE + 1),
        {"classes": ("a", "b", "c")},
        None,
        None,
        "classes is a, b, c, but the model's own are 1, 2, 3",
    ),
    "too few classes": (
        lambda: logits(*THREE_LOGITS),
        {"classes": ("a", "b")},
        None,
        None,
        "classes has 2 names; accepted: 3",
    ),
    "names of values": (
        lambda: fitted(MLPRegressor, SCORE, max_iter=5),
        {"classes": ("a", "b")},
        None,
        None,
        "the model's outputs are values",
    ),
    "task against the model": (
        lambda: mlp(THREE),
        {"task": "values"},
        None,
        None,
        "task is values, but the model's outputs are classes",
    ),
    "one place too few": (lambda: mlp(THREE), {}, TEST_THREE[:, None].repeat(2, axis=1), None, "(100, 2)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_every_reading(case: str) -> None:
    make, options, labels, measure, words = REFUSED[case]
    with pytest.raises(InputError) as error:
        ndrite.evaluate(compiled(make(), **options), TEST, labels, measure=measure)
    assert words in str(error.value)
