"""Running a study: its grid, the runs that are kept, tables, numbers beside
published ones, a figure."""

import importlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.spec.files import whole_file
from ndrite.intervals import DRAWS, LEVEL
from ndrite.pages import drawing
from ndrite.results import Table
from ndrite.runs import Row, Run
from ndrite.runs import execute as run_all
from ndrite.runs.code import code_digest, modules_of
from ndrite.runs.engine import Share
from ndrite.runs.workers import Workers
from studies.published import MISSED, judged, page, publication
from studies.runs import Runs, described, product
from studies.table import Figure, draw, moved

STUDIES: dict[str, Any] = described("studies")
PAGE = "replicate.md"
"""File name of the page of all studies that have published numbers."""
TRAINING = "ndrite.emulator.learning.training.view"
"""Name of the module that imports PyTorch."""


def module(name: str) -> ModuleType:
    """Import the module of a study. The module has the functions ``run(**parameters)``,
    which returns a run's results as plain values; ``tables(runs)``; and, if numbers are
    published, ``found(runs)``, which returns the study's values by the keys of the
    published numbers."""
    return importlib.import_module(f"studies.{STUDIES[name]['module']}")


def grid(name: str, smoke: bool) -> Runs:
    """Return the parameters of every run of a study, seed by seed, so that an
    interrupted study has a few runs of each case."""
    blocks = STUDIES[name]["smoke" if smoke else "grid"]
    axes = [{k: v if isinstance(v, list) else [v] for k, v in block.items()} for block in blocks]
    return sorted((run for block in axes for run in product(**block)), key=lambda run: int(run["seed"]))


class Result(NamedTuple):
    """The result of a study: the contents of its JSON file, its tables, the published
    numbers that it does not reproduce, and what moved since the file that was there
    before (None: there was none)."""

    value: dict[str, Any]
    tables: list[Table]
    outside: list[str]
    moved: Table | None


def execute(
    name: str,
    output: Path,
    workers: Workers,
    *,
    smoke: bool = False,
    share: Share | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Result | None:
    """Do the runs of a study. When all are done, write the study's JSON file, figure
    and page into ``output``.

    Finished runs are kept in ``.NAME.runs`` there until then, and are not done again.
    None: runs of other shares are missing. Raises EmulatorError when the folder does
    not exist or runs failed. Raises StateError when kept runs were edited.
    """
    require(output.is_dir(), "output folder", output, "a folder that exists", EmulatorError)
    folder, plan = output / f".{name}.runs", grid(name, smoke)
    of = module(name).__name__
    runs = [
        Run("studies.runner:timed", {"module": of, "run": parameters}, needs=(of,)) for parameters in plan
    ]

    def tell(done: int, total: int) -> None:
        say(f"{done} of {total} runs")

    outcome = run_all(runs, workers, folder, share=share, progress=tell, say=say)
    rows = outcome.done("runs", lambda number: str(plan[number]))
    if len(rows) < len(plan):
        return None
    done = [parameters | row["result"] for parameters, row in zip(plan, rows, strict=True)]
    origin = {
        "code": code_digest(module(name).__name__),
        "core_seconds": round(sum(r["seconds"] for r in rows), 1),
    }
    result = _written(name, output, json.loads(json.dumps(done)), smoke, origin)
    shutil.rmtree(folder, ignore_errors=True)  # ignore_errors: another share may remove it too
    return result


def timed(*, module: str, run: Row) -> Row:
    """Do one run of a study, and add to its results the seconds that it took."""
    began = time.monotonic()
    result = importlib.import_module(module).run(**run)
    return {"result": result, "seconds": time.monotonic() - began}


def needs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the Python modules that workers must have for the runs of these studies."""
    modules = [module(name).__name__ for name in names]
    trains = any(TRAINING in modules_of(name) for name in modules)
    return ("studies.runner", *modules, *("torch",) * trains)


def stale(output: Path) -> list[tuple[str, float | None]]:
    """Return the studies whose results in ``output`` are missing, come from a smoke
    run, or were computed with other code than the present one, with the core hours of
    their runs (None if the file does not state them)."""
    stale_studies = []
    for name in STUDIES:
        path = output / f"{name}.json"
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if value.get("smoke", True) or value.get("code") != code_digest(module(name).__name__):
            seconds = value.get("core_seconds")
            stale_studies.append((name, None if seconds is None else seconds / 3600))
    return stale_studies


def redraw(name: str, output: Path) -> Result:
    """Draw tables, verdicts and figure of a study anew from the runs in ``NAME.json``
    in ``output``, without doing any run.

    Raises EmulatorError when there is no such file, or its runs are not of that study.
    """
    path = output / f"{name}.json"
    value = _read(path, f"run: python -m studies {name} -o {output}")
    try:
        origin: Row = {key: value[key] for key in ("code", "core_seconds") if key in value}
        return _written(name, output, value["runs"], value["smoke"], origin)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EmulatorError(f"{path}: not results of {name} ({type(error).__name__}: {error})") from None


def _written(name: str, output: Path, runs: Runs, smoke: bool, made: Row) -> Result:
    of, study, over = publication(name), module(name), STUDIES[name]["over"]
    tables: list[Table] = study.tables(runs)
    numbers, comparison = judged(of, study.found(runs)) if of is not None else ([], [])
    value = {
        "study": name,
        "command": f"python -m studies {name}" + (" --smoke" if smoke else ""),
        "smoke": smoke,
        **made,
        "interval": over,
        **({"bootstrap": {"draws": DRAWS, "level": LEVEL, "seed": 0}} if "bootstrap" in over else {}),
        **({"numbers": numbers} if numbers else {}),
        "tables": [table._asdict() for table in tables],
        "runs": runs,
    }
    path = output / f"{name}.json"
    before = [Table(**t) for t in _read(path, "delete it").get("tables", ())] if path.is_file() else None
    with whole_file(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())
    if "figure" in STUDIES[name]:
        figure = drawing.figure(8, 4)
        draw(figure, Figure(**STUDIES[name]["figure"]), tables)
        drawing.save(figure, output / f"{name}.svg")
    if numbers:
        _write_page(output)
    outside = [n["what"] for n in numbers if n["verdict"] == MISSED]
    changed = None if before is None else moved(before, tables)
    return Result(value, [*comparison, *tables], outside, changed)


def _write_page(output: Path) -> None:
    """Write the page of published numbers, from all studies with results in ``output``
    that have published numbers."""
    paths = {name: output / f"{name}.json" for name in STUDIES if publication(name) is not None}
    read = {name: _read(path, "delete it") for name, path in paths.items() if path.is_file()}
    with whole_file(output / PAGE) as file:
        file.write(page({name: value for name, value in read.items() if "numbers" in value}).encode())


def _read(path: Path, help_: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EmulatorError(f"{path}: no such file; {help_}") from None
    except ValueError as error:
        raise EmulatorError(f"{path}: no results ({error}); {help_}") from None
    return value
