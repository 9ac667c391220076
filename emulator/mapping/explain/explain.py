"""Score and output SNR by cause of error: each cause alone, all together, and
the program itself."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import Die
from ndrite.emulator.mapping.explain.forward import CAUSES, Forward, stages
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Array, Codes, Floats
from ndrite.emulator.spec.brief import record, titled
from ndrite.emulator.spec.task import ACCURACY, CLASSES, LABEL_ACCURACY, VALUES, Task

ALL, PROGRAM = "all causes", "program (golden model)"
SNR_MAX_DB = 100.0
"""Largest SNR that is reported, since the reference itself is computed in 32-bit floats."""


def accuracy(outputs: Array, labels: Array) -> float:
    """Return the fraction of rows whose largest output (the first of equal ones) is at
    the index that the label gives; NaN without rows."""
    return float((outputs.argmax(axis=1) == labels).mean()) if len(labels) else float("nan")


class Judge:
    """Scores outputs (n, M), in the model's unit, against labels in the form of
    ``Task.answers``.

    Without a ``task``, integers (n,) are classes and anything else is values (n, M).
    """

    def __init__(self, labels: Array, reference: Floats, task: Task | None = None) -> None:
        self.task = task or _task_by(labels, reference.shape[1])
        self.labels = labels.reshape(reference.shape) if self.task.kind == VALUES else labels
        self.reference = self.score(reference)
        right = self.task.right(reference, self.labels) if self.task.is_share else None
        self._known = right if right is not None and right.ndim == 1 else None

    @property
    def measure(self) -> str:
        """Name of the measure, such as accuracy or rms error, in which outputs are scored."""
        return self.task.measure

    def score(self, out: Floats) -> float:
        """Return the score of the outputs ``out`` in the measure of the task."""
        return self.task.score(out, self.labels)

    def judged(self, out: Floats) -> dict[str, Any]:
        """Return the score of the outputs ``out``. If each sample is either right or
        wrong, also return how many samples became wrong (lost) and right (won) compared
        with the reference outputs."""
        row: dict[str, Any] = {"score": self.score(out)}
        if self._known is not None:
            right = self.task.right(out, self.labels)
            row["lost"] = int((self._known & ~right).sum())
            row["won"] = int((right & ~self._known).sum())
        return row


def _task_by(labels: Array, outputs: int) -> Task:
    classes = labels.ndim == 1 and labels.dtype.kind in "iu"
    return Task(kind=CLASSES if classes else VALUES, shape=(outputs, 1, 1))


@dataclass(frozen=True)
class Row:
    """One row of an explanation, the effect of one cause of error: SNR in dB relative
    to the float network's outputs, and ``score`` in the explanation's measure.

    ``lost`` counts samples that the float network has right and this one wrong,
    ``won`` the reverse. ``*_corrected``: with the column gains and biases fitted
    on the samples, as compiling does; None for the program, which has whatever
    it was mapped with.
    """

    cause: str
    covers: str
    snr_db: float
    score: float
    lost: int | None = None
    won: int | None = None
    snr_corrected_db: float | None = None
    score_corrected: float | None = None
    lost_corrected: int | None = None
    won_corrected: int | None = None


@record(kw_only=True)
class Explanation:
    """Table of the causes of error of a mapped network: one row per cause, then a row
    for all causes together and a row for the program. ``measure`` is one of
    ``spec.task.MEASURES``; ``reference`` is the float network's score."""

    network: str
    chip: str
    samples: int
    measure: str
    reference: float
    rows: tuple[Row, ...]

    @property
    def program(self) -> Row:
        """The row that states score and SNR of the compiled program."""
        return self.row(PROGRAM)

    def row(self, cause: str) -> Row:
        """Return the row of the cause with that name."""
        return next(row for row in self.rows if row.cause == cause)

    def _repr_html_(self) -> str:
        rows = [(r.cause, self.said(r.score), f"{r.snr_db:.1f}", r.covers) for r in self.rows]
        title = f"{self.network} on {self.chip}: float {self.said(self.reference)}, {self.samples} samples"
        return titled(title, ("cause", self.measure.replace("_", " "), "SNR, dB", "covers"), rows)

    def said(self, value: float | None) -> str:
        """Return a score as text, in percent if the measure is a share of right answers."""
        if value is None:
            return ""
        return f"{100 * value:.2f} %" if self.is_share else f"{value:.4g}"

    @property
    def is_share(self) -> bool:
        """Whether the measure is a share of right answers, 0..1."""
        return self.measure in (ACCURACY, LABEL_ACCURACY)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain types for JSON; scores have the name of the
        measure as their key."""
        plain = dataclasses.asdict(self)
        for row in plain["rows"]:
            row[self.measure], row[f"{self.measure}_corrected"] = row.pop("score"), row.pop("score_corrected")
        return plain


def explain(
    network: Network,
    program: Program,
    die: Die,
    samples: Codes,
    x: Codes,
    labels: Array,
    *,
    task: Task | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Compute what each cause of error costs a mapped network in score and SNR.

    Every cause is read from the one die in hand: the programming error of its cells,
    not of cells at large. Causes do not add up: noise powers do when errors are small
    and independent, accuracies hardly ever.

    Parameters
    ----------
    network, program, die:
        The float network, and its program and die.
    samples:
        The inputs that corrections are found on, uint8 (n, inputs).
    x, labels:
        uint8 (n, inputs) to judge by, and classes (n,) or targets (n, outputs) in
        the model's unit.
    task:
        The task of the outputs; labels are then in the form of ``Task.answers``.
    seed:
        Read-noise seed.
    progress:
        Called with the causes done and their number.
    """
    built = stages(network, program, die)
    reference = network.forward(x.astype(np.float32) / np.float32(INPUT_MAX)).astype(np.float64)
    judge = Judge(labels, reference, task)

    def judged(out: Floats) -> dict[str, Any]:
        return {"snr_db": snr_db(reference, out), **judge.judged(out)}

    def measure(causes: list[str], corrected: bool) -> dict[str, Any]:
        model = Forward(network, program, die, built, causes, seed)
        if corrected:
            model.correct(samples)
        return judged(model.logits(x))

    rows = []
    for name, covers, causes in [
        *((c, covers, [c]) for c, covers in CAUSES.items()),
        (ALL, "in floating point, tables and converters included", list(CAUSES)),
    ]:
        mended = {_corrected(field): value for field, value in measure(causes, True).items()}
        rows.append(Row(name, covers, **measure(causes, False), **mended))
        if progress is not None:
            progress(len(rows), len(CAUSES) + 2)
    golden = Core(program).infer(x, seed=seed).astype(np.float64)
    golden = golden * (program.meaning.output_step or 1.0)
    rows.append(Row(PROGRAM, "the integers the gateware computes, as compiled", **judged(golden)))
    if progress is not None:
        progress(len(rows), len(rows))
    return Explanation(
        network=network.name,
        chip=die.chip.name,
        samples=len(x),
        measure=judge.measure,
        reference=judge.reference,
        rows=tuple(rows),
    )


def _corrected(field: str) -> str:
    return "snr_corrected_db" if field == "snr_db" else f"{field}_corrected"


def snr_db(reference: Floats, out: Floats) -> float:
    """Return the signal-to-noise ratio in decibels: the power of ``reference`` (n, M)
    about its columns' means, over the power of ``out - reference``. At least
    ``-SNR_MAX_DB``, also if ``reference`` does not vary."""
    error = float(np.square(out - reference).mean(axis=0).sum())
    signal = float(reference.var(axis=0).sum())
    if error <= signal * 10 ** (-SNR_MAX_DB / 10):
        return SNR_MAX_DB
    return float(10 * np.log10(max(signal / error, 10 ** (-SNR_MAX_DB / 10))))
