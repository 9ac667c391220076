"""sweep: grids over chip fields, seeds and networks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.files import whole_file
from emulator.spec.brief import brief_repr
from emulator.spec.notebook import titled
from ndrite.costs import MODELLED
from ndrite.stages import Stages, silent
from ndrite.sweeps import Plan, Results, load_plan, plan_of, run_sweep
from ndrite.sweeps.figure import axis_summary
from ndrite.sweeps.figure import draw as draw_axes
from ndrite.sweeps.page import sweep_page
from ndrite.sweeps.pareto import check_picture, front
from ndrite.sweeps.pareto import draw as draw_front


@dataclass(frozen=True, eq=False)
class Grid:
    """What ``ndrite.sweep`` gives: a row of plain values for every point of a plan.

    Attributes
    ----------
    plan:
        The points, and the axes in their order.
    rows:
        One for each point: its axes, ``accuracy`` (0..1) with its interval, and the modelled
        ``energy_pJ``, ``latency_ns`` and ``area_um2`` of one inference.
    folder:
        Where the results lie.
    """

    __repr__ = brief_repr

    plan: Plan
    rows: list[dict[str, Any]]
    folder: Path

    @property
    def table_path(self) -> Path:
        """All rows in one Parquet file."""
        return self.folder / "results.parquet"

    def front(self) -> list[dict[str, Any]]:
        """Rows that none other beats, cheapest first: as accurate or more at as little energy or less."""
        return front(self.rows)

    def along(self, axis: str) -> list[tuple[Any, float, float, float]]:
        """(value, mean, least, greatest accuracy) for each value of an axis, the others averaged."""
        return axis_summary(self.rows, axis)

    def plot(self) -> list[Path]:
        """Draw accuracy over every axis, ``AXIS.svg`` in the folder."""
        return draw_axes(self.rows, self.plan.axes, self.folder)

    def plot_front(self, path: str | os.PathLike[str]) -> Path:
        """Accuracy against energy with the front, in a file.

        The suffix is the format: ``.html`` is a page to look through, with every axis to choose and a
        selection as YAML; ``.svg``, ``.png`` and ``.pdf`` are pictures.

        Raises
        ------
        SweepError
            When the suffix is another.
        MissingExtraError
            Of a page, without plotly.
        """
        check_picture(Path(path))
        if Path(path).suffix.lower() == ".html":
            content = sweep_page(self.plan, self.rows).encode()
            with whole_file(Path(path)) as file:
                file.write(content)
        else:
            draw_front(self.rows, self.plan.axes, Path(path))
        return Path(path)

    def point_rows(self, rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
        """``POINT`` columns of some rows, in words."""
        return [
            (
                ", ".join(f"{axis} {row[axis]}" for axis in self.plan.axes) or self.plan.name,
                f"{100 * row['accuracy']:.2f}",
                f"{row['energy_pJ'] * 1e-3:.4g}",
                f"{row['latency_ns'] * 1e-3:.4g}",
                f"{row['area_um2'] * 1e-6:.4g}",
                MODELLED,
            )
            for row in rows
        ]

    def _repr_html_(self) -> str:
        return titled(f"{self.plan.name}: {len(self.rows)} points", POINT, self.point_rows(self.rows))


POINT = ("point", "accuracy, %", "energy, nJ", "latency, us", "area, mm2", "cost is")
"""Header of a table of points."""


def sweep(
    plan: Plan | Mapping[str, Any] | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Stages | None = None,
) -> Grid:
    """Accuracy, and modelled cost, at every point of a plan. Points that are done are not computed again.

    Parameters
    ----------
    plan:
        A YAML file, or its content as a dictionary (paths in it are then relative to the working folder).
        Its fields stand in the documentation of ``ndrite sweep``.
    output:
        Folder of the results; default: the plan's file without its suffix, or the plan's name.
    workers:
        Local processes. As a script, guard the call with ``if __name__ == "__main__":``.
    scheduler:
        Address of a Dask scheduler to use instead.
    progress:
        Told of the stage ``points of NAME``.

    Raises
    ------
    SweepError, ChipError, NetworkError
        When the plan cannot be used, or a point failed.
    MissingExtraError
        Without ``ndrite[sweep]``.

    Examples
    --------
    >>> import ndrite
    >>> plan = {"chip": "wan2022", "grid": {"cell.levels": [8, 16]}, "images": 20, "samples": 64}
    >>> grid = ndrite.sweep(plan, "levels")
    >>> len(grid.rows)
    2
    """
    if isinstance(plan, str | os.PathLike):
        chosen = load_plan(Path(plan))
        folder = Path(output) if output is not None else Path(plan).with_suffix("")
    else:
        chosen = plan if isinstance(plan, Plan) else plan_of(plan)
        folder = Path(output) if output is not None else Path(chosen.name)
    results = Results(folder)
    with (progress or silent)(f"points of {chosen.name}") as report:
        rows = run_sweep(chosen, results, scheduler=scheduler, workers=workers, progress=report)
    return Grid(chosen, rows, results.folder)
