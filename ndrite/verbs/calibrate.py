"""calibrate: tune the neurons of a programmed chip by ECRAM pulses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.learning.tuning import Plan
from emulator.mapping.explain import accuracy
from emulator.spec.brief import brief_repr
from host import InputError
from ndrite.calibration import calibrate_board
from ndrite.compiled import Compiled
from ndrite.files import array_of, name_of
from ndrite.intervals import proportion
from ndrite.labelled import check_classes, chosen_data_set, data_set
from ndrite.results import Result, Table, shown
from ndrite.samples import OWN_ANSWERS, answers, codes_of
from ndrite.signature import (
    Board,
    Codes,
    Count,
    DataSet,
    Folder,
    Inputs,
    Labels,
    Noise,
    Option,
    Output,
    Seed,
    Source,
    Whole,
    verb,
)
from ndrite.sources import compiled_of
from ndrite.stages import Stages, silent
from ndrite.url import connect

HELD = 4
"""One of so many of the samples that a file holds is measured on, where nothing else is given."""


@dataclass(frozen=True, eq=False)
class Calibrated(Result):
    """What ``ndrite.calibrate`` gives: the tuned ``compiled``, and ``summary``, plain values."""

    __repr__ = brief_repr

    compiled: Compiled
    board: str
    summary: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Accuracies (0..1) before and after with intervals, pulses, cross entropy."""
        return {"board": self.board, "tag": f"{self.compiled.program.tag:08x}", **self.summary}

    def tables(self) -> Iterable[Table]:
        """The same in words."""
        rows = [(name, shown(value)) for name, value in self.as_dict().items()]
        yield Table(f"{self.compiled.program.name} on {self.board}", ("quantity", "value"), rows)


class Learned(NamedTuple):
    """Samples and classes to learn from and to measure on, and where they are from."""

    x: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]
    test_x: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[Any]
    by: str


@verb
def calibrate(
    program: Source,
    /,
    inputs: Inputs | None = None,
    labels: Labels | None = None,
    *,
    output: Output | None = None,
    board: Board = "golden:",
    method: Literal["gradient", "sign", "perturb"] = "gradient",
    steps: Annotated[int, Option("N", least=0, most=100_000)] = 40,
    batch: Count = 1000,
    rate: Annotated[float, Option("SHARE", least=1e-5, most=1)] = 0.01,
    read_cells: bool = False,
    learning_seed: Whole = 0,
    measure: Count = 1000,
    data: DataSet | None = None,
    folder: Folder | None = None,
    codes: Codes = False,
    seed: Seed = 0,
    noise: Noise = True,
    progress: Stages | None = None,
) -> Calibrated:
    """Tune a programmed chip's neurons by ECRAM pulses.

    Forward passes run on the board, with its errors and noise. The host turns the outputs into pulse counts
    for the ECRAM of each neuron or basis, whose nonlinear, noisy, bounded update decides what they do. New
    curves are written to the board; weights are not touched. The same call gives the same program on every
    board. After Ctrl-C nothing is written.

    Parameters
    ----------
    program:
        What `compile` wrote or gave, for a chip with ECRAM at its neurons.
    inputs, labels:
        Samples (n, inputs) and classes (n,) to learn from; the last of them are measured on. Default:
        training and test samples of the data set that the network names, else the samples that calibrated
        the die, with the float network's answers.
    output:
        File to write: the same network on the tuned die.
    board:
        URL of the board that forward passes run on.
    method:
        gradient, its sign alone, or perturb, which needs no model.
    steps, batch:
        Updates, and samples of each.
    rate:
        Largest change of an ECRAM's state in an update, of its range.
    read_cells:
        Gradients go back through the cells as a test read shows them, not through the float weights.
    learning_seed:
        Of batches and pulse noise.
    measure:
        Samples to measure on before and after, at most: the first of the test set; of own samples the last,
        which are then not learned from.
    folder:
        Folder with the data set's original files.

    Examples
    --------
    $ ndrite calibrate mine -o tuned
    > ndrite calibrate mine --method perturb --steps 200 --board sim: -o tuned
    >>> import ndrite
    >>> network = ndrite.networks.shipped_network()
    >>> compiled = ndrite.compile(network, "dendritic-ndr+ecram-pair")
    >>> x, labels = ndrite.networks.judging_set("fashion-mnist")
    >>> tuned = ndrite.calibrate(compiled, x[:200], labels[:200], steps=1, batch=50, measure=50)
    >>> tuned.summary["learned_from"]
    150
    """
    whole = compiled_of(program)
    given = _data(whole, inputs, labels, data=data, folder=folder, codes=codes, count=measure)
    plan = Plan(steps=steps, batch=batch, rate=rate, method=method, seed=learning_seed)
    stage = progress or silent
    with connect(board) as chosen:
        with stage("programming") as report:
            chosen.program(whole.program, progress=report)
        before = accuracy(chosen.infer(given.test_x, seed=seed, noise=noise), given.test_labels)
        with stage("updates") as report:
            result = calibrate_board(
                chosen,
                whole.program,
                whole.die,
                None if method == "perturb" else whole.network,
                given.x,
                given.labels,
                plan=plan,
                seed=seed,
                noise=noise,
                cells=read_cells,
                progress=report,
            )
        after = accuracy(chosen.infer(given.test_x, seed=seed, noise=noise), given.test_labels)
    how = {**dataclasses.asdict(plan), "read_cells": read_cells, "pulses_total": result.pulses_total}
    tuned = whole.on(result.die, calibration={**how, "samples": len(given.x)})
    if output is not None:
        tuned.save(output)
    summary = {
        "accuracy_before": before,
        "accuracy_before_interval_95": proportion(before, len(given.test_x)),
        "accuracy_after": after,
        "accuracy_after_interval_95": proportion(after, len(given.test_x)),
        "measured_on": len(given.test_x),
        "learned_from": len(given.x),
        "judged_by": given.by,
        "steps": steps,
        "pulses": result.pulses_total,
        "cross_entropy_first": result.losses[0] if result.losses else None,
        "cross_entropy_last": result.losses[-1] if result.losses else None,
    }
    return Calibrated(tuned, board, summary)


def _data(
    whole: Compiled, inputs: Any, labels: Any, *, data: Any, folder: Any, codes: bool, count: int
) -> Learned:
    if (inputs is None) != (labels is None):
        raise InputError("inputs and labels belong together; accepted: both or neither")
    what = whole.program
    if inputs is None and data is None and what.meaning.data_set is None:
        x, y, by = whole.samples, answers(whole.network, whole.samples), OWN_ANSWERS
        count = min(count, max(1, len(x) // HELD))
    elif inputs is None:
        name = chosen_data_set(what.meaning, what.inputs, data, "inputs and labels")
        found = data_set(name, folder)
        return Learned(found.x, found.labels, found.test_x[:count], found.test_labels[:count], name)
    else:
        by = name_of(labels, "labels")
        x, y = codes_of(inputs, what, codes=codes), array_of(labels)
    check_classes(y, len(x), what.outputs, by)
    if count >= len(x):
        raise InputError(f"measure is {count}; accepted: 1..{len(x) - 1}, less than the samples")
    return Learned(x[:-count], y[:-count], x[-count:], y[-count:], by)
