"""A campaign in resumable pieces, and what its votes say: accuracy distribution, yield, worst images."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip, load_chip, parse_chip
from emulator.files import whole_file
from emulator.mapping.variation import variation_of
from emulator.spec import Program
from emulator.spec.campaign import Campaign, CampaignResult
from emulator.spec.state_file import load_state, save_state
from host import BoardApi, InputError
from ndrite.html import Look, Point, Quantity, check_page, points_page
from ndrite.intervals import mean_interval, wilson

PIECE_CHIPS = 16
"""Chips between two saved states: what an interruption costs at most."""
WORST = 10
FIGURES = (".html", ".png", ".svg", ".pdf")


def run_campaign(
    board: BoardApi,
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    plan: Campaign,
    *,
    state: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CampaignResult:
    """Run ``plan`` on a programmed board, going on from ``state`` where that holds chips already done.

    ``state`` is written after every ``PIECE_CHIPS`` chips and left in place.

    Raises
    ------
    StateError
        ``state`` belongs to another campaign, or was edited.
    HostError, CampaignError
        As ``BoardApi.campaign``.
    """
    votes = np.zeros((len(x), program.outputs), np.int64)
    correct = np.zeros(0, np.int64)
    mark = _mark(program, x, labels, plan)
    if state is not None and state.exists():
        votes, correct = _load(state, mark)
    while len(correct) < plan.chips:
        first = len(correct)
        count = min(PIECE_CHIPS, plan.chips - first)

        def report(done: int, total: int, first: int = first, count: int = count) -> None:
            if progress is not None:
                progress(first + done * count // max(total, 1), plan.chips)

        part = replace(plan, chips=count, first_chip=plan.first_chip + first)
        piece = board.campaign(x, labels, part, progress=report)
        votes = votes + piece.votes
        correct = np.concatenate([correct, piece.correct])
        if state is not None:
            buffer = io.BytesIO()
            np.savez(buffer, votes=votes, correct=correct)
            save_state(state, mark, buffer.getvalue())
    if progress is not None:
        progress(plan.chips, plan.chips)
    return CampaignResult(votes, correct, plan.trials, plan.seed, plan.first_chip)


class CampaignWarning(UserWarning):
    """What a campaign does that a user may not expect."""


def with_variation(program: Program, chip: Chip | str | os.PathLike[str] | None) -> Program:
    """``program`` with the spread of a chip's cells: its own, ``chip``'s, or the one it was made for.

    Raises
    ------
    InputError
        When the program names no chip and none is given.
    ChipError
        When there is no such chip.
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


def warn_of_host(board: BoardApi) -> bool:
    """Whether the programmed board leaves campaigns to the host; ``CampaignWarning`` says so."""
    on_host = bool(getattr(board, "campaigns_on_host", False))
    if on_host:
        warnings.warn(
            "virtual chips are drawn and run on the host, not in gateware: the program is no chain of full "
            "layers that fits",
            CampaignWarning,
            stacklevel=3,
        )
    return on_host


def summary(result: CampaignResult, labels: npt.NDArray[Any], *, threshold: float) -> dict[str, Any]:
    """Distribution of the chips' accuracies, yield at ``threshold`` (0..1), worst samples; fit for JSON.

    The mean's interval is 95 % by the t law over chips, the yield's 95 % by Wilson's score.
    """
    accuracy = result.accuracy_per_chip
    n = len(accuracy)
    mean, half = mean_interval(accuracy)
    passed = int((accuracy >= threshold).sum())
    low, high = wilson(passed, n)
    share = result.votes[np.arange(result.images), labels] / result.votes.sum(axis=1)
    worst = np.argsort(share, kind="stable")[:WORST]
    return {
        "chips": n,
        "samples": result.images,
        "trials": result.trials,
        "seed": result.seed,
        "accuracy_mean": mean,
        "accuracy_mean_interval_95": None if half is None else [mean - half, mean + half],
        "accuracy_std": float(accuracy.std(ddof=1)) if n > 1 else None,
        "accuracy_min": float(accuracy.min()),
        "accuracy_median": float(np.median(accuracy)),
        "accuracy_max": float(accuracy.max()),
        "threshold": threshold,
        "yield": passed / n,
        "yield_interval_95": [low, high],
        "worst_samples": [
            {
                "sample": int(i),
                "label": int(labels[i]),
                "share_correct": float(share[i]),
                "usual_vote": int(result.votes[i].argmax()),
            }
            for i in worst
        ],
        "accuracy_per_chip": [float(a) for a in accuracy],
        "votes": result.votes.tolist(),
    }


def check_figure(path: Path, chips: int) -> None:
    """Raise InputError unless the name ends as a page or picture of so many chips can."""
    if path.suffix.lower() not in FIGURES:
        raise InputError(f"figure {path} ends in {path.suffix!r}; accepted: {', '.join(FIGURES)}")
    if path.suffix.lower() == ".html":
        check_page(chips)


def draw(result: CampaignResult, path: Path, *, threshold: float, name: str) -> None:
    """A page or a picture of the chips, as the suffix says; errors as ``check_figure``."""
    chips = len(result.accuracy_per_chip)
    check_figure(path, chips)
    title = f"{chips} chips, {result.images} samples"
    if path.suffix.lower() != ".html":
        _figure(result, path, threshold=threshold, title=title)
        return
    content = chips_page(result, f"{name}: {title}").encode()
    with whole_file(path) as file:
        file.write(content)


def _figure(result: CampaignResult, path: Path, *, threshold: float, title: str) -> None:
    """Histogram of the chips' accuracies with the threshold, and yield against threshold."""
    from matplotlib.figure import Figure

    accuracy = np.sort(100 * result.accuracy_per_chip)
    drawing = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = drawing.subplots(1, 2)
    left.hist(accuracy, bins=min(40, max(5, len(accuracy) // 4)), color="#4477aa")
    left.axvline(100 * threshold, color="#cc3311", linestyle="--", label=f"threshold {100 * threshold:g} %")
    left.set(xlabel="accuracy of a chip, %", ylabel="chips", title=title)
    left.legend()
    right.step(accuracy, 100 * (1 - np.arange(len(accuracy)) / len(accuracy)), where="pre", color="#4477aa")
    right.axvline(100 * threshold, color="#cc3311", linestyle="--")
    right.set(xlabel="threshold, % accuracy", ylabel="yield, % of chips", ylim=(0, 102), title="yield")
    with whole_file(path) as file:
        drawing.savefig(file, format=path.suffix.lstrip(".").lower(), dpi=150)


def chips_page(result: CampaignResult, title: str) -> str:
    """A page of all chips: at first yield against threshold; a selection is a list of chips."""
    accuracy = result.accuracy_per_chip
    numbers = range(result.first_chip, result.first_chip + len(accuracy))
    as_good = [float((accuracy >= a).mean()) for a in accuracy]
    quantities = (
        Quantity("accuracy of a chip, %", "high"),
        Quantity("chips at least as good, % (yield at this threshold)"),
        Quantity("chip"),
    )
    points = [
        Point(
            f"chip {chip}: {100 * a:.2f} %",
            (100 * float(a), 100 * share, chip),
            (None, None, None),
            f"# {100 * a:.2f} % of {result.images} samples, {result.trials} trials\nseed: {result.seed}\n"
            f"chips: [{chip}]\n",
            {"chips": chip},
        )
        for chip, a, share in zip(numbers, accuracy, as_good, strict=True)
    ]
    note = f"Virtual chips of seed {result.seed}; every point is one chip, drawn anew."
    return points_page(Look(title, note, 0, 1, None, f"seed: {result.seed}\n"), quantities, points)


def _mark(
    program: Program, x: npt.NDArray[np.uint8], labels: npt.NDArray[Any], plan: Campaign
) -> dict[str, Any]:
    """What a saved state must agree with; the number of chips may grow."""
    return {field: value for field, value in asdict(plan).items() if field != "chips"} | {
        "program": [program.tag, program.checksum()],
        "chip": program.variation and program.variation.scalars(),
        "inputs": hashlib.sha256(x.tobytes()).hexdigest(),
        "labels": hashlib.sha256(np.ascontiguousarray(labels, np.int64).tobytes()).hexdigest(),
    }


def _load(state: Path, mark: dict[str, Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    with np.load(io.BytesIO(load_state(state, mark)), allow_pickle=False) as file:
        return file["votes"], file["correct"]
