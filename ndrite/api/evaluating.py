"""evaluate: how well a program does on a board, and whether the board is right in every bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from host import InputError
from ndrite.api.sources import network_from, program_from
from ndrite.evaluations import Evaluation, Targets, steps_on_host, swaps, targets_of
from ndrite.evaluations import evaluate as judge
from ndrite.labelled import check_classes
from ndrite.samples import judged_samples, name_of
from ndrite.shipped import network_of
from ndrite.stages import Stages, silent
from ndrite.url import connect

RTL_IMAGES = 500
"""Samples where the caller does not say, on anything slower than the golden model."""


def evaluate(
    program: Any,
    inputs: Any = None,
    labels: Any = None,
    *,
    board: str = "golden:",
    images: int | None = None,
    network: Any = None,
    data: str | None = None,
    codes: bool = False,
    seed: int = 0,
    noise: bool = True,
    progress: Stages | None = None,
) -> Evaluation:
    """Judge a program by labelled samples on a board, and compare every bit with the golden model.

    Parameters
    ----------
    program:
        A program's file, what ``ndrite.compile`` gives, or a ``Program``.
    inputs, labels:
        Samples (n, inputs) with classes (n,), or targets float (n, outputs) in the model's unit; arrays or
        ``.npy`` files. Default: test samples of the data set that the network names.
    board:
        URL, as for ``ndrite.connect``.
    images:
        First so many samples; default: all on ``golden:``, 500 elsewhere.
    network:
        The float network, to be judged beside it; the shipped one is known.
    seed, noise:
        Read-noise seed, and whether there is read noise.
    progress:
        Told of the stages ``programming`` and ``inference``.

    Raises
    ------
    InputError, EmulatorError, SpecError, FileNotFoundError
        When samples, program or network cannot be used.
    HostError
        When the board fails.

    Examples
    --------
    >>> import ndrite
    >>> found = ndrite.evaluate(ndrite.shipped_program(), images=100)
    >>> found.images, found.mismatches
    (100, 0)
    """
    what = program_from(program)
    x, y = judged_samples(what, inputs, labels, data=data, codes=codes)
    name = name_of(labels, "labels")
    if len(y) != len(x):
        raise InputError(f"{name}: {len(y)} rows; accepted: {len(x)}, one for each input")
    targets = targets_of(y, what, name)
    if targets is None:
        check_classes(y, len(x), what.outputs, name)
    floats = network_of(what, None if network is None else network_from(network))
    count = images
    if count is None:
        count = len(x) if board.startswith("golden:") else min(RTL_IMAGES, len(x))
    if count > len(x):
        raise InputError(f"--images is {count}; accepted: 1..{len(x)}")
    x = x[:count]
    judged = y[:count] if targets is None else Targets(targets.values[:count], targets.step)
    stage = progress or silent
    with connect(board) as chosen:
        answers = None if floats is None else floats.forward(x / np.float32(255))
        with stage("programming") as report:
            chosen.program(what, progress=report)
        with stage("inference") as report:
            found = judge(chosen, what, x, judged, seed=seed, noise=noise, floats=answers, progress=report)
        where: dict[str, Any] = {"on_host": tuple(steps_on_host(chosen)), **swaps(chosen)}
    return dataclasses.replace(found, **where)
