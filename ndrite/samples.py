"""The samples that a task works on: a user's array or file, or the data set that the network names."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emulator.spec import Program
from emulator.spec.meaning import Meaning
from host import InputError
from ndrite.arrays import load_array
from ndrite.inputs import InputWarning, encode
from ndrite.labelled import check_classes, chosen_data_set, judging_set, typical, unseen
from ndrite.shipped import shipped_samples

Codes = npt.NDArray[np.uint8]
Labels = npt.NDArray[Any]
Source = npt.NDArray[Any] | str | os.PathLike[str]
"""An array, or the path of an ``.npy`` file."""


class Takes(Protocol):
    """A network or a program: it says what its inputs and outputs are."""

    @property
    def meaning(self) -> Meaning: ...

    @property
    def inputs(self) -> int: ...

    @property
    def outputs(self) -> int: ...


def array_of(source: Any) -> npt.NDArray[Any]:
    """The array itself, of a tensor its values, or what the file holds.

    Raises
    ------
    InputError
        When there is no such file or it is no plain NumPy array.
    """
    if isinstance(source, str | os.PathLike):
        return load_array(Path(source))
    return np.asarray(source.detach().cpu().numpy() if hasattr(source, "detach") else source)


def name_of(source: Any, what: str) -> str:
    """What an error calls it: the file's path, or ``what``."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else what


def codes_of(source: Any, of: Takes, *, codes: bool = False, what: str = "inputs") -> Codes:
    """Codes uint8 (n, inputs) for ``of``; ``InputWarning`` says how many values were held at an end.

    Raises
    ------
    InputError
        When there is no such file, or the values do not fit.
    """
    name = name_of(source, what)
    encoded = encode(array_of(source), of.meaning, of.inputs, what=name, codes=codes)
    if encoded.warning is not None:
        warnings.warn(f"{name}: {encoded.warning}", InputWarning, stacklevel=3)
    return encoded.codes


def judged_samples(
    of: Takes, inputs: Any, labels: Any, *, data: str | None, codes: bool, seen: bool = True
) -> tuple[Codes, Labels]:
    """Codes uint8 (n, inputs) and labels (n,): the user's, or a data set's test samples.

    ``seen``: whether those too that calibrate where nothing else is given.

    Raises
    ------
    InputError
        When files do not fit, or nothing is given and the network names no data set.
    """
    if (inputs is None) != (labels is None):
        raise InputError("--inputs and --labels belong together; accepted: both or neither")
    if inputs is not None:
        if data is not None:
            raise InputError("--data and --inputs exclude each other; accepted: one of them")
        return codes_of(inputs, of, codes=codes), array_of(labels)
    name = chosen_data_set(of.meaning, of.inputs, data, "--inputs X.npy and --labels Y.npy")
    return judging_set(name) if seen else unseen(name)


def classed_samples(
    of: Takes, inputs: Any, labels: Any, *, data: str | None, codes: bool, seen: bool = True
) -> tuple[Codes, Labels]:
    """As ``judged_samples``, and the labels are classes that ``of`` has."""
    x, y = judged_samples(of, inputs, labels, data=data, codes=codes, seen=seen)
    return x, check_classes(y, len(x), of.outputs, name_of(labels, "labels"))


def seen_samples(of: Takes, inputs: Any, *, data: str | None, codes: bool) -> Codes:
    """Codes uint8 (n, inputs): the user's, or a data set's test samples; errors as ``judged_samples``."""
    if inputs is None:
        return judging_set(chosen_data_set(of.meaning, of.inputs, data, "--inputs X.npy"))[0]
    if data is not None:
        raise InputError("--data and --inputs exclude each other; accepted: one of them")
    return codes_of(inputs, of, codes=codes)


def typical_samples(of: Takes, samples: Any, *, data: str | None, codes: bool) -> Codes:
    """Codes that set converter ranges: the user's, or a data set's; errors as ``judged_samples``."""
    if samples is not None:
        return codes_of(samples, of, codes=codes, what="samples")
    return typical(chosen_data_set(of.meaning, of.inputs, data, "--samples X.npy"))


def calibrating_samples(of: Takes, samples: Any, inputs: Any, *, data: str | None, codes: bool) -> Codes:
    """As ``typical_samples``: of the shipped program those it was calibrated on, where they are there.

    Own ``inputs`` to judge any other by need ``samples`` of their own.
    """
    if samples is None and isinstance(of, Program):
        shipped = shipped_samples(of)
        if shipped is not None:
            return shipped
    if inputs is not None and samples is None:
        raise InputError(
            "--samples is missing; accepted: a file or an array, as the inputs are your own data"
        )
    return typical_samples(of, samples, data=data, codes=codes)
