"""Running an experiment: finished runs are kept, the rest is run, table, JSON and figure are written."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emulator.errors import EmulatorError
from emulator.files import whole_file
from ndrite.experiments import NAMES

T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Two-sided 95 % points of Student's t by number of values."""
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Table:
    """What an experiment found: title, header, rows of text."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Experiment(Protocol):
    """A module of this package."""

    def runs(self, smoke: bool) -> list[dict[str, Any]]:
        """Parameters of every run, its seed among them; plain values."""
        ...

    def run(self, **parameters: Any) -> dict[str, Any]:
        """Results of one run, plain values."""
        ...

    def tables(self, results: list[dict[str, Any]]) -> list[Table]:
        """What all results together say."""
        ...

    def draw(self, results: list[dict[str, Any]], figure: Any) -> None:
        """Draw it on a matplotlib figure."""
        ...

    # An experiment may have ``facts(results)``: what the JSON says besides, such as what intervals are over.


def load(name: str) -> Experiment:
    """The experiment called ``name``. Raises EmulatorError when there is none."""
    if name not in NAMES:
        raise EmulatorError(f"experiment is {name!r}; accepted: {', '.join(NAMES)}")
    module: Any = importlib.import_module(f"ndrite.experiments.{name}")
    return module  # type: ignore[no-any-return]


def execute(
    name: str,
    folder: Path,
    *,
    smoke: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], list[Table]]:
    """Run an experiment; write ``NAME.json`` and ``NAME.svg`` into ``folder`` when all runs are done.

    Finished runs are kept in ``.NAME.runs.json`` there; ``resume`` takes those up whose parameters still
    belong to the experiment.

    Raises
    ------
    EmulatorError
        When the experiment or the folder does not exist, or the kept runs are damaged.
    """
    experiment = load(name)
    check_folder(folder)
    kept_path = folder / f".{name}.runs.json"
    results = all_runs(experiment.runs(smoke), experiment.run, kept_path, resume=resume, progress=progress)
    tables = _write(experiment, results, folder / f"{name}.json", name, command, smoke)
    kept_path.unlink(missing_ok=True)
    return results, tables


def redraw(name: str, folder: Path) -> tuple[list[dict[str, Any]], list[Table]]:
    """Table and figure anew from the runs in ``NAME.json`` of ``folder``; nothing is run.

    Raises
    ------
    EmulatorError
        When there is no such experiment or file, or its runs are not of that experiment.
    """
    experiment, path = load(name), folder / f"{name}.json"
    try:
        held = json.loads(path.read_text())
        command, smoke, results = held["command"], held["smoke"], held["runs"]
        tables = _write(experiment, results, path, name, command, smoke)
    except FileNotFoundError:
        raise EmulatorError(f"{path}: no such file; run: ndrite experiment {name} -o {folder}") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EmulatorError(f"{path}: not results of {name} ({type(error).__name__}: {error})") from None
    return results, tables


def _write(
    experiment: Experiment, results: list[dict[str, Any]], path: Path, name: str, command: str, smoke: bool
) -> list[Table]:
    tables = experiment.tables(results)
    value = {
        "experiment": name,
        "command": command,
        "smoke": smoke,
        "interval": "95 %, Student's t over seeds",
        **getattr(experiment, "facts", lambda _: {})(results),
        "tables": [asdict(table) for table in tables],
        "runs": results,
    }
    with whole_file(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())
    _draw(experiment, results, path.with_suffix(".svg"))
    return tables


def check_folder(folder: Path) -> None:
    """Raises EmulatorError when there is no such folder to write to."""
    if not folder.is_dir():
        raise EmulatorError(f"output folder is {folder}; accepted: a folder that exists")


def all_runs(
    plan: list[dict[str, Any]],
    run: Callable[..., dict[str, Any]],
    kept_path: Path,
    *,
    resume: bool,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, Any]]:
    """Parameters and results of every run of ``plan``; each finished one is written to ``kept_path``, from
    where ``resume`` takes it up.

    Raises
    ------
    EmulatorError
        When the kept runs are damaged.
    """
    kept = _kept(kept_path) if resume else {}
    results = []
    for i, parameters in enumerate(plan):
        key = json.dumps(parameters, sort_keys=True)
        if key not in kept:
            kept[key] = run(**parameters)
            with whole_file(kept_path) as file:
                file.write(json.dumps(kept).encode())
        results.append({**parameters, **kept[key]})
        if progress is not None:
            progress(i + 1, len(plan))
    return results


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % interval; nan for one value."""
    n = len(values)
    if n < 2:
        return float(np.mean(values)), float("nan")
    factor = T_95.get(n, NORMAL_95)
    return float(np.mean(values)), float(factor * np.std(values, ddof=1) / n**0.5)


def percent(values: Sequence[float], digits: int = 2) -> str:
    """``mean ± half interval`` of fractions, in percent (points for differences)."""
    mean, half = mean_interval([100 * v for v in values])
    return f"{mean:.{digits}f}" if np.isnan(half) else f"{mean:.{digits}f} ± {half:.{digits}f}"


def _kept(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text())
    except ValueError as error:
        raise EmulatorError(f"{path}: not kept runs ({error}); delete it to start anew") from None
    if not isinstance(kept, dict):
        raise EmulatorError(f"{path}: not kept runs; delete it to start anew")
    return kept


def _draw(experiment: Experiment, results: list[dict[str, Any]], path: Path) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    experiment.draw(results, figure)
    with rc_context({"svg.hashsalt": "ndrite"}), whole_file(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})
