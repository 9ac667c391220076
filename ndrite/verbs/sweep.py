"""sweep: grids over chip fields, seeds and networks, and their pictures."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from ndrite.costs.parts import MODELLED
from ndrite.host import InputError
from ndrite.pages import drawing, figures
from ndrite.results import Result, Table, percents
from ndrite.runs import GOLDEN, open_workers
from ndrite.signature import (
    Announce,
    Boards,
    Option,
    PathName,
    Picture,
    Scheduler,
    Shard,
    Stages,
    Workers,
    silent,
    unheard,
    verb,
)
from ndrite.sweeps.plan import Plan, load_plan, plan_of
from ndrite.sweeps.run import run_sweep
from ndrite.url import urls

MEASURES: dict[str, tuple[str, float]] = {
    "accuracy": ("accuracy, %", 100),
    "energy_pJ": (f"energy, nJ ({MODELLED}, typical)", 1e-3),
    "latency_ns": (f"latency, us ({MODELLED}, typical)", 1e-3),
    "area_um2": (f"area, mm2 ({MODELLED}, typical)", 1e-6),
    "snr_db": ("output SNR, dB", 1),
    "metric": ("metric", 1),
    "change": ("change by the die", 1),
}
"""Field of a row -> its name in pictures, and the factor to its unit there."""


@dataclass(frozen=True, eq=False, repr=False)
class Grid(Result):
    """The result of ``ndrite.sweep``: a row of plain values for every point of a plan.

    Attributes
    ----------
    plan:
        The points, and the axes in their order.
    rows:
        One for each point: its axes, ``accuracy`` (0..1) with its interval, and the
        modelled ``energy_pJ``, ``latency_ns`` and ``area_um2`` of one inference; where
        points learn, in place of these the ``rate`` that was best on held-out samples,
        and the accuracy there. Of PyTorch modules, in place of the accuracy,
        ``metric``, ``metric_float`` and their distance ``change``.
    folder:
        Where the results lie, ``results.parquet``.
    """

    plan: Plan
    rows: list[dict[str, Any]]
    folder: Path

    @property
    def table_path(self) -> Path:
        """Return the path of the Parquet file with all rows."""
        return self.folder / "results.parquet"

    def front(self) -> list[dict[str, Any]]:
        """Return the Pareto front: the settings that no other setting beats, cheapest
        first. A setting is beaten if another is at least as accurate and needs at most
        as much energy; of equal settings the first is kept. A module counts as more
        accurate if the die changes its metric less. For points that train, only the
        most accurate setting is returned."""
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in self.rows:
            groups.setdefault(self._setting(row), []).append(row)
        means = [
            rows[0] | {name: fmean(r[name] for r in rows) for name in self.measures}
            for rows in groups.values()
        ]
        if self.plan.learns:
            return [max(means, key=lambda row: row["accuracy"])]
        best: list[dict[str, Any]] = []

        def quality(row: dict[str, Any]) -> float:
            return float(-row["change"] if self.plan.modules else row["accuracy"])

        for row in sorted(means, key=lambda row: (row["energy_pJ"], -quality(row))):
            if not best or quality(row) > quality(best[-1]):
                best.append(row)
        return best

    @property
    def measures(self) -> dict[str, tuple[str, float]]:
        """Return those names in ``MEASURES`` that the rows have as a field."""
        return {name: measure for name, measure in MEASURES.items() if name in self.rows[0]}

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the names of the sweep's axes other than seeds."""
        return tuple(axis for axis in self.plan.axes if axis != "seed")

    def _setting(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[axis] for axis in self.settings)

    @property
    def score(self) -> str:
        """Return the name of the field by which rows are compared: ``accuracy``, or the
        ``metric`` of a module."""
        return "metric" if self.plan.modules else "accuracy"

    def along(self, axis: str) -> list[tuple[Any, float, float, float]]:
        """Return, for each value of an axis, (value, mean score, smallest score,
        largest score) over all values of the other axes."""
        groups: dict[Any, list[float]] = {}
        for row in self.rows:
            groups.setdefault(row[axis], []).append(row[self.score])
        return [(value, sum(a) / len(a), min(a), max(a)) for value, a in groups.items()]

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw accuracy, or a module's metric, against energy with the front; the
        suffix is the format."""
        return drawing.save(
            figures.front(self.rows, self.front(), self.settings, self.score, MEASURES[self.score]), path
        )

    def as_dict(self) -> dict[str, Any]:
        best = {self._setting(row) for row in self.front()}
        basis = {} if self.plan.learns else {"basis": MODELLED}
        rows = [{**basis, **row, "front": self._setting(row) in best} for row in self.rows]
        return {
            "plan": self.plan.name,
            "results": str(self.table_path),
            "axes": list(self.plan.axes),
            "rows": rows,
        }

    def tables(self) -> Iterable[Table]:
        for axis in self.plan.axes:
            form = "{:.5g}".format if self.plan.modules else percents
            along = [(str(value), *map(form, scores)) for value, *scores in self.along(axis)]
            title = f"{self.plan.name}: {MEASURES[self.score][0]}"
            yield Table(title, (axis, "mean", "least", "greatest"), along)
        best = self.front()
        over = ", means over seeds" if "seed" in self.plan.axes else ""
        title = f"{self.plan.name}: {len(best)} settings that none other beats{over}"
        rows = [
            (
                ", ".join(f"{axis} {row[axis]}" for axis in self.settings) or self.plan.name,
                *(f"{factor * row[name]:.4g}" for name, (_, factor) in self.measures.items()),
            )
            for row in best
        ]
        yield Table(title, ("setting", *(label for label, _ in self.measures.values())), rows)

    def lines(self) -> Iterable[str]:
        unused = dict.fromkeys(row["unused"] for row in self.rows if row.get("unused"))
        return (f"{len(self.rows)} points in {self.table_path}", *(f"note: {line}" for line in unused))


@verb
def sweep(
    plan: Annotated[Any, Option("PLAN.yaml")],
    /,
    *,
    output: Annotated[PathName, Option("DIR", "-o")] | None = None,
    picture: Picture | None = None,
    board: Boards = GOLDEN,
    workers: Workers = 1,
    scheduler: Scheduler | None = None,
    shard: Shard | None = None,
    progress: Stages = silent,
    announce: Announce = unheard,
) -> Grid:
    """Compute a grid of chip fields, seeds and networks.

    Computes accuracy and modelled cost at every point of the grid. It continues where
    an earlier run stopped: finished points are not computed again. A plan is YAML,
    such as "chip: wan2022", "grid: {cell.levels: [8, 16]}", "seeds: 3", "count:
    1000"; with "chips: 50" every point is 50 virtual chips instead of one programmed
    chip. With "learn: {device: mine.yaml, rates: [0.01, 0.03]}" every point is
    trained in situ, at the rate that is best on held-out samples; its grid may vary
    learn.rule, device.states and any other field of learn, device or chip. With
    "networks: [model.py:make]" every point is a PyTorch module, judged by its own
    metric as in explain.

    Parameters
    ----------
    plan:
        A YAML file, or its content as a dictionary (paths in it are then relative to
        the working folder).
    output:
        Folder of the results; default: the plan's file without its suffix, or the plan's name.
    picture:
        Draw accuracy against energy (of one inference, modelled) with the Pareto front.
    board:
        Board that the points' programs run on; may be given several times, and the
        boards then share the points. The cost is that of the modelled chip.
    workers:
        Number of local processes; 1 is this process. With more, guard a script's call
        with ``if __name__ == "__main__":``.
    scheduler:
        Dask scheduler whose workers compute the points, tcp://HOST:PORT or
        tls://HOST:PORT; needs ndrite[cluster].
    shard:
        Compute only share i of n of the points, for job arrays. A call without it joins
        the results of all shares.

    Examples
    --------
    $ ndrite sweep plan.yaml --workers 2
    > ndrite sweep plan.yaml -p front.svg
    >>> import ndrite
    >>> plan = {"chip": "wan2022", "grid": {"cell.levels": [8, 16]}, "count": 20, "samples": 64}
    >>> grid = ndrite.sweep(plan, output="levels")
    >>> len(grid.rows)
    2
    """
    if isinstance(plan, str | os.PathLike):
        chosen = load_plan(Path(plan))
        folder = Path(plan).with_suffix("")
    else:
        chosen = plan if isinstance(plan, Plan) else plan_of(plan)
        folder = Path(chosen.name)
    folder = folder if output is None else Path(output)
    if chosen.learns and picture is not None:
        raise InputError(f"picture is {picture}, but a plan that learns has no picture; leave it out")
    if (chosen.learns or chosen.modules) and urls(board) != GOLDEN:
        kind = "that learns" if chosen.learns else "of modules"
        raise InputError(f"board is {board}, but a plan {kind} runs on the golden model; leave it out")
    with (
        open_workers(workers, scheduler, boards=urls(board), needs=chosen.needs) as chosen_workers,
        progress(f"points of {chosen.name}") as report,
    ):
        rows = run_sweep(chosen, folder, chosen_workers, share=shard, progress=report, say=announce)
    grid = Grid(chosen, rows, folder)
    if picture is not None:
        grid.plot(picture)
    return grid
