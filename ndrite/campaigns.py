"""A campaign in resumable pieces, and what its votes say: accuracy distribution, yield, worst samples."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip, load_chip, parse_chip
from emulator.golden.redraw import virtual_chip
from emulator.mapping.explain import rms_error
from emulator.mapping.variation import variation_of
from emulator.spec import Program
from emulator.spec.campaign import Campaign, CampaignResult
from emulator.spec.state_file import load_state, save_state
from host import BoardApi, InputError
from host.api import Progress
from ndrite.intervals import mean_interval, wilson

PIECE_CHIPS = 16
"""Chips between two saved states: what an interruption costs at most."""
WORST = 10


def run_campaign(
    board: BoardApi,
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    plan: Campaign,
    *,
    state: Path | None = None,
    progress: Progress | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Votes (n, outputs) of all chips, and correct answers (chips,); of targets (n, outputs) 0, and the root
    mean square error of each chip, in their unit.

    Goes on from ``state`` where that holds chips already done; it is written after ``PIECE_CHIPS`` more chips
    and left in place. The board is programmed for classes; for targets chips are drawn on the host and
    programmed one after another, each trial with a read-noise seed of its own. Raises StateError where
    ``state`` belongs to another campaign, or was edited; HostError, CampaignError as ``BoardApi.campaign``.
    """
    mark = {field: value for field, value in asdict(plan).items() if field != "chips"} | {
        "program": [program.tag, program.checksum()],
        "chip": program.variation and program.variation.scalars(),
        "inputs": hashlib.sha256(x.tobytes()).hexdigest(),
        "labels": hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest(),
    }
    step, tell = program.meaning.output_step or 1.0, progress or (lambda done, total: None)
    whole, each = np.zeros((), np.int64), np.zeros(0, np.int64)
    if state is not None and state.exists():
        with np.load(io.BytesIO(load_state(state, mark)), allow_pickle=False) as file:
            whole, each = file["whole"], file["each"]
    tell(len(each), plan.chips)
    while len(each) < plan.chips:
        first, count = len(each), min(PIECE_CHIPS, plan.chips - len(each))

        def report(done: int, total: int, first: int = first, count: int = count) -> None:
            tell(first + done * count // max(total, 1), plan.chips)

        if labels.ndim == 1:
            part = replace(plan, chips=count, first_chip=plan.first_chip + first)
            piece = board.campaign(x, labels, part, progress=report)
            whole, each = whole + piece.votes, np.concatenate([each, piece.correct])
        for chip in range(first, first + count) if labels.ndim == 2 else ():
            number = plan.first_chip + chip
            board.program(virtual_chip(program, seed=plan.seed, chip=number))
            seeds = [(plan.seed + number * plan.trials + t) % (1 << 64) for t in range(plan.trials)]
            found = np.array([board.infer(x, seed=seed, noise=plan.noise) for seed in seeds])
            each = np.append(each, rms_error(found * step, labels))
            report(chip + 1 - first, count)
        if state is not None:
            buffer = io.BytesIO()
            np.savez(buffer, whole=whole, each=each)
            save_state(state, mark, buffer.getvalue())
    return whole, each


class CampaignWarning(UserWarning):
    """What a campaign does that a user may not expect."""


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
    """Distribution of the chips' accuracies, yield at ``threshold`` (0..1), worst samples; fit for JSON."""
    accuracy = result.accuracy_per_chip
    share = result.votes[np.arange(result.samples), labels] / result.votes.sum(axis=1)
    worst = [
        {
            "sample": int(i),
            "label": int(labels[i]),
            "share_correct": float(share[i]),
            "usual_vote": int(result.votes[i].argmax()),
        }
        for i in np.argsort(share, kind="stable")[:WORST]
    ]
    found = spread("accuracy", accuracy) | chip_yield(accuracy >= threshold, threshold)
    return found | {"worst_samples": worst, "votes": result.votes.tolist()}


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
    return {"threshold": threshold, "yield": good / n, "yield_interval_95": list(wilson(good, n))}
