"""Answer: how much a network loses by being compiled onto a die, in the measure of its task."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndrite.emulator.golden import Core
from ndrite.emulator.mapping.explain import Judge
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Array, Codes
from ndrite.emulator.spec.task import Task
from ndrite.intervals import loss, percent, proportion


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The score of one die, computed on the golden model with read noise of one seed,
    beside the score of its float network.

    ``float_score`` and ``score`` in ``measure``; ``lost`` and ``won`` count samples
    that only the float network, or only the die, has right (None where answers are
    not one per sample).
    """

    measure: str
    is_share: bool
    samples: int
    judged_by: str
    float_score: float
    score: float
    lost: int | None = None
    won: int | None = None
    unit: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the score as plain values by name, for JSON."""
        plain: dict[str, Any] = {"samples": self.samples, "judged_by": self.judged_by}
        for who, score in (("_float", self.float_score), ("", self.score)):
            plain[self.measure + who] = score
            if self.is_share:
                plain[f"{self.measure}{who}_interval_95"] = proportion(score, self.samples)
        return plain | {"lost": self.lost, "won": self.won}

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of a table for people: float network, this die, and the
        loss between them."""
        name = self.measure.replace("_", " ")
        if not self.is_share:
            unit = f" {self.unit}".rstrip()
            return [
                (f"{name}, float", f"{self.float_score:.4g}{unit}"),
                (f"{name}, this die", f"{self.score:.4g}{unit}"),
            ]
        scores = [
            (f"{name}, {who}", percent(score, self.samples))
            for who, score in (("float", self.float_score), ("this die", self.score))
        ]
        return (
            scores
            if self.lost is None
            else [*scores, ("against float", loss(self.lost, self.won or 0, self.samples))]
        )


def answered(program: Program, network: Network, x: Codes, labels: Array, by: str, task: Task) -> Answer:
    """Score ``program``, on the golden model with read noise of seed 0, and its float
    ``network``, on samples ``x`` uint8 (n, inputs). ``labels`` have the form of
    ``task.answers``; ``by`` names the origin of the labels."""
    outputs = Core(program).infer(x) * (program.meaning.output_step or 1.0)
    floats = network.forward(x / np.float32(255)).astype(np.float64)
    judge = Judge(labels, floats, task)
    row = judge.judged(np.asarray(outputs, np.float64))
    return Answer(
        measure=task.measure,
        is_share=task.is_share,
        samples=len(x),
        judged_by=by,
        float_score=judge.reference,
        unit=program.meaning.output_unit,
        **row,
    )
