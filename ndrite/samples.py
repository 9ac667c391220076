"""Samples for a task: the user's, those of a data set by name, or those stored
in a compiled file."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from ndrite.compiled import Compiled
from ndrite.emulator.learning.labelled import Classes, Labelled
from ndrite.emulator.network import datasets
from ndrite.emulator.network.datasets.fashion_mnist import TRAIN_FOLDER
from ndrite.emulator.spec.arithmetic import Codes
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.patches import Shape
from ndrite.emulator.spec.task import (
    ACCURACY,
    CLASSES,
    LABEL_ACCURACY,
    LABELS,
    TWO_CLASSES,
    VALUES,
    Task,
    Truth,
)
from ndrite.files import Takes, array_of, encode, name_of
from ndrite.host import InputError, InputWarning
from ndrite.labels import numbered, read_labels, task_by

DATA = {"fashion-mnist": 784, "digits": 64, "digits-32": 1024, "mnist": 784}
"""Name of a data set -> number of inputs of a sample."""
DIGITS = tuple("0123456789")
CALIBRATION_SAMPLES = 512
"""Number of samples that set converter ranges if the user gives none."""
OWN_ANSWERS = "the float network's answers on the samples that calibrated the die"
UNDECIDED = "; outputs are taken for values, as the file does not say what they mean (compile: classes, task)"


def both_or_neither(inputs: object, labels: object) -> bool:
    """Return whether the user provides their own samples. Raises InputError if only one
    of inputs and labels is given."""
    if (inputs is None) != (labels is None):
        raise InputError("inputs and labels belong together; accepted: both or neither")
    return inputs is not None


def learning_samples(inputs: object, labels: object, data: str | None, folder: object) -> Labelled:
    """Return samples to train on: the user's samples with their classes, of which none
    is held out, or else those of a data set (Fashion-MNIST if no data set is named).

    Raises InputError when own samples are not uint8 (n, inputs), n at least 2, of
    two classes or more.
    """
    if not both_or_neither(inputs, labels):
        return data_set(data or "fashion-mnist", None if folder is None else str(folder))
    if data is not None or folder is not None:
        parameter = "data" if folder is None else "folder"
        raise InputError(f"{parameter} and inputs exclude each other; accepted: one of them")
    x, y, file = array_of(inputs), array_of(labels), name_of(inputs, "inputs")
    if x.ndim != 2 or x.dtype != np.uint8 or len(x) < 2 or not x.size:
        raise InputError(f"{file}: {x.dtype} {x.shape}; accepted: uint8 (n, inputs), n at least 2")
    numbers, names = numbered(y, len(x), name_of(labels, "labels"))
    warn_of_order(numbers, name_of(labels, "labels"))
    return Labelled(Path(file).stem, x, numbers, x[:0], numbers[:0], classes=names, own=True)


def warn_of_order(labels: Classes, what: str) -> None:
    """Warn if the user's samples are sorted by class: the last samples are held out,
    and would then be of few classes only."""
    if len(labels) >= 10 and labels[0] < labels[-1] and (labels[1:] >= labels[:-1]).all():
        warning = (
            f"{what}: classes are in order, so the last samples, held out, are of few of them; shuffle all"
        )
        warnings.warn(warning, InputWarning, stacklevel=4)


def data_set(name: str, folder: str | None = None) -> Labelled:
    """Load a data set by name (``DATA``). ``folder`` is where Fashion-MNIST's training
    files are if Debian's package is missing, or where all of MNIST is; without a folder
    a small part of MNIST is used.

    Raises
    ------
    InputError
        When the name is unknown.
    DatasetError
        When files are missing or damaged.
    MissingExtraError
        When the data set needs a package that is not installed.
    """
    _check(name)
    if name == "mnist":
        return Labelled(name, *datasets.mnist(folder), 28, DIGITS)
    if name == "fashion-mnist":
        learned = datasets.fashion_mnist_train(folder or TRAIN_FOLDER)
        return Labelled(name, *learned, *datasets.fashion_mnist_test(), 28, datasets.CLASSES)
    if folder is not None:
        raise InputError(
            f"folder is {folder}, but {name} ships with ndrite; accepted: a folder only for fashion-mnist "
            "or mnist"
        )
    x, y, test_x, test_y = datasets.digits()
    if name == "digits":
        return Labelled(name, x, y, test_x, test_y, 8, DIGITS)
    return Labelled(name, datasets.enlarged(x), y, datasets.enlarged(test_x), test_y, 32, DIGITS)


def judging_set(name: str) -> tuple[Codes, Classes]:
    """Return test samples of a data set by name; those of Fashion-MNIST ship with the
    package. Raises the errors of ``data_set``."""
    if name == "fashion-mnist":
        return datasets.fashion_mnist_test()
    labelled = data_set(name)
    return labelled.test_x, labelled.test_labels


def apart(name: str) -> tuple[Codes, Codes, Classes]:
    """Return two disjoint sets of samples of a data set: some to set converter ranges,
    and all test samples that are not among them.

    The former are training samples, except for Fashion-MNIST, whose training images do
    not ship: its first test images. Errors as ``data_set``.
    """
    if name == "fashion-mnist":
        x, labels = judging_set(name)
        return x[:CALIBRATION_SAMPLES], x[CALIBRATION_SAMPLES:], labels[CALIBRATION_SAMPLES:]
    labelled = data_set(name)
    return labelled.x[:CALIBRATION_SAMPLES], labelled.test_x, labelled.test_labels


def chosen_data_set(meaning: Meaning, inputs: int, given: str | None, wanted: str) -> str:
    """Return the name of the data set that the user has ``given``, or else of the one
    that the network names.

    Raises InputError when neither is there (``wanted``: the options to give instead),
    its samples have another size, or ``given`` ones are in another unit than the
    network's inputs.
    """
    stored = meaning.inputs
    if given is not None and stored is not None and stored.low.size > 1:
        raise InputError(
            f"data is {given}, but the network's inputs have different ranges; give {wanted} instead"
        )
    name = given or meaning.data_set
    if name is None:
        raise InputError(f"the network names no data set; give {wanted}, or data: {', '.join(DATA)}")
    _check(name)
    if DATA[name] != inputs:
        raise InputError(f"data set {name} has {DATA[name]} inputs; accepted: {inputs}, as the network takes")
    return name


def _check(name: str) -> None:
    if name not in DATA:
        raise InputError(f"data set is {name!r}; accepted: {', '.join(DATA)}, or your own inputs and labels")


class Judged(NamedTuple):
    """Samples to judge a program by: codes uint8 (n, inputs), their labels, the origin
    of the labels, and the task by which outputs are judged.

    ``labels`` have the form of ``task.answers``: classes, integers (n,), labels bool
    (n, outputs), or values float64 (n, outputs) in the model's unit.
    """

    x: Codes
    labels: Truth
    by: str
    task: Task

    def first(self, count: int | None, most: int | None = None) -> Self:
        """Return the first ``count`` samples; if ``count`` is None, the first
        ``most`` samples, or all if ``most`` is None too. Raises InputError if there
        are fewer than ``count``."""
        x = first(self.x, count, most)
        return self._replace(x=x, labels=self.labels[: len(x)])


def first(x: Codes, count: int | None, most: int | None = None, what: str = "count") -> Codes:
    """Return the first ``count`` rows of ``x`` (n, inputs); if ``count`` is None, the
    first ``most`` rows, or all if ``most`` is None too. Raises InputError if there are
    fewer than ``count``."""
    if count is not None and count > len(x):
        raise InputError(f"{what} is {count}; accepted: 1..{len(x)}, as many as there are samples")
    return x[: most if count is None else count]


def codes_of(source: object, of: Takes, *, codes: bool = False, what: str = "inputs") -> Codes:
    """Convert inputs to codes uint8 (n, inputs) for the network or program ``of``.
    ``InputWarning`` says how many values were clipped.

    Raises InputError when there is no such file, or the values do not fit.
    """
    return encode(array_of(source), of, what=name_of(source, what), codes=codes)


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """The samples on which a caller wants a program to be judged: own ``inputs`` and
    ``labels`` (arrays, tensors or the paths of ``.npy`` files), or the data set called
    ``data``, or neither.

    ``codes``: the inputs are codes, uint8, even if the program stores an input range.
    ``seen``: samples of a data set that calibrate by default may be used here too.
    ``measure``: a measure of the task.
    """

    inputs: object = None
    labels: object = None
    data: str | None = None
    codes: bool = False
    measure: str | None = None
    seen: bool = True


def judged_samples(of: Takes, whole: Compiled | None, wanted: EvaluationSet) -> Judged:
    """Return samples with labels: the user's, or a data set's test samples, or the
    samples in the compiled file with the float network's answers as labels.

    Raises InputError if files do not fit; if no samples are given and none are stored;
    or if the outputs are values and ``of`` does not state their unit.
    """
    inputs, labels, data = wanted.inputs, wanted.labels, wanted.data
    shape, measure = of.map_shapes[-1], wanted.measure or ""
    if both_or_neither(inputs, labels):
        x, raw_labels = seen_samples(of, whole, inputs, data=data, codes=wanted.codes), array_of(labels)
        by = name_of(labels, "labels")
        if len(raw_labels) != len(x):
            raise InputError(f"{by}: {len(raw_labels)} rows; accepted: {len(x)}, one per input")
    elif whole is not None and holds(of, data):
        x, by = whole.samples, OWN_ANSWERS
        task = task_by(of.meaning, shape, measure)
        if task is None:
            task = _task_by(measure, shape, of.meaning.threshold)
            by += UNDECIDED if task.kind == VALUES else ""
        truth = task.answers(whole.network.forward(x / np.float32(255)))
        return Judged(x, truth, by, task)
    else:
        name = chosen_data_set(of.meaning, of.inputs, data, "inputs and labels")
        x, raw_labels = judging_set(name) if wanted.seen else apart(name)[1:]
        by = name
    truth, task = read_labels(raw_labels, of.meaning, shape, name_of(labels, "labels"), measure)
    if task.kind == VALUES or task.threshold:
        output_step(of, by)
    return Judged(x, truth, by, task)


def _task_by(measure: str, shape: Shape, threshold: float) -> Task:
    """Return the task that a measure implies; a network without a measure has
    a task of values."""
    kinds = {ACCURACY: CLASSES if shape[0] > 1 else TWO_CLASSES, LABEL_ACCURACY: LABELS}
    return Task(kind=kinds.get(measure, VALUES), shape=shape, threshold=threshold, measure=measure)


def holds(of: Takes, data: str | None) -> bool:
    """Return whether the calibration samples in the compiled file are to be used as
    test samples, because no data set is known."""
    return data is None and of.meaning.data_set not in DATA


def seen_samples(
    of: Takes, whole: Compiled | None, inputs: object, *, data: str | None, codes: bool
) -> Codes:
    """Return codes uint8 (n, inputs): the user's, or a data set's test samples, or the
    calibration samples in the compiled file."""
    if inputs is not None:
        if data is not None:
            raise InputError("data and inputs exclude each other; accepted: one of them")
        samples = codes_of(inputs, of, codes=codes)
        if not len(samples):
            raise InputError(f"{name_of(inputs, 'inputs')}: 0 samples; accepted: at least one")
        return samples
    if whole is not None and holds(of, data):
        return whole.samples
    return judging_set(chosen_data_set(of.meaning, of.inputs, data, "inputs"))[0]


def output_step(of: Takes, what: str) -> float:
    """Return the value of one step of a program's outputs, in the model's unit. Raises
    InputError if the program does not store that value."""
    step = of.meaning.output_step
    if step is None:
        raise InputError(
            f"{what}: the program does not say what one step of its outputs is; compile it again"
        )
    return step


def typical_samples(
    of: Takes, whole: Compiled | None, samples: object, *, data: str | None, codes: bool
) -> Codes:
    """Return codes by which to set converter ranges: the user's, or the calibration
    samples in the compiled file, or those of a data set."""
    if samples is not None:
        return codes_of(samples, of, codes=codes, what="samples")
    if whole is not None and data is None:
        return whole.samples
    return apart(chosen_data_set(of.meaning, of.inputs, data, "samples"))[0]
