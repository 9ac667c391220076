"""campaign: runs many virtual chips of one program in resumable ranges, and
summarises their votes."""

import json
import os
import shutil
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from ndrite import signature as sig
from ndrite.compiled import held
from ndrite.emulator.device.description import Chip, load_chip, parse_chip
from ndrite.emulator.mapping.weights import variation_of
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.task import MEASURES
from ndrite.emulator.spec.variation import Campaign, CampaignResult
from ndrite.host import InputError
from ndrite.intervals import proportion, spread
from ndrite.pages import drawing, figures
from ndrite.results import Found, Summary, share_done
from ndrite.runs import GOLDEN, execute, folder_beside, open_workers
from ndrite.samples import EvaluationSet, judged_samples
from ndrite.url import urls
from ndrite.wafers import judge_wafer

SAMPLES = 1000
"""Number of samples of a data set that are used if the caller does not give ``count``."""
GOOD = 0.85
"""Default of the lowest accuracy of a good chip."""
ON_HOST = (
    "virtual chips are drawn and run on the host, not in gateware: the program is not a chain of full layers "
    "that fits"
)


@dataclass(frozen=True, eq=False, repr=False)
class Wafer(Summary):
    """The result of ``ndrite.campaign``: the scores of many virtual chips of one program.

    Attributes
    ----------
    name, board:
        The program's name, and the URL of the board.
    votes:
        Votes int64 (samples, outputs) and correct answers of every chip; None where an
        answer is not the largest of all outputs.
    summary:
        Plain values: mean of the measure (accuracy 0..1, an rms error in the model's
        unit) with its 95 % interval over chips, yield at ``threshold`` with its own,
        and the float network's (``accuracy_float``, ..), None where it is not known.
    on_host:
        Whether chips were sampled and run on the host, since the program is not a chain
        that fits the board.
    """

    name: str
    board: str
    votes: CampaignResult | None
    summary: dict[str, Any]
    on_host: bool
    heading = "{name}: virtual chips on {board}"
    left_out = (*(f"{name}_per_chip" for names in MEASURES.values() for name in names), "votes")

    @property
    def accuracy_per_chip(self) -> npt.NDArray[np.float64]:
        """Return the accuracy (0..1) of every chip, float64 (chips,). Only for samples
        that have classes."""
        return np.array(self.summary["accuracy_per_chip"])

    def as_dict(self) -> dict[str, Any]:
        return {"program": self.name, "board": self.board, "on_host": self.on_host, **self.summary}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result of the campaign as JSON."""
        return write_whole(path, json.dumps(self.as_dict(), indent=1))

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the distribution of scores over chips, and the yield against its
        threshold; the file's suffix is the format."""
        return drawing.save(figures.chips(self.summary), path)


@sig.verb
def campaign(
    program: sig.Source,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    picture: sig.Picture | None = None,
    board: sig.Boards = GOLDEN,
    chips: sig.Count = 100,
    count: sig.Count | None = None,
    measure: sig.Measure | None = None,
    trials: Annotated[int, sig.Option("N", least=1, most=4096)] = 1,
    seed: sig.Seed = 0,
    threshold: Annotated[float, sig.Option("VALUE", least=0)] | None = None,
    chip: sig.ChipName | None = None,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    noise: sig.Noise = True,
    workers: sig.Workers = 1,
    scheduler: sig.Scheduler | None = None,
    shard: sig.Shard | None = None,
    progress: sig.Stages = sig.silent,
    announce: sig.Announce = sig.unheard,
) -> Wafer | Found:
    """Measure accuracy or error over many virtual chips of a program.

    Every cell is drawn anew for each chip, and read noise in every trial. Votes are the
    same on every board; intervals are 95 %. With an output the campaign survives
    Ctrl-C: the same call continues it, and may ask for more chips.

    Parameters
    ----------
    program:
        A result of `compile` or its file, best compiled with ``nominal``, or a program alone.
    output:
        JSON file to write; finished ranges of chips are kept beside it until then.
    chips, trials:
        Number of virtual chips, and of trials of read noise on each.
    count:
        Number of samples, the first ones. Default: all of your own, 1000 of a data set.
    seed:
        Seed of the wafer: chips 0, 1, ... of a seed are the same on every board.
    threshold:
        Lowest accuracy, 0..1, of a good chip (default: 0.85), or its largest rms error.
    chip:
        Chip whose cell variation is sampled, if the program was not compiled with
        ``nominal``; default: the chip that the program was compiled for.

    Examples
    --------
    $ ndrite campaign mine --chips 1000 -o campaign.json -p campaign.svg
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "dendritic-ndr", nominal=True)
    >>> wafer = ndrite.campaign(compiled, chips=3, count=20)
    >>> wafer.accuracy_per_chip.shape
    (3,)
    """
    given_program, compiled = held(program)
    varied = with_variation(given_program, chip)
    samples = judged_samples(varied, compiled, EvaluationSet(inputs, labels, data, codes, measure))
    x, y, by, task = samples.first(count, SAMPLES if inputs is None else None)
    if task.is_share and threshold is not None and threshold > 1:
        raise InputError(f"threshold is {threshold}; accepted: 0..1, an accuracy")
    plan = Campaign(chips=chips, trials=trials, seed=seed, noise=noise)
    boards = urls(board)
    with (
        folder_beside(output, shard) as folder,
        open_workers(workers, scheduler, boards=boards, needs=["ndrite.wafers"]) as opened,
    ):
        judged = samples._replace(x=x, labels=y)
        carry_out = partial(execute, folder=folder, share=shard, say=announce)
        counted = judge_wafer(varied, judged, plan, opened, progress, carry_out)
        if counted is None:
            return share_done(shard)
    votes, scores = None, counted.scores.astype(np.float64)
    if task.is_vote and counted.on_host:
        warnings.warn(ON_HOST, CampaignWarning, stacklevel=2)
    summary: dict[str, Any] = {"chips": chips, "samples": len(x), "trials": trials, "seed": seed}
    if task.is_vote:
        votes = CampaignResult(counted.votes, counted.scores.astype(np.int64), trials, seed, plan.first_chip)
        scores = votes.accuracy_per_chip
        summary |= {"votes": counted.votes.tolist()}
    summary |= spread(task.measure, scores)
    if task.is_share:
        good = GOOD if threshold is None else threshold
        summary |= chip_yield(scores >= good, good)
    elif threshold is not None:
        summary |= chip_yield(scores <= threshold, threshold)
    floats = None if compiled is None else compiled.network.forward(x / np.float32(255))
    summary |= {f"{task.measure}_float": None if floats is None else task.score(floats, y)}
    summary |= {"noise": noise, "judged_by": by}
    wafer = Wafer(varied.name, ", ".join(boards), votes, summary, counted.on_host)
    if picture is not None:
        wafer.plot(picture)
    if output is not None:
        wafer.save(output)
        shutil.rmtree(folder, ignore_errors=True)  # ignore_errors: another call may remove it too
    return wafer


class CampaignWarning(UserWarning):
    """Warning: the campaign has a property that a user may not expect."""


def with_variation(program: Program, chip: Chip | str | os.PathLike[str] | None) -> Program:
    """Return ``program`` with the random cell variation that ``chip`` describes.
    Without ``chip``, the program keeps its own variation; if it has none, the chip that
    it was compiled for provides it.

    Raises InputError when the program names no chip and none is given. Raises ChipError
    when there is no such chip.
    """
    if program.variation is not None and chip is None:
        return program
    if chip is not None:
        chosen = chip if isinstance(chip, Chip) else load_chip(chip)
    elif isinstance(program.provenance.get("chip"), dict):
        chosen = parse_chip(program.provenance["chip"])
        warnings.warn(
            f"this program was compiled for one individual chip of {chosen.name!r}: its cells, errors "
            "included, are the targets; compile with nominal to avoid this",
            CampaignWarning,
            stacklevel=3,
        )
    else:
        raise InputError("the program names no chip; give chip, whose cell variation is sampled")
    return replace(program, variation=variation_of(chosen))


def chip_yield(passed: npt.NDArray[np.bool_], threshold: float) -> dict[str, Any]:
    """Return the fraction of the chips that ``passed``, with its 95 % interval
    by Wilson's score."""
    n, good = len(passed), int(passed.sum())
    return {"threshold": threshold, "yield": good / n, "yield_interval_95": proportion(good / n, n)}
