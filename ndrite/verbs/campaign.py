"""campaign: many virtual chips of one program, in resumable pieces, and what their votes say."""

import json
import os
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from ndrite import signature as sig
from ndrite.compiled import held
from ndrite.emulator.device.description import Chip, load_chip, parse_chip
from ndrite.emulator.golden.noise import virtual_chip
from ndrite.emulator.mapping.weights import variation_of
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.archive import digest
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.state_file import load_state, save_state
from ndrite.emulator.spec.task import MEASURES, RMS_ERROR, Task
from ndrite.emulator.spec.variation import Campaign, CampaignResult, inference_index
from ndrite.host import BoardApi, InputError
from ndrite.host.api import Progress
from ndrite.intervals import mean_interval, proportion
from ndrite.pages import drawing, figures
from ndrite.results import Summary
from ndrite.samples import judged_samples
from ndrite.url import connect

SAMPLES = 1000
"""Of a data set, where the caller does not say."""
GOOD = 0.85
"""Accuracy that a good chip reaches."""
PIECE_CHIPS = 16
"""Chips between two saved states: what an interruption costs at most."""
ON_HOST = (
    "virtual chips are drawn and run on the host, not in gateware: the program is no chain of full layers "
    "that fits"
)


@dataclass(frozen=True, eq=False, repr=False)
class Wafer(Summary):
    """The result of ``ndrite.campaign``: how well many virtual chips of one program do.

    Attributes
    ----------
    name, board:
        The program's name, and the URL of the board.
    votes:
        Votes int64 (samples, outputs) and correct answers of every chip; None where an answer is not the
        largest of all outputs.
    summary:
        Plain values: mean of the measure (accuracy 0..1, an rms error in the model's unit) with its 95 %
        interval over chips, yield at ``threshold`` with its own, and the float network's (``accuracy_float``,
        ..), None where it is not known.
    on_host:
        Whether chips were drawn and run on the host, since the program is no chain that fits the board.
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
        """Accuracy of every chip, float64 (chips,), 0..1; of samples with classes."""
        return np.array(self.summary["accuracy_per_chip"])

    def as_dict(self) -> dict[str, Any]:
        return {"program": self.name, "board": self.board, "on_host": self.on_host, **self.summary}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON."""
        return write_whole(path, json.dumps(self.as_dict(), indent=1))

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the distribution over chips, and yield against threshold; the suffix is the format."""
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
    board: sig.Board = "golden:",
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
    progress: sig.Stages = sig.silent,
) -> Wafer:
    """Accuracy, or rms error, over many virtual chips of a program.

    Every cell is drawn anew for each chip, read noise in every trial. Votes are the same on every board;
    intervals are 95 %. With an output the campaign survives Ctrl-C: the same call goes on, and may ask for
    more chips.

    Parameters
    ----------
    program:
        A result of `compile` or its file, best with ``nominal``, or a program alone.
    output:
        JSON file to write; work in progress is kept beside it and taken up again.
    chips, trials:
        Virtual chips, and trials of read noise on each.
    count:
        First so many samples. Default: all of your own, 1000 of a data set.
    seed:
        Seed of the wafer: chips 0, 1, ... of a seed are the same on every board.
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
    given_program, compiled = held(program)
    varied = with_variation(given_program, chip)
    samples = judged_samples(varied, compiled, inputs, labels, data=data, codes=codes, measure=measure)
    x, y, by, task = samples.first(count, SAMPLES if inputs is None else None)
    if task.is_share and (threshold or 0) > 1:
        raise InputError(f"threshold is {threshold}; accepted: 0..1, an accuracy")
    plan = Campaign(chips=chips, trials=trials, seed=seed, noise=noise)
    state = None if output is None else Path(output).with_name(f".{Path(output).name}.part.npz")
    votes, on_host = None, True
    summary: dict[str, Any] = {"chips": chips, "samples": len(x), "trials": trials, "seed": seed}
    with connect(board) as chosen:
        if task.is_vote:
            with progress("programming") as report:
                chosen.program(varied, progress=report)
            on_host = bool(getattr(chosen, "campaigns_on_host", False))
            if on_host:
                warnings.warn(ON_HOST, CampaignWarning, stacklevel=2)
        with progress("chips") as report:
            found_votes, scores = run_campaign(
                chosen, varied, x, y, plan, task=task, state=state, progress=report
            )
    if task.is_vote:
        votes = CampaignResult(found_votes, scores, trials, seed, plan.first_chip)
        scores = votes.accuracy_per_chip
        summary |= {"votes": found_votes.tolist()}
    summary |= spread(task.measure, scores)
    if task.is_share:
        good = GOOD if threshold is None else threshold
        summary |= chip_yield(scores >= good, good)
    elif threshold is not None:
        summary |= chip_yield(scores <= threshold, threshold)
    floats = None if compiled is None else compiled.network.forward(x / np.float32(255))
    summary |= {f"{task.measure}_float": None if floats is None else task.score(floats, y)}
    summary |= {"noise": noise, "judged_by": by}
    wafer = Wafer(varied.name, board, votes, summary, on_host)
    if picture is not None:
        wafer.plot(picture)
    if output is not None and state is not None:
        wafer.save(output)
        state.unlink(missing_ok=True)
    return wafer


def run_campaign(
    board: BoardApi,
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    plan: Campaign,
    *,
    task: Task,
    state: Path | None = None,
    progress: Progress | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Votes (n, outputs) of all chips, and correct answers (chips,); of tasks that are no vote 0, and the
    measure of each chip, its mean over trials (an rms error over all of them).

    Goes on from ``state`` where that holds chips already done; it is written after ``PIECE_CHIPS`` more chips
    and left in place. The board is programmed for votes; for other tasks chips are drawn on the host and
    programmed one after another, each with a read-noise seed of its own. Raises StateError where
    ``state`` belongs to another campaign, or was edited; HostError, CampaignError as ``BoardApi.campaign``.
    """
    mark = {field: value for field, value in asdict(plan).items() if field != "chips"} | {
        "program": [program.tag, program.checksum()],
        "chip": program.variation and program.variation.scalars(),
        "inputs": digest({}, {"x": x}),
        "labels": digest({}, {"labels": labels}),
        "measure": task.measure,
    }
    step, notify = program.meaning.output_step or 1.0, progress or (lambda done, total: None)
    votes, chip_scores = np.zeros((), np.int64), np.zeros(0, np.int64)
    if state is not None and state.exists():
        votes, chip_scores = map(np.asarray, json.loads(load_state(state, mark)))
    if len(chip_scores) > plan.chips:
        came = f"{len(chip_scores)} and more, as far as {state} has come"
        raise InputError(f"chips is {plan.chips}; accepted: {came}")
    notify(len(chip_scores), plan.chips)
    while len(chip_scores) < plan.chips:
        first, count = len(chip_scores), min(PIECE_CHIPS, plan.chips - len(chip_scores))

        def report(done: int, total: int, first: int = first, count: int = count) -> None:
            notify(first + done * count // max(total, 1), plan.chips)

        if task.is_vote:
            part = replace(plan, chips=count, first_chip=first)
            piece = board.campaign(x, labels, part, progress=report)
            votes, chip_scores = votes + piece.votes, np.concatenate([chip_scores, piece.correct])
        for chip in range(first, first + count) if not task.is_vote else ():
            board.program(virtual_chip(program, seed=plan.seed, chip=chip))
            # Neighbouring seeds of a campaign must not share their chips' read noise.
            (seed,) = np.random.SeedSequence([plan.seed, chip]).generate_state(1, np.uint64).tolist()
            trials = [inference_index(plan.first_sample, t) for t in range(plan.trials)]
            outputs_of_trials = np.array(
                [board.infer(x, seed=seed, first_index=i, noise=plan.noise) for i in trials]
            )
            scores = np.array([task.score(outputs * step, labels) for outputs in outputs_of_trials])
            rms = task.measure == RMS_ERROR
            chip_scores = np.append(chip_scores, np.sqrt(np.square(scores).mean()) if rms else scores.mean())
            report(chip + 1 - first, count)
        if state is not None:
            save_state(state, mark, json.dumps([votes.tolist(), chip_scores.tolist()]).encode())
    return votes, chip_scores


class CampaignWarning(UserWarning):
    """A property of a campaign that a user may not expect."""


def with_variation(program: Program, chip: Chip | str | os.PathLike[str] | None) -> Program:
    """``program`` with the spread of a chip's cells: its own, ``chip``'s, or the one it was made for.

    Raises InputError when the program names no chip and none is given. Raises ChipError when there is no
    such chip.
    """
    if program.variation is not None and chip is None:
        return program
    if chip is not None:
        chosen = chip if isinstance(chip, Chip) else load_chip(chip)
    elif isinstance(program.provenance.get("chip"), dict):
        chosen = parse_chip(program.provenance["chip"])
        warnings.warn(
            f"this program is of one individual chip of {chosen.name!r}; its cells, errors included, are the "
            "targets (compiling them nominal avoids it)",
            CampaignWarning,
            stacklevel=3,
        )
    else:
        raise InputError("the program names no chip; say with chip whose cells' spread to draw from")
    return replace(program, variation=variation_of(chosen))


def spread(measure: str, each: npt.NDArray[np.float64]) -> dict[str, Any]:
    """How a measure is spread over chips; the mean's interval is 95 % by the t law over them."""
    mean, half = mean_interval(each)
    return {
        f"{measure}_mean": mean,
        f"{measure}_mean_interval_95": None if half is None else [mean - half, mean + half],
        f"{measure}_std": float(each.std(ddof=1)) if len(each) > 1 else None,
        f"{measure}_min": float(each.min()),
        f"{measure}_median": float(np.median(each)),
        f"{measure}_max": float(each.max()),
        f"{measure}_per_chip": [float(value) for value in each],
    }


def chip_yield(passed: npt.NDArray[np.bool_], threshold: float) -> dict[str, Any]:
    """Share of the chips that ``passed``, with its 95 % interval by Wilson's score."""
    n, good = len(passed), int(passed.sum())
    return {"threshold": threshold, "yield": good / n, "yield_interval_95": proportion(good / n, n)}
