"""Labels in the forms that users have: names, numbers, one-hot rows and
values, read for a task."""

import dataclasses
import warnings
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.network import Network
from ndrite.emulator.spec.brief import shown
from ndrite.emulator.spec.errors import MeaningError
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.patches import Shape
from ndrite.emulator.spec.task import (
    ACCURACY,
    CLASSES,
    LABEL_ACCURACY,
    LABELS,
    MEASURES,
    TWO_CLASSES,
    VALUES,
    Task,
    Truth,
    kind_of,
)
from ndrite.host import InputError, InputWarning

SIGNED = (-1, 1)
"""Labels of two classes in the form that support vector machines use."""
CLASSES_MAX = 1 << 16
SHOWN = 8
"""Largest number of different labels that an error lists."""


class Read(NamedTuple):
    """Labels, converted to the form of ``Task.answers``, and the task by which outputs
    are judged against them."""

    truth: Truth
    task: Task


def read_labels(
    labels: npt.NDArray[np.generic], meaning: Meaning, shape: Shape, what: str, measure: str = ""
) -> Read:
    """Read ``labels`` (n, ...) for outputs of ``shape`` (C, H, W) that have the
    meaning ``meaning``.

    Where the meaning has no task, the labels decide, and ``measure`` does;
    ``InputWarning`` says how a single output was read. ``what``: the labels'
    name in errors. Raises InputError, naming every reading that was tried, when
    the labels fit none.
    """
    if labels.ndim == 0 or labels.dtype.kind in "cmMV":
        raise InputError(f"{what}: {labels.dtype} {labels.shape}; accepted: a label or a row per sample")
    task = task_by(meaning, shape, measure)
    if task is None:
        task = _decided(labels, meaning, shape, what, measure)
    reader = {CLASSES: _classes, TWO_CLASSES: _classes, LABELS: _several, VALUES: _values}[task.kind]
    return Read(reader(labels, task, what), task)


def task_by(meaning: Meaning, shape: Shape, measure: str = "") -> Task | None:
    """Return the task that ``meaning`` states, judged by ``measure``, or None if it
    states no task. Raises InputError if the task has no such measure."""
    try:
        return meaning.task_of(shape, measure)
    except MeaningError as error:
        raise InputError(str(error)) from None


def told(meaning: Meaning, shape: Shape, classes: tuple[str, ...] | None, task: str | None) -> Meaning:
    """Return the meaning of a model's outputs after the user's ``classes`` or ``task``
    has been applied.

    Raises InputError where the user contradicts the model, naming both readings.
    """
    own_kind = meaning.task or kind_of(meaning.classes, shape)
    if classes is not None:
        numbers = meaning.classes == tuple(map(str, range(len(meaning.classes))))
        if meaning.task == VALUES:
            raise InputError(
                f"classes is {_list(classes)}, but the model's outputs are values; accepted: no classes"
            )
        if (
            meaning.classes
            and classes != meaning.classes
            and not (numbers and len(classes) == len(meaning.classes))
        ):
            names = f"{len(meaning.classes)} names"
            accepted = names if numbers else "the model's own classes in their order, or no classes"
            raise InputError(
                f"classes is {_list(classes)}, but the model's own are {_list(meaning.classes)}; "
                f"accepted: {accepted}"
            )
        try:
            kind = (
                LABELS if LABELS in (task, own_kind) and len(classes) == shape[0] else kind_of(classes, shape)
            )
        except MeaningError as error:
            raise InputError(str(error)) from None
        if task is not None and task != kind:
            raise InputError(
                f"task is {task}, but {len(classes)} class names mean task {kind}; give only one of the two"
            )
        only_names = meaning.named_labels and classes == meaning.classes
        meaning = dataclasses.replace(meaning, task=kind, classes=classes, named_labels=only_names)
    elif task is not None:
        if own_kind and task != own_kind:
            raise InputError(
                f"task is {task}, but the model's outputs are {own_kind}; accepted: {own_kind}, or no task"
            )
        try:
            meaning = dataclasses.replace(meaning, task=task)
            meaning.check(shape)
        except MeaningError as error:
            raise InputError(str(error)) from None
    return meaning


def decided(network: Network, labels: npt.NDArray[np.generic], what: str, measure: str | None) -> Network:
    """Return the network unchanged if it has a task, and otherwise with the task that
    the labels imply."""
    meaning, shape = network.meaning, network.map_shapes[-1]
    if meaning.task or meaning.classes:
        return network
    task = read_labels(labels, meaning, shape, what, measure or "").task
    return dataclasses.replace(network, meaning=dataclasses.replace(meaning, task=task.kind))


def numbered(
    labels: npt.NDArray[np.generic], samples: int, what: str
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Convert the labels of training samples, whole numbers or text, to class numbers
    int64 (n,) and class names. Raises InputError if there are not as many labels as
    samples, or if all have one class."""
    flat = labels.reshape(len(labels) if labels.ndim and labels.size else 1, -1)
    if flat.shape != (samples, 1) or not (_whole(flat) or labels.dtype.kind in "USO"):
        raise InputError(
            f"{what}: {_described(labels)}; accepted: classes ({samples},), whole numbers or text"
        )
    if _whole(flat):
        classes, numbers = np.unique(flat[:, 0].astype(np.int64), return_inverse=True)
    else:
        classes, numbers = np.unique(_texts(flat)[:, 0], return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{what}: every class is {classes[0]}; accepted: two classes or more")
    if len(classes) > CLASSES_MAX:
        raise InputError(f"{what}: {len(classes)} classes; accepted: at most {CLASSES_MAX}")
    return numbers.astype(np.int64), tuple(map(str, classes.tolist()))


def _decided(
    labels: npt.NDArray[np.generic], meaning: Meaning, shape: Shape, what: str, measure: str
) -> Task:
    """Derive the task from the labels, for a network or program that states no task."""
    task = partial(Task, shape=shape, threshold=meaning.threshold, measure=measure)
    channels, places = shape[0], shape[1] * shape[2]
    outputs, flat = channels * places, labels.reshape(len(labels), -1)
    numbers = labels.dtype.kind in "biuf"
    if measure in MEASURES[VALUES]:
        return task(kind=VALUES)
    if measure == LABEL_ACCURACY:
        return task(kind=LABELS)
    if numbers and channels == 1 and flat.shape[1] == places:
        distinct = set(np.unique(flat).tolist())
        if distinct <= {0, 1} or distinct <= set(SIGNED):
            no, yes = ("-1", "1") if -1 in distinct else ("0", "1")
            warnings.warn(
                f"{what}: the file does not say what its output means; taken for two classes, {yes} above "
                f"{meaning.threshold:g} and {no} below. For values: --measure rms_error. To decide it for "
                f"good, compile with --classes {no},{yes} or --task values",
                InputWarning,
                stacklevel=5,
            )
            return task(kind=TWO_CLASSES)
        if measure != ACCURACY:
            return task(kind=VALUES)
    if numbers and channels > 1 and flat.shape[1] == places and _whole(flat) and _within(flat, channels):
        return task(kind=CLASSES)
    if numbers and flat.shape[1] == outputs:
        binary = bool(np.isin(flat, (0, 1)).all())
        if binary and places == 1 and (flat.sum(axis=1) == 1).all():
            return task(kind=CLASSES)
        if binary and labels.dtype.kind != "f":
            return task(kind=LABELS)
        if measure != ACCURACY:
            return task(kind=VALUES)
    readings = [f"class numbers 0..{channels - 1}"] if channels > 1 else ["two classes 0 and 1, or -1 and 1"]
    if labels.dtype.kind not in "biuf":
        readings = [
            f"text: names of classes, which the file has not (compile with --classes, {channels} names)"
        ]
    readings.append(f"values, {(len(labels), outputs)} numbers")
    raise InputError(f"{what}: {_described(labels)}; accepted: {'; or '.join(readings)}")


def _classes(labels: npt.NDArray[np.generic], task: Task, what: str) -> Truth:
    """Convert labels to class numbers int64: (n,), or (n, H * W) if the output is
    a map of classes."""
    names, places = task.names, task.places
    flat = labels.reshape(len(labels), -1)
    if flat.shape[1] == places:
        numbers_by_name = _by_name(flat, names, task)
        if numbers_by_name is not None:
            return numbers_by_name[:, 0] if places == 1 else numbers_by_name
    elif flat.shape[1] == len(names) * places and flat.dtype.kind in "biuf":
        hot = flat.reshape(len(flat), -1, places)
        if np.isin(hot, (0, 1)).all() and (hot.sum(axis=1) == 1).all():
            numbers: npt.NDArray[np.int64] = hot.argmax(axis=1)
            return numbers[:, 0] if places == 1 else numbers
    per_place = "" if places == 1 else f", one for each of {places} places"
    readings = [f"classes by name ({_list(names)}){per_place}"]
    if _by_number(task):
        readings.append(f"class numbers 0..{len(names) - 1}")
    readings.append(f"one-hot rows of {len(names)}")
    note = ""
    if not _by_number(task) and flat.shape[1] == places and _whole(flat) and _within(flat, len(names)):
        note = f"; as numbers of outputs they would fit, and the file calls its outputs {_list(names)}"
    raise InputError(f"{what}: {_described(labels)}; accepted: {', '.join(readings)}{note}")


def _by_name(
    flat: npt.NDArray[np.generic], names: tuple[str, ...], task: Task
) -> npt.NDArray[np.int64] | None:
    """Return the class numbers of labels that are class names (or numbers, if the class
    names are words), or None if the labels are neither."""
    values, inverse = np.unique(_texts(flat), return_inverse=True)
    inverse = inverse.reshape(flat.shape)
    number_of = {name: i for i, name in enumerate(names)}
    for spelled in _spellings(values.tolist(), task):
        if all(name in number_of for name in spelled):
            return np.array([number_of[name] for name in spelled], np.int64)[inverse]
    if _by_number(task) and _whole(flat) and _within(flat, len(names)):
        return flat.astype(np.int64)
    return None


def _texts(flat: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return every label as text: whole numbers without a decimal point, truth values
    as True and False."""
    if flat.dtype.kind == "f" and _whole(flat):
        flat = flat.astype(np.int64)
    texts = [v.decode() if isinstance(v, bytes) else str(v) for v in flat.reshape(-1).tolist()]
    return np.array(texts, dtype=str).reshape(flat.shape)


def _spellings(texts: list[str], task: Task) -> list[list[str]]:
    """Return the texts of the labels in every form in which they may match class names:
    unchanged; truth values as 0 and 1; 0 and 1 as truth values; and, for two unnamed
    classes, -1 and 1 as 0 and 1."""
    tables = [{}, {"False": "0", "True": "1"}, {"0": "False", "1": "True"}]
    if task.kind == TWO_CLASSES and not task.classes:
        tables.append({"-1": "0"})
    return [[table.get(text, text) for text in texts] for table in tables]


def _several(labels: npt.NDArray[np.generic], task: Task, what: str) -> Truth:
    """Convert labels for a task with several labels per sample to bool (n, M)."""
    flat = labels.reshape(len(labels), -1)
    if flat.dtype.kind in "biuf" and flat.shape[1] == task.outputs:
        for no, yes in ((0, 1), SIGNED):
            if np.isin(flat, (no, yes)).all():
                return np.asarray(flat == yes)
    accepted = f"0 and 1, or -1 and 1, {(len(labels), task.outputs)}: a column per label"
    raise InputError(f"{what}: {_described(labels)}; accepted: {accepted}")


def _values(labels: npt.NDArray[np.generic], task: Task, what: str) -> Truth:
    """Convert the target values of a regression to float64 (n, M)."""
    flat = labels.reshape(len(labels), -1)
    if labels.dtype.kind not in "biuf" or flat.shape[1] != task.outputs:
        raise InputError(
            f"{what}: {_described(labels)}; accepted: values {(len(labels), task.outputs)} in the model's "
            "unit, as the file's outputs are values; for classes, compile with --classes and their names"
        )
    if not np.isfinite(flat).all():
        raise InputError(f"{what}: holds a value that is not finite; accepted: finite numbers")
    return flat.astype(np.float64)


def _whole(values: npt.NDArray[np.generic]) -> bool:
    if values.dtype.kind == "f":
        return bool(np.isfinite(values).all() and (values % 1 == 0).all())
    return values.dtype.kind in "biu"


def _within(values: npt.NDArray[np.generic], count: int) -> bool:
    return not values.size or bool(values.min() >= 0 and values.max() < count)


def _by_number(task: Task) -> bool:
    """Return whether labels may be numbers of outputs. They may not if the class names
    are themselves numbers, or if only names are accepted."""
    return not (task.named_labels or all(name.lstrip("-").isdecimal() for name in task.names))


def _described(labels: npt.NDArray[np.generic]) -> str:
    values = labels.reshape(-1).tolist()
    texts = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
    different = list(dict.fromkeys(texts))
    return f"{labels.dtype} {labels.shape}, {_list(different)}"


def _list(names: Sequence[str]) -> str:
    words = [shown(name) if len(name) > 40 else name for name in names[:SHOWN]]
    return ", ".join(words) + (f", .. ({len(names)} different)" if len(names) > SHOWN else "")
