"""Running a study: its grid, the runs that are kept, tables, numbers beside published ones, a figure."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError
from emulator.files import whole_file
from emulator.spec.state_file import load_state, save_state
from ndrite import drawing
from ndrite.intervals import DRAWS, LEVEL
from studies import NAMES
from studies.published import MISSED, Found, Publication, judged, page, publication
from studies.runs import Runs
from studies.table import Table

PAGE = "replicate.md"
"""Of all studies that have published numbers."""


@dataclass(frozen=True)
class Study:
    """One module of this package, and what was published of it.

    Attributes
    ----------
    grid, run:
        ``grid(smoke)`` lists the parameters of every run, plain values, and ``run(**parameters)`` gives its
        results, plain values. Either may take the user's ``folder`` and the study's ``name`` too.
    tables, draw:
        What all runs together say, and, where there is a figure, ``draw(runs, figure)``.
    over:
        What the intervals are taken over.
    publication, found:
        Published numbers and what is accepted of them; ``found(runs)`` gives ours by key.
    """

    name: str
    grid: Callable[[bool], Runs]
    run: Callable[..., dict[str, Any]]
    tables: Callable[[Runs], list[Table]]
    over: str
    draw: Callable[[Runs, Any], None] | None
    publication: Publication | None
    found: Callable[[Runs], dict[str, Found]] | None


def load(name: str, folder: Path | None = None) -> Study:
    """The study called ``name`` on the user's ``folder``. Raises EmulatorError when there is none."""
    if name not in NAMES:
        raise EmulatorError(f"study is {name!r}; accepted: {', '.join(NAMES)}")
    module: Any = importlib.import_module(f"studies.{NAMES[name]}")
    known = {"folder": folder, "name": name}

    def with_known(function: Any) -> Any:
        wanted = inspect.signature(function).parameters
        return partial(function, **{key: value for key, value in known.items() if key in wanted})

    return Study(
        name,
        with_known(module.grid),
        with_known(module.run),
        module.tables,
        module.OVER,
        getattr(module, "draw", None),
        publication(name),
        getattr(module, "found", None),
    )


@dataclass(frozen=True)
class Result:
    """What a study came to: its JSON file, its tables, and published numbers that are not met."""

    value: dict[str, Any]
    tables: list[Table]
    outside: list[str]


def execute(
    study: Study,
    output: Path,
    *,
    smoke: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run a study; write its JSON file, figure and page into ``output`` when all runs are done.

    Finished runs are kept in ``.NAME.runs.json`` there; ``resume`` takes those up whose parameters still
    belong to the study.

    Raises
    ------
    EmulatorError
        When the folder does not exist.
    StateError
        When the kept runs were edited, or are of another study or of other code.
    """
    if not output.is_dir():
        raise EmulatorError(f"output folder is {output}; accepted: a folder that exists")
    kept_path = output / f".{study.name}.runs.json"
    runs = _all_runs(study, smoke, kept_path, resume=resume, progress=progress)
    result = _written(study, output, runs, command, smoke)
    kept_path.unlink(missing_ok=True)
    return result


def redraw(study: Study, output: Path) -> Result:
    """Tables, verdicts and figure anew from the runs in ``NAME.json`` of ``output``; nothing is run.

    Raises
    ------
    EmulatorError
        When there is no such file, or its runs are not of that study.
    """
    path = output / f"{study.name}.json"
    held = _read(path, f"run: python -m studies {study.name} -o {output}")
    try:
        return _written(study, output, held["runs"], held["command"], held["smoke"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EmulatorError(
            f"{path}: not results of {study.name} ({type(error).__name__}: {error})"
        ) from None


def _written(study: Study, output: Path, runs: Runs, command: str, smoke: bool) -> Result:
    tables = study.tables(runs)
    numbers: list[dict[str, Any]] = []
    if study.publication is not None and study.found is not None:
        numbers, beside = judged(study.publication, study.found(runs), runs)
        tables = [beside, *tables]
    value = {
        "study": study.name,
        "command": command,
        "smoke": smoke,
        "interval": study.over,
        **({"bootstrap": {"draws": DRAWS, "level": LEVEL, "seed": 0}} if "bootstrap" in study.over else {}),
        **({"numbers": numbers} if numbers else {}),
        "tables": [asdict(table) for table in tables[bool(numbers) :]],
        "runs": runs,
    }
    with whole_file(output / f"{study.name}.json") as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())
    if study.draw is not None:
        _draw(study.draw, runs, output / f"{study.name}.svg")
    if numbers:
        _write_page(output)
    return Result(value, tables, [n["what"] for n in numbers if n["verdict"] == MISSED])


def _write_page(output: Path) -> None:
    """The page of published numbers, from all studies in ``output`` that have some."""
    paths = {name: output / f"{name}.json" for name in NAMES if publication(name) is not None}
    read = {name: _read(path, "delete it") for name, path in paths.items() if path.is_file()}
    held = {name: value for name, value in read.items() if "numbers" in value}
    with whole_file(output / PAGE) as file:
        file.write(page(held).encode())


def _all_runs(
    study: Study,
    smoke: bool,
    kept_path: Path,
    *,
    resume: bool,
    progress: Callable[[int, int], None] | None,
) -> Runs:
    """Parameters and results of every run; each finished one is kept, from where ``resume`` takes it up."""
    mark = {"study": study.name}
    kept: dict[str, Any] = {}
    if resume and kept_path.is_file():
        kept = json.loads(load_state(kept_path, mark))
    plan: Sequence[dict[str, Any]] = study.grid(smoke)
    runs = []
    for i, parameters in enumerate(plan):
        key = json.dumps(parameters, sort_keys=True)
        if key not in kept:
            kept[key] = study.run(**parameters)
            save_state(kept_path, mark, json.dumps(kept).encode())
        runs.append(parameters | kept[key])
        if progress is not None:
            progress(i + 1, len(plan))
    # As they are read again.
    read: Runs = json.loads(json.dumps(runs))
    return read


def _read(path: Path, help_: str) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text())
    except FileNotFoundError:
        raise EmulatorError(f"{path}: no such file; {help_}") from None
    except ValueError as error:
        raise EmulatorError(f"{path}: no JSON ({error}); {help_}") from None
    if not isinstance(held, dict):
        raise EmulatorError(f"{path}: no results; {help_}")
    return held


def _draw(draw: Callable[[Runs, Any], None], runs: Runs, path: Path) -> None:
    figure = drawing.figure(8, 4)
    draw(runs, figure)
    drawing.save(figure, path)
