"""Report: every number of a page about one compiled network."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ndrite.compiled import Compiled
from ndrite.costs.account import Account
from ndrite.costs.parts import MODELLED
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.device.description import Chip
from ndrite.emulator.mapping.explain import Explanation
from ndrite.emulator.spec import brief
from ndrite.emulator.spec.arithmetic import Ints
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.task import CLASSES, TWO_CLASSES, Task, Truth
from ndrite.intervals import loss, percent
from ndrite.pages import causes, drawing, figures
from ndrite.pages.figures import Tiling, used_share
from ndrite.results import Result, Table, plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

CLASSES_MAX = 32
"""Most classes for which a confusion matrix is drawn."""


@dataclass(frozen=True, eq=False, repr=False)
class Report(Result):
    """The result of ``ndrite.report``: every number of the report page, to print or to write.

    Attributes
    ----------
    subject, explanation, cost:
        The compiled network, its causes of error, and what an inference costs, modelled.
    x, labels:
        Codes uint8 (samples, inputs), and labels in the form of ``task.answers`` to judge by.
    task:
        The task of the outputs.
    answers:
        The golden model's, float64 (samples, outputs), in the model's unit.
    board:
        The committed report of an FPGA build; None where no board was chosen.
    seed, sources:
        Seed of the read noise; origin of each part.
    """

    subject: Compiled
    explanation: Explanation
    cost: Account
    x: npt.NDArray[np.uint8]
    labels: Truth
    task: Task
    answers: npt.NDArray[np.float64]
    board: dict[str, Any] | None
    seed: int
    sources: dict[str, str]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one HTML file that needs no other file. Raises OSError if
        it cannot be written."""
        return write_whole(
            path, environment().get_template("report.html").render(title=self.name, report=self).lstrip()
        )

    def save_figures(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every figure as SVG and PDF into ``folder``, creating it if necessary."""
        return drawing.save_all(self.figures, Path(folder))

    def as_dict(self) -> dict[str, Any]:
        measure = self.explanation.measure
        return {
            "figures": sorted(self.figures),
            f"{measure}_float": self.explanation.reference,
            f"{measure}_golden": self.explanation.program.score,
            "samples": self.samples,
            "bound_cycles": self.bound_cycles,
        }

    def tables(self) -> Iterable[Table]:
        yield Table(self.name, ("quantity", "value"), list(self.quantities.items()))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Return the figures by name, drawn on first use; a figure is left out if the
        result has no data for it."""
        subject, curves = self.subject, drawing.figure(6.4, 5.0)
        drawn = {
            "answers": self._answers(),
            "errors": causes.draw(self.explanation),
            "curves": curves if figures.curves(subject, curves) else None,
            "cells": figures.cells(subject.die),
        }
        return {name: figure for name, figure in drawn.items() if figure is not None}

    def _answers(self) -> Figure | None:
        meaning = self.subject.program.meaning
        if not self.classes:
            numbers = self.labels.reshape(len(self.labels), -1).astype(np.float64)
            same = numbers.shape == self.answers.shape
            return figures.targets(numbers, self.answers, meaning.output_unit) if same else None
        names = self.task.names
        if len(names) > CLASSES_MAX:
            return None
        drawn = drawing.figure(5.2, 5.0)
        figures.confusion(drawn.subplots(), *self._class_numbers(), names)
        return drawn

    def _class_numbers(self) -> tuple[Ints, Ints]:
        """Return the classes of labels and answers, int64 (samples,), of a task with
        one class a sample."""
        return np.asarray(self.labels, np.int64), np.asarray(self.task.answers(self.answers), np.int64)

    @property
    def name(self) -> str:
        """Return the names of program and chip."""
        return f"{self.subject.program.name} on {self.subject.die.chip.name}"

    @property
    def chip(self) -> Chip:
        return self.subject.die.chip

    @property
    def samples(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> bool:
        """Return whether every sample has exactly one class."""
        return self.task.kind in (CLASSES, TWO_CLASSES) and self.task.places == 1

    @property
    def worst_class(self) -> str:
        """Describe the class with the smallest fraction of right answers."""
        names = self.task.names
        counts = figures.counted(*self._class_numbers(), len(names))
        right, total = counts.diagonal(), counts.sum(axis=1)
        worst = int(np.where(total, right / np.maximum(total, 1), 2.0).argmin())
        return f"class {names[worst]}, {right[worst]} of {total[worst]}"

    @property
    def scores(self) -> tuple[str, str]:
        """Return the scores of the float network and of the golden model: accuracy with
        its interval over samples, or rms error."""
        explanation, unit = self.explanation, self.subject.program.meaning.output_unit
        float_does, golden_does = (
            percent(score, self.samples)
            if explanation.is_share
            else f"{explanation.said(score)} {unit}".strip()
            for score in (explanation.reference, explanation.program.score)
        )
        return float_does, golden_does

    @property
    def flips(self) -> str:
        """Describe how much accuracy the golden model loses against the float network."""
        program_row = self.explanation.program
        return "-" if program_row.lost is None else loss(program_row.lost, program_row.won or 0, self.samples)

    @property
    def bound_cycles(self) -> int | None:
        """Return the fewest clock cycles in which the board's lanes can do an
        inference, or None without a board."""
        if self.board is None:
            return None
        rows = self.board["geometry"].get("lane_rows", 1)  # older reports have no lane_rows
        return bound_cycles(self.subject.program, self.board["lanes"], rows)

    @cached_property
    def tilings(self) -> list[Tiling]:
        """Return the tiling of each matrix product of the program, in order."""
        return figures.tilings(self.subject)

    @property
    def quantities(self) -> dict[str, str]:
        """Return the headline quantities as text, ``-`` for a quantity that is not known."""
        measure = self.explanation.measure.replace("_", " ")
        error = causes.relative_error(self.explanation.program.snr_db)
        cycles = "-" if self.bound_cycles is None else f"{self.bound_cycles:,}"
        return {
            f"float software, {measure}": self.scores[0],
            f"golden model, {measure}": self.scores[1],
            "samples": f"{self.samples:,}",
            "clock cycles of an inference (schedule bound)": cycles,
            "golden model against float": self.flips,
            "error of the outputs, % of their spread": f"{100 * error:.2g}",
            **modelled(self.cost, "an inference"),
            "arrays": str(sum(t.arrays for t in self.tilings)),
            "cells used": f"{used_share(self.tilings):.1%}",
        }

    @property
    def provenance(self) -> dict[str, str]:
        """Return digests of the program, die, network and samples that the page
        describes, and versions of the software that computed it."""
        subject = self.subject
        return {
            "program": f"SHA-256 of what it computes {subject.program.checksum()}",
            "die": f"SHA-256 {subject.program.provenance['die']}",
            "float network": f"{subject.network.name}, SHA-256 {subject.network.digest()}",
            "inputs": f"{self.samples}, SHA-256 {_digest(self.x)}",
            "labels": f"SHA-256 {_digest(self.labels)}",
            "chip seed": str(subject.die.seed),
            "read-noise seed": str(self.seed),
            "versions": versions("numpy", "scipy"),
            **self.sources,
        }


def modelled(cost: Account, what: str) -> dict[str, str]:
    """Return energy, latency and area of ``what`` (typical values) as text, by quantity."""
    total = cost.total
    return {
        f"energy of {what}, nJ ({MODELLED}, typical)": f"{1e-3 * total.energy_pJ[1]:.3g}",
        f"latency, us ({MODELLED}, typical)": f"{1e-3 * total.latency_ns[1]:.3g}",
        f"area, mm2 ({MODELLED}, typical)": f"{1e-6 * total.area_um2[1]:.3g}",
    }


def versions(*packages: str) -> str:
    """Return the versions of ndrite, of ``packages`` and of Python, as text."""
    from importlib.metadata import version

    installed = [f"{package} {version(package)}" for package in ("ndrite", *packages)]
    return ", ".join((*installed, f"Python {platform.python_version()}"))


@lru_cache(1)
def environment() -> Environment:
    """Create the template environment for pages, which escapes all text inserted into them."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader(__package__ or "", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "table": brief.table,
        "causes": causes.table,
        "without_effect": causes.without_effect,
        "used_share": used_share,
        "svg": lambda figure, name: base64.b64encode(drawing.written(figure, "svg", name)).decode(),
    }
    templates.filters |= {"plain": plain, "percent": "{:.1%}".format, "grouped": "{:,}".format}
    return templates


def _digest(array: npt.NDArray[np.generic]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
