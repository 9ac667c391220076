"""gather: every number of a report."""

from __future__ import annotations

import hashlib
import itertools
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.fpga.reports import load as board_report
from emulator.golden import Core
from emulator.mapping.explain import ACCURACY, Explanation, explain
from emulator.spec import Geometry
from emulator.spec.brief import brief_repr
from host import InputError
from host.api import Progress
from ndrite.compiled import Compiled
from ndrite.costs import Account, account_of
from ndrite.intervals import percent
from ndrite.samples import Codes
from ndrite.url import geometry_for
from ndrite.waveforms import Trace, on_array, trace_inference

CLASSES_MAX = 32
"""Classes that a confusion matrix is drawn for."""
COST_SAMPLES = 100
"""Inputs that the cost of an inference is counted on."""


@dataclass(frozen=True, eq=False)
class Report:
    """All of it.

    ``labels`` are classes (samples,) or targets (samples, outputs), ``answers`` float64 (samples, outputs)
    the golden model's in the model's unit; ``judged``: SHA-256 of samples and labels. ``trace`` None where
    none was asked for or the program does not fit; ``cost`` what an inference costs, modelled; ``board`` the
    committed report of an FPGA build, if any.
    """

    __repr__ = brief_repr

    subject: Compiled
    explanation: Explanation
    labels: npt.NDArray[Any]
    answers: npt.NDArray[np.float64]
    judged: str
    trace: Trace | None
    cost: Account
    geometry: Geometry
    board: dict[str, Any] | None
    seed: int
    provenance: dict[str, str]

    @property
    def samples(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> bool:
        """Whether samples have classes, not targets."""
        return self.explanation.measure == ACCURACY

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Which classes the golden model has right, bool (samples,)."""
        return np.asarray(self.answers.argmax(axis=1) == self.labels)

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Samples of a class (row) by answer of the golden model (column)."""
        counts = np.zeros((self.answers.shape[1],) * 2, np.int64)
        np.add.at(counts, (self.labels, self.answers.argmax(axis=1)), 1)
        return counts

    def scores(self) -> list[tuple[str, str]]:
        """Who was judged, and accuracy (with its interval over samples) or rms error, in words."""
        found = self.explanation
        each = (("float software", found.reference), ("golden model", found.program.score()))
        unit = self.subject.program.meaning.output_unit
        return [
            (
                who,
                percent(score or 0.0, self.samples)
                if self.classes
                else f"{found.said(score)} {unit}".strip(),
            )
            for who, score in each
        ]


def gather(
    subject: Compiled,
    x: Codes,
    labels: npt.NDArray[Any],
    *,
    preset: str | None = None,
    product: int | None = None,
    timeline: bool = True,
    fpga: str | None = None,
    seed: int = 0,
    sources: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Explain, run, account for and trace one program on its die.

    Raises EmulatorError, SpecError, InputError when the board has no committed build, or the program has no
    place on the array. Raises HostError when the simulation fails.

    ``x``, ``labels``: uint8 (n, inputs), and classes (n,) or targets (n, outputs) to judge by; ``preset``:
    the array that tiles are laid out for and the timeline is simulated on; None: one as large as the program
    needs; ``product``: of a program that is no chain: which product the timeline shows; None: the first on
    the array; ``timeline``: whether to simulate one inference; the first time, the RTL is compiled with
    waveforms; ``fpga``: board whose committed build is shown; ``seed``: read-noise seed; ``sources``: where
    things come from, for the section on provenance.
    """
    board = None if fpga is None else _board(fpga)
    geometry = geometry_for(on_array(subject.program, product), preset)
    done, total = itertools.count(1), 3 if timeline else 2

    def step() -> None:
        if progress is not None:
            progress(next(done), total)

    explanation = explain(
        subject.network, subject.program, subject.die, subject.samples, x, labels, seed=seed
    )
    step()
    answers = Core(subject.program).infer(x, seed=seed).astype(np.float64)
    answers *= subject.program.meaning.output_step or 1.0
    step()
    trace = None
    if timeline:
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "trace.vcd"
            trace = trace_inference(subject.program, x[0], path, geometry, product=product, seed=seed)
        step()
    return Report(
        subject=subject,
        explanation=explanation,
        labels=labels,
        answers=answers,
        judged=f"{_digest(x)} {_digest(labels)}",
        trace=trace,
        cost=account_of(subject.program, subject.die, x[:COST_SAMPLES]),
        geometry=geometry,
        board=board,
        seed=seed,
        provenance=_provenance(subject, x, labels, seed, dict(sources or {})),
    )


def _board(name: str) -> dict[str, Any]:
    from boards.fpga.registry import find_target

    find_target(name)
    report = board_report(name)
    if report is None:
        raise InputError(
            f"board {name!r} has no committed build; accepted: one of `ndrite board list` with figures"
        )
    return report


def _provenance(
    subject: Compiled, x: Codes, labels: npt.NDArray[Any], seed: int, sources: dict[str, str]
) -> dict[str, str]:
    from importlib.metadata import version

    import scipy

    return {
        "program": f"SHA-256 of what it computes {subject.program.checksum()}",
        "die": f"SHA-256 {subject.program.provenance['die']}",
        "float network": f"{subject.network.name}, SHA-256 {subject.network.digest()}",
        "inputs": f"{len(x)}, SHA-256 {_digest(x)}",
        "labels": f"SHA-256 {_digest(labels)}",
        "chip seed": str(subject.die.seed),
        "read-noise seed": str(seed),
        "versions": f"ndrite {version('ndrite')}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"Python {platform.python_version()}",
        **sources,
    }


def _digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
