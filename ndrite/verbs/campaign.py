"""campaign: many virtual chips of one program."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from emulator.files import write_whole
from emulator.mapping.explain import rms_error
from emulator.spec.campaign import Campaign, CampaignResult
from ndrite import campaigns
from ndrite import signature as sig
from ndrite.compiled import held
from ndrite.pages import chips as drawn
from ndrite.pages.points import is_page
from ndrite.results import Summary, Table, percents
from ndrite.samples import judged_samples
from ndrite.url import connect

SAMPLES = 1000
"""Of a data set, where the caller does not say."""
GOOD = 0.85
"""Accuracy that a good chip reaches."""


@dataclass(frozen=True, eq=False, repr=False)
class Wafer(Summary):
    """What ``ndrite.campaign`` gives: how well many virtual chips of one program do.

    Attributes
    ----------
    name, board:
        The program's name, and the URL of the board.
    votes:
        Votes int64 (samples, outputs) and correct answers of every chip; None where samples have targets.
    summary:
        Plain values: mean accuracy (0..1) or rms error (the model's unit) with its 95 % interval over chips,
        yield at ``threshold`` with its own, the hardest samples, and ``accuracy_float`` or
        ``rms_error_float`` of the float network, None where it is not known.
    on_host:
        Whether chips were drawn and run on the host, since the program is no chain that fits the board.
    """

    name: str
    board: str
    votes: CampaignResult | None
    summary: dict[str, Any]
    on_host: bool
    left_out = ("accuracy_per_chip", "rms_error_per_chip", "worst_samples", "votes")

    @property
    def accuracy_per_chip(self) -> npt.NDArray[np.float64]:
        """Accuracy of every chip, float64 (chips,), 0..1; of samples with classes."""
        return np.array(self.summary["accuracy_per_chip"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"program": self.name, "board": self.board, "on_host": self.on_host, **self.summary}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON."""
        return write_whole(path, json.dumps(self.as_dict(), indent=1))

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the distribution over chips, and yield against threshold.

        The suffix is the format: ``.html`` is a page to look through (it needs plotly), else a picture.
        """
        drawn.draw(self.summary, Path(path), name=self.name)
        return Path(path)

    @property
    def title(self) -> str:
        """Program and board."""
        return f"{self.name}: virtual chips on {self.board}"

    def tables(self) -> Iterable[Table]:
        """How good the chips are, and the hardest samples."""
        yield from super().tables()
        worst = [
            (str(w["sample"]), str(w["label"]), percents(w["share_correct"]), str(w["usual_vote"]))
            for w in self.summary.get("worst_samples", ())
        ]
        if worst:
            yield Table("hardest samples", ("sample", "label", "correct votes, %", "usual vote"), worst)


@sig.verb
def campaign(
    program: sig.Source,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    picture: sig.Picture | None = None,
    board: sig.Board = "golden:",
    chips: sig.Count = 100,
    count: sig.Count | None = None,
    trials: Annotated[int, sig.Option("N", least=1, most=4096)] = 1,
    seed: sig.Seed = 0,
    threshold: Annotated[float, sig.Option("VALUE", least=0)] | None = None,
    chip: sig.ChipName | None = None,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    noise: sig.Noise = True,
    progress: sig.Stages | None = None,
) -> Wafer:
    """Accuracy, or rms error, over many virtual chips of a program.

    Every cell is drawn anew for each chip, read noise in every trial. Votes are the same on every board;
    intervals are 95 %. With an output the campaign survives Ctrl-C: the same call goes on, and may ask for
    more chips.

    Parameters
    ----------
    program:
        What `compile` wrote or gave, best with ``nominal``, or a program alone.
    output:
        JSON file to write; work in progress is kept beside it and taken up again.
    picture:
        Draw it: .svg, .png, .pdf, or .html, a page to look through.
    chips, trials:
        Virtual chips, and trials of read noise on each.
    count:
        First so many samples. Default: all of your own, 1000 of a data set.
    seed:
        Which wafer: chips 0, 1, ... of a seed are the same on every board.
    threshold:
        Accuracy, 0..1, that a good chip reaches (default: 0.85), or the greatest rms error of one.
    chip:
        Chip whose cells' spread to draw from, where the program was not compiled with ``nominal``; default:
        the one it was compiled for.

    Examples
    --------
    $ ndrite campaign mine --chips 1000 -o campaign.json -p campaign.svg
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "dendritic-ndr", nominal=True)
    >>> wafer = ndrite.campaign(compiled, chips=3, count=20)
    >>> wafer.accuracy_per_chip.shape
    (3,)
    """
    if picture is not None:
        is_page(Path(picture), chips)
    given, whole = held(program)
    what = campaigns.with_variation(given, chip)
    found = judged_samples(what, whole, inputs, labels, data=data, codes=codes)
    if count is None and inputs is None:
        count = min(SAMPLES, len(found.x))
    x, y, by = found.first(count)
    plan = Campaign(chips=chips, trials=trials, seed=seed, noise=noise)
    state = None if output is None else Path(output).with_name(f".{Path(output).name}.part.npz")
    stage = progress or sig.silent
    votes, on_host = None, True
    said: dict[str, Any] = {"chips": chips, "samples": len(x), "trials": trials, "seed": seed}
    with connect(board) as chosen:
        if y.ndim == 2:
            with stage("chips") as report:
                _, errors = campaigns.run_campaign(chosen, what, x, y, plan, state=state, progress=report)
            said |= campaigns.spread("rms_error", errors)
            said |= {} if threshold is None else campaigns.chip_yield(errors <= threshold, threshold)
            floats = None if whole is None else whole.network.forward(x / np.float32(255))
            said |= {"rms_error_float": None if floats is None else rms_error(floats, y)}
        else:
            with stage("programming") as report:
                chosen.program(what, progress=report)
            on_host = campaigns.warn_of_host(chosen)
            with stage("chips") as report:
                answers = campaigns.run_campaign(chosen, what, x, y, plan, state=state, progress=report)
            votes = CampaignResult(*answers, trials, seed, plan.first_chip)
            said |= campaigns.summary(votes, y, threshold=GOOD if threshold is None else threshold)
            said |= {"accuracy_float": None if whole is None else whole.network.accuracy(x, y)}
    said |= {"noise": noise, "judged_by": by}
    wafer = Wafer(what.name, board, votes, said, on_host)
    if picture is not None:
        wafer.plot(picture)
    if output is not None and state is not None:
        wafer.save(output)
        state.unlink(missing_ok=True)
    return wafer
