"""wafers: virtual chips of one program in ranges, each a run of the engine, and
their joint votes."""

import base64
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ndrite.boards.golden import GoldenBoard
from ndrite.emulator.golden.noise import virtual_chip
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.task import RMS_ERROR, Task
from ndrite.emulator.spec.variation import Campaign, inference_index
from ndrite.files import save_array
from ndrite.host import BoardApi
from ndrite.host.api import Progress
from ndrite.runs import File, Outcome, Row, Run
from ndrite.runs.workers import Here, Workers
from ndrite.samples import Judged
from ndrite.signature import Stages

INFERENCES = 1 << 16
"""Number of inferences in a range of chips: less than a second on the golden model, and
all that an interruption can lose."""


class Votes(NamedTuple):
    """Results of a campaign: votes int64 (samples, outputs), and ``scores``, the
    number of right answers int64 (chips,) of each chip. For a task without votes
    ``votes`` is 0 and ``scores`` is the measure of each chip. ``on_host``: chips were
    sampled and run on the host."""

    votes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int64 | np.float64]
    on_host: bool


class CarryOut(Protocol):
    """``ndrite.runs.execute`` with its folder, share and messages chosen."""

    def __call__(
        self, runs: Sequence[Run], workers: Workers, *, progress: Callable[[int, int], None]
    ) -> Outcome: ...


def judge_wafer(
    program: Program,
    judged: Judged,
    plan: Campaign,
    workers: Workers,
    stage: Stages,
    carry_out: CarryOut,
) -> Votes | None:
    """Judge the chips of ``plan`` in ranges of chips, which ``carry_out`` does on the
    ``workers``; return None while ranges that belong to another share are missing.

    A range has as many chips as ``INFERENCES`` allow, so that a plan of more chips
    uses the results of a smaller plan. Raises CampaignError if samples do not fit;
    HostError and GeometryError as the board does, if it is the only worker; and
    RunError if ranges failed.
    """
    if judged.task.is_vote:
        plan.check(judged.x, judged.labels, program.inputs)
    with tempfile.TemporaryDirectory() as name:
        program.save(Path(name) / "program.npz")
        save_array(Path(name) / "inputs.npy", judged.x)
        save_array(Path(name) / "labels.npy", judged.labels)
        files = {path.stem: File.of(path) for path in Path(name).iterdir()}
        if judged.task.is_vote and isinstance(workers, Here) and workers.board is not None:
            with stage("programming") as report:
                _put(workers.board, files["program"], report)
        chips = max(1, INFERENCES // (len(judged.x) * plan.trials))
        ranges = [
            replace(plan, first_chip=first, chips=min(chips, plan.chips - first))
            for first in range(0, plan.chips, chips)
        ]
        task = asdict(judged.task)
        runs = [
            Run("ndrite.wafers:judge_chips", {**files, "task": task, "plan": asdict(part)}) for part in ranges
        ]
        with stage("ranges of chips") as report:
            outcome = carry_out(runs, workers, progress=report)
    rows = outcome.done("ranges", lambda number: f"from chip {ranges[number].first_chip}")
    if len(rows) < len(runs):
        return None
    votes = sum((_unpacked(row["votes"]) for row in rows), np.zeros((), np.int64))
    scores = np.concatenate([row["scores"] for row in rows])
    return Votes(votes, scores, any(row["on_host"] for row in rows))


def judge_chips(
    *,
    program: File,
    inputs: File,
    labels: File,
    task: dict[str, Any],
    plan: dict[str, Any],
    board: BoardApi | None = None,
) -> Row:
    """Judge one range of chips on a board, or on the golden model, and return a row of results.

    For tasks without votes, chips are sampled on the host and programmed one after
    another, each with its own read-noise seed; a score is the mean over trials (an rms
    error over all of them).
    """
    part, scoring = Campaign(**plan), Task(**task)
    x, truth, board = inputs.array(), labels.array(), GoldenBoard() if board is None else board
    if scoring.is_vote:
        _put(board, program)
        result = board.campaign(x, truth, part)
        on_host = bool(getattr(board, "campaigns_on_host", False))
        return {"votes": _packed(result.votes), "scores": result.correct.tolist(), "on_host": on_host}
    program.read()
    targets = Program.load(program.path)
    step, trials = targets.meaning.output_step or 1.0, range(part.trials)
    scores = []
    for chip in range(part.first_chip, part.first_chip + part.chips):
        board.program(virtual_chip(targets, seed=part.seed, chip=chip))
        # Each chip's seed of read noise is hashed, so that campaigns with neighbouring
        # seeds do not share it.
        (seed,) = np.random.SeedSequence([part.seed, chip]).generate_state(1, np.uint64).tolist()
        indices = [inference_index(part.first_sample, trial) for trial in trials]
        outputs = [board.infer(x, seed=seed, first_index=index, noise=part.noise) for index in indices]
        trial_scores = np.array([scoring.score(y * step, truth) for y in outputs])
        scores.append(
            float(
                np.sqrt(np.square(trial_scores).mean())
                if scoring.measure == RMS_ERROR
                else trial_scores.mean()
            )
        )
    return {"votes": "", "scores": scores, "on_host": True}


_programmed: WeakKeyDictionary[BoardApi, str] = WeakKeyDictionary()
"""Board -> digest of the program that this process put on it last. Programming a board
again takes longer than a range of chips."""


def _put(board: BoardApi, program: File, progress: Progress | None = None) -> None:
    """Program a board, unless it already has that program."""
    if _programmed.get(board) != program.sha256:
        program.read()
        board.program(Program.load(program.path), progress=progress)
        _programmed[board] = program.sha256


def _packed(votes: npt.NDArray[np.int64]) -> list[int | str]:
    """Return a list of the sizes of ``votes`` and, as its last entry, their values as
    compressed text, about a quarter as long as their digits."""
    return [*votes.shape, base64.b64encode(zlib.compress(votes.astype("<i8").tobytes())).decode()]


def _unpacked(packed: Any) -> npt.NDArray[np.int64]:
    """Return the votes that ``_packed`` encoded; 0 for tasks without votes."""
    if not packed:
        return np.zeros((), np.int64)
    *shape, text = packed
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i8").reshape(shape).astype(np.int64)
