"""Accuracy and output SNR by cause: each alone, all together, and the program itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden import Core
from emulator.mapping import Die
from emulator.mapping.explain.causes import CAUSES
from emulator.mapping.explain.forward import Forward, stages
from emulator.network import Network
from emulator.spec import Program
from emulator.spec.brief import brief_repr
from emulator.spec.notebook import titled

Floats = npt.NDArray[np.float64]

ALL, PROGRAM = "all causes", "program (golden model)"
SNR_MAX_DB = 100.0
"""Given for outputs that deviate by less: the reference itself is in 32-bit floats."""


@dataclass(frozen=True)
class Row:
    """One cause. Accuracies 0..1, SNR in dB, against the float network's outputs.

    ``lost`` counts samples that the float network has right and this one wrong, ``won`` the reverse.
    ``*_corrected``: with the column gains and biases fitted on the samples, as compiling does; None for the
    program, which has whatever it was mapped with.
    """

    cause: str
    covers: str
    accuracy: float
    snr_db: float
    lost: int
    won: int
    accuracy_corrected: float | None = None
    snr_corrected_db: float | None = None
    lost_corrected: int | None = None
    won_corrected: int | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All rows, causes first; ``reference`` is the float network's accuracy."""

    __repr__ = brief_repr

    network: str
    chip: str
    images: int
    reference: float
    rows: tuple[Row, ...]

    @property
    def program(self) -> Row:
        """The row of the program itself."""
        return self.row(PROGRAM)

    def row(self, cause: str) -> Row:
        """The row of that name."""
        return next(row for row in self.rows if row.cause == cause)

    def _repr_html_(self) -> str:
        rows = [(r.cause, f"{100 * r.accuracy:.2f} %", f"{r.snr_db:.1f}", r.covers) for r in self.rows]
        title = f"{self.network} on {self.chip}: float {100 * self.reference:.2f} %, {self.images} samples"
        return titled(title, ("cause", "accuracy", "SNR, dB", "covers"), rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return dataclasses.asdict(self)


def explain(
    network: Network,
    program: Program,
    die: Die,
    samples: npt.NDArray[np.uint8],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    *,
    seed: int = 0,
) -> Explanation:
    """Break a mapped network's loss down.

    Every cause is read from the one die in hand: the programming error of its cells, not of cells at large.
    Causes do not add up: noise powers do when errors are small and independent, accuracies hardly ever.

    Parameters
    ----------
    network, program, die:
        What was mapped, and the result.
    samples:
        The inputs that corrections are found on, uint8 (n, inputs).
    images, labels:
        uint8 (n, inputs) and (n,) to judge by.
    seed:
        Read-noise seed.
    """
    built = stages(network, program, die)
    reference = network.forward(images.astype(np.float32) / np.float32(255)).astype(np.float64)
    known = _right(reference, labels)

    def judged(out: Floats) -> tuple[float, float, int, int]:
        right = _right(out, labels)
        lost, won = int((known & ~right).sum()), int((right & ~known).sum())
        return float(right.mean()), snr_db(reference, out), lost, won

    def measure(causes: list[str], corrected: bool) -> tuple[float, float, int, int]:
        model = Forward(network, program, die, built, causes, seed)
        if corrected:
            model.correct(samples)
        return judged(model.logits(images))

    rows = []
    for name, covers, causes in [
        *((c, covers, [c]) for c, covers in CAUSES.items()),
        (ALL, "in floating point, tables and converters included", list(CAUSES)),
    ]:
        rows.append(Row(name, covers, *measure(causes, False), *measure(causes, True)))
    golden = Core(program).infer(images, seed=seed).astype(np.float64)
    golden = golden * (program.meaning.output_step or 1.0)
    rows.append(Row(PROGRAM, "the integers the gateware computes, as compiled", *judged(golden)))
    return Explanation(
        network=network.name,
        chip=die.chip.name,
        images=len(images),
        reference=float(known.mean()),
        rows=tuple(rows),
    )


def snr_db(reference: Floats, out: Floats) -> float:
    """Power of ``reference`` (n, M) about its columns' means over that of ``out - reference``, decibels."""
    error = float(np.square(out - reference).mean(axis=0).sum())
    signal = float(reference.var(axis=0).sum())
    if error <= signal * 10 ** (-SNR_MAX_DB / 10):
        return SNR_MAX_DB
    return float(10 * np.log10(max(signal, 1e-300) / error))


def _right(out: Floats, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    return np.asarray(out.argmax(axis=1) == labels)
