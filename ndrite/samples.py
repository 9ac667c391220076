"""The samples that a task works on: a user's, a data set's by name, or those that a compiled file holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.network import Network
from emulator.spec import Program
from host import InputError
from ndrite.compiled import Compiled
from ndrite.files import array_of, encode, name_of
from ndrite.labelled import both_or_neither, check_classes, chosen_data_set, judging_set, typical, unseen

Codes = npt.NDArray[np.uint8]
OWN_ANSWERS = "the float network's answers on the samples that calibrated the die"


Takes = Network | Program
"""It says what its inputs and outputs are."""


class Judged(NamedTuple):
    """Codes uint8 (n, inputs), what they should give, and where both are from.

    ``labels`` are classes, integers (n,), or targets float64 (n, outputs) in the model's unit.
    """

    x: Codes
    labels: npt.NDArray[Any]
    by: str

    def first(self, count: int | None) -> Judged:
        """So many of them; None: all. InputError when there are not as many."""
        if count is not None and count > len(self.x):
            raise InputError(f"count is {count}; accepted: 1..{len(self.x)}, as many as there are samples")
        return Judged(self.x[:count], self.labels[:count], self.by)


def codes_of(source: Any, of: Takes, *, codes: bool = False, what: str = "inputs") -> Codes:
    """Codes uint8 (n, inputs) for ``of``; ``InputWarning`` says how many values were held at an end.

    Raises InputError when there is no such file, or the values do not fit.
    """
    return encode(array_of(source), of.meaning, of.inputs, what=name_of(source, what), codes=codes)


def judged_samples(
    of: Takes,
    whole: Compiled | None,
    inputs: Any,
    labels: Any,
    *,
    data: str | None,
    codes: bool,
    seen: bool = True,
) -> Judged:
    """The user's samples, a data set's test samples, or what the float network says of the samples held.

    ``seen``: whether samples of a data set that calibrate where nothing else is given may be used too.
    Raises InputError when files do not fit, nothing is given and nothing is held, or there are targets and
    ``of`` does not say what its outputs stand for.
    """
    if both_or_neither(inputs, labels):
        found = Judged(
            seen_samples(of, whole, inputs, data=data, codes=codes),
            array_of(labels),
            name_of(labels, "labels"),
        )
        if len(found.labels) != len(found.x):
            raise InputError(
                f"{found.by}: {len(found.labels)} rows; accepted: {len(found.x)}, one for each input"
            )
    elif whole is not None and holds(of, data):
        found = Judged(whole.samples, answers(whole.network, whole.samples), OWN_ANSWERS)
    else:
        name = chosen_data_set(of.meaning, of.inputs, data, "inputs and labels")
        found = Judged(*(judging_set(name) if seen else unseen(name)), name)
    return found._replace(labels=_checked(found, of, name_of(labels, "labels")))


def holds(of: Takes, data: str | None) -> bool:
    """Whether the samples that calibrated stand in, as no data set is known."""
    return data is None and of.meaning.data_set is None


def seen_samples(of: Takes, whole: Compiled | None, inputs: Any, *, data: str | None, codes: bool) -> Codes:
    """Codes uint8 (n, inputs): the user's, a data set's test samples, or those held."""
    if inputs is not None:
        if data is not None:
            raise InputError("data and inputs exclude each other; accepted: one of them")
        return codes_of(inputs, of, codes=codes)
    if whole is not None and holds(of, data):
        return whole.samples
    return judging_set(chosen_data_set(of.meaning, of.inputs, data, "inputs"))[0]


def _checked(found: Judged, of: Takes, what: str) -> npt.NDArray[Any]:
    """Floats, or a row for each output, are targets; integers (n,) are classes where outputs are several."""
    labels = found.labels
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer) and of.outputs > 1:
        return check_classes(labels, len(found.x), of.outputs, what)
    values = labels.reshape(len(labels), -1) if labels.ndim else labels
    if not np.issubdtype(labels.dtype, np.number) or values.shape[1:] != (of.outputs,):
        raise InputError(
            f"{what}: {labels.dtype} {labels.shape}; accepted: classes (n,), or targets (n, {of.outputs})"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{what}: holds a value that is not finite; accepted: finite numbers")
    output_step(of, what)
    return values.astype(np.float64)


def output_step(of: Takes, what: str) -> float:
    """What one step of a program's outputs is in the model's unit. InputError where none is stored."""
    step = of.meaning.output_step
    if step is None:
        raise InputError(
            f"{what}: the program does not say what one step of its outputs is; compile it again"
        )
    return step


def answers(network: Network, x: Codes) -> npt.NDArray[Any]:
    """What a float network gives for codes: classes (n,), or of a single output its value (n,)."""
    y = network.forward(x / np.float32(255))
    if network.outputs == 1:
        return np.asarray(y[:, 0], np.float64)
    return np.asarray(y.argmax(axis=1))


def typical_samples(
    of: Takes, whole: Compiled | None, samples: Any, *, data: str | None, codes: bool
) -> Codes:
    """Codes that set converter ranges: the user's, those held, or a data set's."""
    if samples is not None:
        return codes_of(samples, of, codes=codes, what="samples")
    if whole is not None and data is None:
        return whole.samples
    return typical(chosen_data_set(of.meaning, of.inputs, data, "samples"))
