"""Labels in every form are read for a task, and answers are scored against them, as
worked out by hand."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.task import SIGMOID, Task, probabilities
from ndrite.host import InputError, InputWarning
from ndrite.labels import decided, numbered, read_labels, task_by, told
from tests.chips import random_network
from tests.refusals import refused

ONE, THREE, MAP, MASK = (1, 1, 1), (3, 1, 1), (2, 2, 2), (1, 2, 2)
HOT = np.eye(3, dtype=int)[[2, 0]]
CLASSES, TWO_CLASSES, LABELS, VALUES = "classes", "two classes", "labels", "values"
NAMES = Meaning(classes=("cat", "dog", "emu"))


@pytest.mark.filterwarnings("ignore::ndrite.host.InputWarning")
@pytest.mark.parametrize(
    # Labels, the outputs' meaning and shape, a measure: the kind of task, and the
    # labels as they are read.
    ("labels", "meaning", "shape", "measure", "kind", "truth"),
    [
        ([0, 2, 1], Meaning(), THREE, "", CLASSES, [0, 2, 1]),
        ([[0.0], [2.0]], Meaning(), THREE, "", CLASSES, [0, 2]),
        ([True, False], Meaning(), THREE, "", CLASSES, [1, 0]),
        (HOT, Meaning(), THREE, "", CLASSES, [2, 0]),
        (HOT * 1.0, Meaning(), THREE, "accuracy", CLASSES, [2, 0]),
        (HOT, Meaning(), THREE, "label_accuracy", LABELS, HOT == 1),
        (HOT, Meaning(), THREE, "rms_error", VALUES, HOT),
        ([[0, 1, 0], [1, 1, 0]], Meaning(), THREE, "accuracy", LABELS, [[0, 1, 0], [1, 1, 0]]),
        ([[0.0, 1, 0], [1, 1, 0]], Meaning(), THREE, "", VALUES, [[0, 1, 0], [1, 1, 0]]),
        ([[0, 2, 1]], Meaning(), THREE, "", VALUES, [[0, 2, 1]]),
        (2 * HOT - 1, Meaning(task=LABELS), THREE, "", LABELS, HOT == 1),
        (HOT == 1, Meaning(task=LABELS), THREE, "", LABELS, HOT == 1),
        ([0, 1], Meaning(), ONE, "", TWO_CLASSES, [0, 1]),
        ([-1, 1], Meaning(), ONE, "", TWO_CLASSES, [0, 1]),
        ([-1, -1], Meaning(), ONE, "accuracy", TWO_CLASSES, [0, 0]),
        ([0, 1], Meaning(), ONE, "mean_absolute_error", VALUES, [[0], [1]]),
        ([0, 2], Meaning(), ONE, "", VALUES, [[0], [2]]),
        ([-1, 0, 1], Meaning(), ONE, "", VALUES, [[-1], [0], [1]]),
        (["no", "yes"], Meaning(classes=("no", "yes")), ONE, "", TWO_CLASSES, [0, 1]),
        ([[1, 0], [0, 1]], Meaning(task=TWO_CLASSES), ONE, "", TWO_CLASSES, [0, 1]),
        ([b"emu", b"cat"], NAMES, THREE, "", CLASSES, [2, 0]),
        ([2, 0], NAMES, THREE, "", CLASSES, [2, 0]),
        ([2, 0], Meaning(classes=("1", "dog", "emu")), THREE, "", CLASSES, [2, 0]),
        (HOT, NAMES, THREE, "", CLASSES, [2, 0]),
        ([3.0, 1.0], Meaning(classes=("1", "2", "3"), named_labels=True), THREE, "", CLASSES, [2, 0]),
        ([0, 1], Meaning(classes=("False", "True"), task=TWO_CLASSES), ONE, "", TWO_CLASSES, [0, 1]),
        ([[[0, 1], [1, 1]]], Meaning(), MAP, "", CLASSES, [[0, 1, 1, 1]]),
        ([[[[1, 0], [0, 0]], [[0, 1], [1, 1]]]], Meaning(task=CLASSES), MAP, "", CLASSES, [[0, 1, 1, 1]]),
        ([[[[1, 0], [0, 0]], [[0, 1], [1, 1]]]], Meaning(), MAP, "", LABELS, [[1, 0, 0, 0, 0, 1, 1, 1]]),
        ([[[0, 1], [1, 1]]], Meaning(), MASK, "", TWO_CLASSES, [[0, 1, 1, 1]]),
    ],
)
def test_labels_are_read_by_hand(
    labels: Any, meaning: Meaning, shape: Any, measure: str, kind: str, truth: Any
) -> None:
    read = read_labels(np.array(labels), meaning, shape, "labels", measure)
    assert (read.task.kind, read.task.shape) == (kind, shape)
    assert read.task.measure == (measure or {"values": "rms_error"}.get(kind, "accuracy"))
    assert read.truth.dtype == {VALUES: float, LABELS: bool}.get(kind, np.int64)
    np.testing.assert_array_equal(read.truth, truth)


@pytest.mark.parametrize("no", [0, -1])
def test_a_guess_of_two_classes_is_announced(no: int) -> None:
    with pytest.warns(InputWarning, match=f"two classes, 1 above 0.5 and {no} below.*classes {no},1"):
        read = read_labels(np.array([no, 1]), Meaning(threshold=0.5), ONE, "labels")
    assert read.task.threshold == 0.5


@pytest.mark.filterwarnings("ignore::ndrite.host.InputWarning")
@pytest.mark.parametrize(("measure", "kind"), [(None, TWO_CLASSES), ("rms_error", VALUES)])
def test_labels_and_measure_decide_once(measure: str | None, kind: str) -> None:
    network = decided(random_network((6, 4, 1)), np.array([0, 1]), "labels", measure)
    assert network.meaning.task == kind
    assert decided(network, np.array(["any"]), "labels", None) is network


def unread(labels: Any, meaning: Meaning = NAMES, shape: Any = THREE, measure: str = "") -> None:
    read_labels(np.array(labels), meaning, shape, "y.npy", measure)


NUMBERS, NAMED = Meaning(), Meaning(classes=NAMES.classes, named_labels=True)
test_labels_that_fit_nothing_name_every_reading = refused(
    InputError,
    (unread, 1, r"y.npy: int64 \(\); accepted: a label or a row per sample"),
    (unread, [1j], r"complex128 \(1,\); accepted: a label or a row"),
    (unread, [3], r"3; accepted: classes by name \(cat, dog, emu\), class numbers 0\.\.2, one-hot"),
    (unread, [-1], "-1; accepted: classes by name"),
    (unread, [1, 0.5], "1, 0.5; accepted: classes by name"),
    (unread, [[1, 0, 0], [1, 1, 0]], "class numbers 0..2, one-hot rows of 3$"),
    (unread, [[2, 0, -1]], "one-hot rows of 3$"),
    (unread, [2], NAMED, "emu\\), one-hot rows of 3; as numbers of outputs they would fit"),
    (unread, [3], NAMED, "one-hot rows of 3$"),
    (unread, [[0, 1]], Meaning(task=CLASSES), MAP, r"by name \(0, 1\), one for each of 4 places"),
    (unread, ["cat", "fox"], "cat, fox; accepted: classes by name"),
    (unread, ["fox"], NUMBERS, r"text: names of classes, .* 3 names\); or values, \(1, 3\) numbers"),
    (unread, [3], NUMBERS, r"class numbers 0\.\.2; or values, \(1, 3\) numbers"),
    (unread, [7], NUMBERS, ONE, "accuracy", r"two classes 0 and 1, or -1 and 1; or values, \(1, 1\)"),
    (unread, [[0.5, 1, 2]], NUMBERS, THREE, "accuracy", r"class numbers 0\.\.2; or values"),
    (unread, [[0, 2, 1]], Meaning(task=LABELS), r"0 and 1, or -1 and 1, \(1, 3\): a column per label"),
    (unread, [[0, 1]], Meaning(task=LABELS), "a column per label"),
    (unread, [[0, 1]], Meaning(task=VALUES), r"accepted: values \(1, 3\) in the model's unit"),
    (unread, [["a", "b", "c"]], Meaning(task=VALUES), r"accepted: values \(1, 3\)"),
    (unread, [[0, 1, np.inf]], Meaning(task=VALUES), "holds a value that is not finite"),
    (unread, range(3, 12), r"3, 4, 5, 6, 7, 8, 9, 10, \.\. \(9 different\); accepted"),
    (unread, [3, 3, *range(4, 11)], r"int64 \(9,\), 3, 4, 5, 6, 7, 8, 9, 10; accepted"),
    (unread, ["a" * 40, "b" * 41], "a{40}, 'b{41}'; accepted"),
    (task_by, NAMES, THREE, "rms_error", "measure is 'rms_error'; accepted: accuracy"),
)


@pytest.mark.parametrize(
    # What the model says, the outputs' shape, the user's classes and task: what is then known.
    ("model", "shape", "classes", "task", "kind", "named"),
    [
        (NAMED, THREE, None, None, "", True),
        (Meaning(), THREE, ("a", "b", "c"), None, CLASSES, False),
        (Meaning(), THREE, ("a", "b", "c"), LABELS, LABELS, False),
        (Meaning(task=LABELS), THREE, ("a", "b", "c"), None, LABELS, False),
        (Meaning(task=CLASSES), THREE, ("a", "b", "c"), CLASSES, CLASSES, False),
        (Meaning(), ONE, ("a", "b"), None, TWO_CLASSES, False),
        (Meaning(), ONE, ("a", "b"), TWO_CLASSES, TWO_CLASSES, False),
        (Meaning(), ONE, None, VALUES, VALUES, False),
        (NAMED, THREE, NAMED.classes, None, CLASSES, True),
        (Meaning(classes=("0", "1", "2"), named_labels=True), THREE, ("a", "b", "c"), None, CLASSES, False),
        (NAMES, THREE, None, CLASSES, CLASSES, False),
    ],
)
def test_users_complete_what_a_model_says(
    model: Meaning, shape: Any, classes: Any, task: str | None, kind: str, named: bool
) -> None:
    meaning = told(model, shape, classes, task)
    assert (meaning.task, meaning.named_labels) == (kind, named)
    assert meaning.classes == (classes or model.classes)


test_users_do_not_contradict_a_model = refused(
    InputError,
    (told, Meaning(task=VALUES), THREE, ("a", "b", "c"), None, "outputs are values; accepted: no classes"),
    (told, NAMES, THREE, ("a", "b", "c"), None, "own are cat, dog, emu; accepted: the model"),
    (told, Meaning(classes=("0", "1", "2")), THREE, ("a", "b"), None, "own are 0, 1, 2; accepted: 3 names"),
    (told, Meaning(), THREE, ("a", "b"), LABELS, "classes has 2 names; accepted: 3, one per output"),
    (told, Meaning(), THREE, ("a", "b", "c"), VALUES, "task is values, but 3 class names mean task classes"),
    (told, NAMES, THREE, None, VALUES, "the model's outputs are classes; accepted: classes, or no task"),
    (told, Meaning(), THREE, None, TWO_CLASSES, "task is two classes with 3 outputs; accepted: one output"),
    (numbered, np.arange(4), 3, "y", r"y: int64 \(4,\), 0, 1, 2, 3; accepted: classes \(3,\)"),
    (numbered, np.arange(4.0) / 2, 4, "y", "0, 0.5, 1, 1.5; accepted: classes"),
    (numbered, np.zeros((2, 2), int), 2, "y", r"\(2, 2\), 0; accepted: classes \(2,\)"),
    (numbered, np.array(3), 2, "y", r"int64 \(\), 3; accepted: classes \(2,\)"),
    (numbered, np.zeros(0), 2, "y", r"float64 \(0,\), ; accepted: classes \(2,\)"),
    (numbered, np.arange(65537), 65537, "y", "y: 65537 classes; accepted: at most 65536"),
    (told, Meaning(), ONE, ("a", "b", "c"), None, "accepted: 1, or 2 for one output with a threshold"),
)


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        ([7, 3, 7], [1, 0, 1], ("3", "7")),
        ([[10.0], [-9.0]], [1, 0], ("-9", "10")),
        (["b", "a"], [1, 0], ("a", "b")),
        ([b"b", b"a"], [1, 0], ("a", "b")),
        ([True, False], [1, 0], ("0", "1")),
        (range(65536), range(65536), tuple(map(str, range(65536)))),
    ],
)
def test_classes_of_training_samples_are_numbered_in_order(labels: Any, numbers: Any, names: Any) -> None:
    read, own = numbered(np.array(labels), len(labels), "labels")
    np.testing.assert_array_equal(read, numbers)
    assert (read.dtype, own) == (np.int64, names)


OUTPUTS = np.array([[-0.5, 0.25, 0.75], [1.5, 0.25, 800.0]])


@pytest.mark.parametrize(
    ("kind", "function", "shares"),
    [
        (CLASSES, "softmax", softmax(OUTPUTS, axis=1)),
        (CLASSES, "sigmoid", expit(OUTPUTS) / expit(OUTPUTS).sum(axis=1, keepdims=True)),
        (CLASSES, "identity", [[0, 0.25, 0.75], [1 / 2.25, 0.25 / 2.25, 1 / 2.25]]),
        (LABELS, "sigmoid", expit(OUTPUTS)),
        (LABELS, "identity", [[0, 0.25, 0.75], [1, 0.25, 1]]),
    ],
)
def test_probabilities_are_scipys(kind: str, function: str, shares: Any) -> None:
    np.testing.assert_allclose(probabilities(OUTPUTS, kind, function), shares, rtol=1e-12)


def test_probabilities_of_two_classes_and_of_none() -> None:
    scores = np.array([[-1.0], [0.5]])
    expected = np.hstack([expit(-scores), expit(scores)])
    np.testing.assert_allclose(probabilities(scores, TWO_CLASSES, "sigmoid"), expected)
    assert probabilities(scores, TWO_CLASSES, "identity").tolist() == [[1, 0], [0.5, 0.5]]
    assert probabilities(np.full((1, 3), -2.0), CLASSES, "identity").tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    # A task, outputs, labels and the score by hand.
    ("task", "outputs", "truth", "score"),
    [
        (Task(kind=CLASSES, shape=THREE), [[1, 3, 2], [5, 5, 1]], [1, 0], 1),
        (Task(kind=CLASSES, shape=THREE), [[1, 3, 2], [5, 5, 1]], [1, 1], 0.5),
        (Task(kind=CLASSES, shape=MAP), [[1, 2, 3, 4, 4, 3, 2, 1]], [[1, 1, 0, 1]], 0.75),
        (Task(kind=TWO_CLASSES, shape=ONE, threshold=0.5), [[0.5], [0.6], [-1]], [0, 1, 1], 2 / 3),
        (Task(kind=TWO_CLASSES, shape=ONE), [[0], [0.1], [-1]], [0, 1, 0], 1),
        (Task(kind=LABELS, shape=THREE), [[0, 1, -1], [1, 1, 1]], [[0, 1, 0], [1, 1, 0]], 0.5),
        (Task(kind=LABELS, shape=THREE, measure="label_accuracy"), [[0, 1, -1]], [[0, 1, 1]], 2 / 3),
        (Task(kind=VALUES, shape=(2, 1, 1)), [[1, 2]], [[4, -2]], 12.5**0.5),
        (Task(kind=VALUES, shape=(2, 1, 1), measure="mean_absolute_error"), [[1, 2]], [[4, -2]], 3.5),
        (Task(kind=VALUES, shape=ONE), np.zeros((0, 1)), np.zeros((0, 1)), np.nan),
    ],
)
def test_scores_by_hand(task: Task, outputs: Any, truth: Any, score: float) -> None:
    assert task.score(np.array(outputs), np.array(truth)) == pytest.approx(score, nan_ok=True)
    assert task.is_share == (task.kind != VALUES)
    assert task.is_vote == (task.kind == CLASSES and task.shape == THREE)


def test_classes_without_names_are_numbers() -> None:
    for kind, shape, names in ((CLASSES, THREE, "012"), (TWO_CLASSES, ONE, "01"), (LABELS, THREE, "012")):
        assert Task(kind=kind, shape=shape).names == tuple(names)
    assert Task(kind=VALUES, shape=THREE).names == ()
    assert Task(kind=CLASSES, shape=THREE, classes=NAMES.classes).names == NAMES.classes
    task = Task(kind=CLASSES, shape=(2, 3, 4))
    assert (task.outputs, task.places) == (24, 12)


def test_unlikely_classes_share_the_whole_probability() -> None:
    """Each sigmoid of three classes is small, and what they add up to is less than 1."""
    outputs = np.array([[-5.0, -4.0, -6.0]])
    shares = 1 / (1 + np.exp(-outputs))
    np.testing.assert_allclose(probabilities(outputs, CLASSES, SIGMOID), shares / shares.sum())
