"""calibrate: tune the neurons of a programmed chip by ECRAM pulses."""

import dataclasses
import os
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from ndrite import samples as kept
from ndrite import signature as sig
from ndrite.compiled import Compiled, LearnedOn, compiled_of
from ndrite.emulator.learning import tuning
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.mapping import Die
from ndrite.emulator.mapping.explain import accuracy
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.task import ACCURACY
from ndrite.host import BoardApi, InputError
from ndrite.host.api import Progress
from ndrite.intervals import proportion
from ndrite.url import connect

HELD, MEASURED = 4, 1000
"""Default of ``measure`` for a user's own samples: one of HELD samples is measured on,
at most MEASURED samples in all."""
LEARNING_SEED = 1 << 32
"""Added to the read-noise seed while learning, so that tuning never sees the noise
of the measurement."""
CORRECTED_ON = 2000
"""Number of samples, the last ones, on which the columns of the model of the
die are corrected."""


@sig.verb
def calibrate(
    program: sig.Source,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    board: sig.Board = "golden:",
    method: Literal["gradient", "sign", "perturb"] = "gradient",
    steps: Annotated[int, sig.Option("N", least=1, most=100_000)] = 40,
    batch: sig.Count = 1000,
    rate: Annotated[float, sig.Option("SHARE", least=1e-5, most=1)] = 0.01,
    read_cells: bool = False,
    learning_seed: sig.Whole = 0,
    measure: sig.Count | None = None,
    data: sig.DataSet | None = None,
    folder: sig.OriginalFiles | None = None,
    codes: sig.Codes = False,
    seed: sig.Seed = 0,
    noise: sig.Noise = True,
    progress: sig.Stages = sig.silent,
) -> LearnedOn:
    """Tune a programmed chip's neurons by ECRAM pulses.

    Forward passes run on the board, with its errors and noise. From the outputs the
    host computes pulse counts for the ECRAM of each neuron or basis; the pulses change
    the ECRAM's state by its nonlinear, noisy, bounded law. The new curves are written
    to the board; weights do not change. The same call gives the same program on every
    board. After Ctrl-C no file is written.

    Parameters
    ----------
    program:
        A result of `compile` or its file, for a chip with ECRAM at its neurons.
    inputs, labels:
        Samples (n, inputs) and classes (n,) to learn from; the last of them are kept
        to measure on. Default: training and test samples of the data set that the
        network names, else the samples that calibrated the die, with the float
        network's answers.
    output:
        File to write: the same network on the tuned die.
    method:
        gradient, the gradient's sign alone, or perturb, which needs no model.
    steps, batch:
        Number of updates, and of samples in each.
    rate:
        Largest change of an ECRAM's state in an update, as a fraction of its range.
    read_cells:
        Compute gradients with the cells as a test read shows them, not with the float weights.
    learning_seed:
        Seed of the ECRAMs' spread, the batches and the pulse noise.
    measure:
        Number of samples to measure on before and after. From a data set they are the
        first test samples (default: 1000). From your own samples they are the last ones
        (default: a quarter, at most 1000), and these are not learned from.

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
    if read_cells and method == "perturb":
        raise InputError(
            "read_cells needs gradients, which method perturb does not compute; accepted: gradient or sign"
        )
    compiled = compiled_of(program)
    labelled = _data(compiled, kept.EvaluationSet(inputs, labels, data, codes, ACCURACY), folder, measure)
    plan = tuning.Plan(steps=steps, batch=batch, rate=rate, method=method, seed=learning_seed)
    with connect(board) as chosen:
        with progress("programming") as report:
            chosen.program(compiled.program, progress=report)
        before = accuracy(chosen.infer(labelled.test_x, seed=seed, noise=noise), labelled.test_labels)
        with progress("updates") as report:
            result = calibrate_board(
                chosen,
                compiled.program,
                compiled.die,
                None if method == "perturb" else compiled.network,
                labelled.x,
                labelled.labels,
                plan=plan,
                seed=seed,
                noise=noise,
                cells=read_cells,
                progress=report,
            )
        after = accuracy(chosen.infer(labelled.test_x, seed=seed, noise=noise), labelled.test_labels)
    calibration = {**dataclasses.asdict(plan), "read_cells": read_cells, "pulses_total": result.pulses_total}
    tuned = compiled.on(result.die, calibration={**calibration, "samples": len(labelled.x)})
    if output is not None:
        tuned.save(output)
    summary = {
        "accuracy_before": before,
        "accuracy_before_interval_95": proportion(before, len(labelled.test_x)),
        "accuracy_after": after,
        "accuracy_after_interval_95": proportion(after, len(labelled.test_x)),
        "measured_on": len(labelled.test_x),
        "learned_from": len(labelled.x),
        "judged_by": labelled.name,
        "steps": steps,
        "pulses": result.pulses_total,
        "cross_entropy_first": result.losses[0] if result.losses else None,
        "cross_entropy_last": result.losses[-1] if result.losses else None,
    }
    return LearnedOn(tuned, board, summary)


def _data(
    whole: Compiled, wanted: kept.EvaluationSet, folder: sig.PathName | None, count: int | None
) -> Labelled:
    program, data = whole.program, wanted.data
    own_samples = wanted.inputs is not None or wanted.labels is not None
    if not own_samples and not kept.holds(program, data):
        name = kept.chosen_data_set(program.meaning, program.inputs, data, "inputs and labels")
        labelled = kept.data_set(name, None if folder is None else os.fspath(folder))
        x = kept.first(labelled.test_x, count, MEASURED, "measure")
        return dataclasses.replace(labelled, test_x=x, test_labels=labelled.test_labels[: len(x)])
    x, y, by, task = kept.judged_samples(program, whole, wanted)
    if not task.is_vote:
        raise InputError(
            f"outputs are {task.kind}; accepted: one output per class, of which the largest wins"
        )
    kept.warn_of_order(y, by)
    count = min(MEASURED, max(1, len(x) // HELD)) if count is None else count
    return Labelled(by, x, y, x[:0], y[:0]).held_out(count, "measure")


def calibrate_board(
    board: BoardApi,
    program: Program,
    die: Die,
    network: Network | None,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    *,
    plan: tuning.Plan,
    seed: int = 0,
    noise: bool = True,
    cells: bool = False,
    progress: Progress | None = None,
) -> tuning.CalibrationResult:
    """Tune the neurons of ``die`` on ``board``; at the end the board holds the tuned program.

    Raises CompileError when the program's chip has no ECRAM, or the network is no
    chain. Raises HostError as ``BoardApi.program`` and ``infer``.

    ``network``: the float network the program was compiled from; None only with
    ``plan.method`` perturb; ``x``, ``labels``: labelled samples to learn from, uint8
    (n, inputs) and (n,); ``seed``, ``noise``: read noise of the forward passes, as
    ``BoardApi.infer``; ``cells``: whether gradients go back through the cells as a test
    read shows them, instead of the network's weights.
    """
    chip = tuning.Tunable(program, die)
    learner = None if network is None else tuning.Learner(network, chip, cells=cells)
    if learner is not None and cells and die.mitigation.bias_correction:
        learner.correct(x[-CORRECTED_ON:], die.chip, die.mitigation)
    low = (seed + LEARNING_SEED) % (1 << 64)

    def infer(batch: npt.NDArray[np.uint8], first: int) -> npt.NDArray[np.int32]:
        return board.infer(batch, seed=low, first_index=first % (1 << 32), noise=noise)

    load = board.program
    return tuning.calibrate(chip, learner, x, labels, infer=infer, load=load, plan=plan, progress=progress)
