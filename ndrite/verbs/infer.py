"""infer: runs inputs through a program on a board."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from ndrite import signature as sig
from ndrite.compiled import held
from ndrite.emulator.spec.task import LABELS, VALUES, Task
from ndrite.evaluations import ran
from ndrite.files import save_array
from ndrite.host.inputs import check_inputs
from ndrite.labels import task_by
from ndrite.results import Summary, Table
from ndrite.samples import output_step, seen_samples
from ndrite.url import connect


@dataclass(frozen=True, eq=False, repr=False)
class Answers(Summary):
    """The result of ``ndrite.infer``: the program's outputs for all inputs.

    ``outputs`` (n, outputs) is int32, the chip's sums, or float64 in the model's unit;
    ``summary`` says where they are from. ``task``: what they mean; None where the
    program does not say. ``step``: what 1 of ``outputs`` is in the model's unit.
    """

    outputs: npt.NDArray[np.int32] | npt.NDArray[np.floating]
    summary: dict[str, Any]
    task: Task | None = None
    step: float = 1.0

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the outputs as an ``.npy`` file, in whole or not at all; ``-``
        is standard output."""
        return save_array(path, self.outputs)

    def tables(self) -> Iterable[Table]:
        task = self.task
        if task is None or task.kind == VALUES or not task.classes:
            return
        answers = task.answers(self.outputs * self.step)
        votes = (
            answers.sum(axis=0)
            if task.kind == LABELS
            else np.bincount(answers.ravel(), minlength=len(task.names))
        )
        rows = [(name, str(n)) for name, n in zip(task.names, votes, strict=True)]
        yield Table("answers", ("class", "samples" if task.places == 1 else "places"), rows)

    def lines(self) -> Iterable[str]:
        n, outputs = self.outputs.shape
        yield f"{n} inferences of {outputs} outputs, on {self.summary['board']}"
        yield from (f"on the host, not in gateware: {line}" for line in self.summary["on_host"])


@sig.verb
def infer(
    program: sig.Runs,
    /,
    inputs: sig.Inputs | None = None,
    *,
    output: sig.Output | None = None,
    model_unit: bool = False,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    board: sig.Board = "golden:",
    seed: sig.Seed = 0,
    first_index: Annotated[int, sig.Option("N", least=0, most=(1 << 32) - 1)] = 0,
    noise: sig.Noise = True,
    progress: sig.Stages = sig.silent,
) -> Answers:
    """Run inputs through a program on a board.

    Parameters
    ----------
    inputs:
        Inputs (n, inputs); ``-`` is standard input. Default: test samples of the data
        set that the network names, else the samples that calibrated the die.
    output:
        ``.npy`` file of the outputs (n, outputs), written in whole or not at all; ``-``
        is standard output.
    model_unit:
        Return outputs as float64 in the model's unit, for a regression; default: the
        chip's int32 sums.
    first_index:
        Inference index of the first sample; together with the seed it selects the read noise.

    Examples
    --------
    $ ndrite infer mine --inputs x.npy --board sim: --seed 7 -o y.npy
    > make_inputs | ndrite infer mine --inputs - -o - > y.npy
    >>> import ndrite
    >>> x, labels = ndrite.networks.judging_set("fashion-mnist")
    >>> found = ndrite.infer(ndrite.load(), x[:3], seed=7)
    >>> found.outputs.shape
    (3, 10)
    """
    # The program is loaded before the board is opened: a wrong file should not cost the
    # compilation of a simulated board.
    loaded, compiled = held(program)
    x = seen_samples(loaded, compiled, inputs, data=data, codes=codes)
    x = check_inputs(x, loaded, seed=seed, first_index=first_index, noise=noise)
    step = output_step(loaded, loaded.name) if model_unit else None
    with connect(board) as chosen:
        with progress("programming") as report:
            chosen.program(loaded, progress=report)
        with progress("inference") as report:
            y = chosen.infer(x, seed=seed, first_index=first_index, noise=noise, progress=report)
        on_host = list(ran(chosen)["on_host"])
    summary = {
        "program": loaded.name,
        "board": board,
        "inferences": len(y),
        "outputs": y.shape[1],
        "seed": seed,
        "first_index": first_index,
        "noise": noise,
        "on_host": on_host,
    }
    task, output_unit = task_by(loaded.meaning, loaded.map_shapes[-1]), loaded.meaning.output_step or 1.0
    answers = Answers(y if step is None else y * step, summary, task, output_unit if step is None else 1.0)
    if output is not None:
        answers.save(output)
    return answers
