"""Running a study: its grid, the runs that are kept, tables, numbers beside published ones, a figure."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.spec.files import whole_file
from ndrite.emulator.spec.state_file import load_state, save_state
from ndrite.intervals import DRAWS, LEVEL
from ndrite.pages import drawing
from ndrite.results import Table
from studies.published import MISSED, judged, page, publication
from studies.runs import Runs, described, product
from studies.table import Figure, draw

STUDIES: dict[str, Any] = described("studies")
PAGE = "replicate.md"
"""Of all studies that have published numbers."""


def module(name: str) -> Any:
    """The module of a study: ``run(**parameters)`` gives a run's results, plain values; ``tables(runs)`` what
    all say; ``found(runs)`` ours of published numbers, by key."""
    return importlib.import_module(f"studies.{STUDIES[name]['module']}")


def grid(name: str, smoke: bool) -> Runs:
    """Parameters of every run, seed by seed, so that a stopped study has few of everything."""
    blocks = STUDIES[name]["smoke" if smoke else "grid"]
    axes = [{k: v if isinstance(v, list) else [v] for k, v in block.items()} for block in blocks]
    return sorted((run for block in axes for run in product(**block)), key=lambda run: int(run["seed"]))


class Result(NamedTuple):
    """What a study came to: its JSON file, its tables, and published numbers that are not met."""

    value: dict[str, Any]
    tables: list[Table]
    outside: list[str]


def execute(
    name: str,
    output: Path,
    *,
    smoke: bool = False,
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Run a study; write its JSON file, figure and page into ``output`` when all runs are done.

    Finished runs are kept in ``.NAME.runs.json`` there; ``resume`` takes those up whose parameters still
    belong to the study. Raises EmulatorError when the folder does not exist. Raises StateError when the kept
    runs were edited, or are of another study or of other code.
    """
    require(output.is_dir(), "output folder", output, "a folder that exists", EmulatorError)
    path, mark = output / f".{name}.runs.json", {"study": name}
    kept = json.loads(load_state(path, mark)) if resume and path.is_file() else {}
    plan, runs = grid(name, smoke), []
    for i, parameters in enumerate(plan):
        key = json.dumps(parameters, sort_keys=True)
        if key not in kept:
            kept[key] = module(name).run(**parameters)
            save_state(path, mark, json.dumps(kept).encode())
        runs.append(parameters | kept[key])
        say(f"{i + 1} of {len(plan)} runs")
    result = _written(name, output, json.loads(json.dumps(runs)), smoke)
    path.unlink(missing_ok=True)
    return result


def redraw(name: str, output: Path) -> Result:
    """Tables, verdicts and figure anew from the runs in ``NAME.json`` of ``output``; nothing is run.

    Raises EmulatorError when there is no such file, or its runs are not of that study.
    """
    path = output / f"{name}.json"
    held = _read(path, f"run: python -m studies {name} -o {output}")
    try:
        return _written(name, output, held["runs"], held["smoke"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EmulatorError(f"{path}: not results of {name} ({type(error).__name__}: {error})") from None


def _written(name: str, output: Path, runs: Runs, smoke: bool) -> Result:
    of, found, over = publication(name), module(name), STUDIES[name]["over"]
    tables: list[Table] = found.tables(runs)
    numbers, beside = judged(of, found.found(runs)) if of is not None else ([], [])
    value = {
        "study": name,
        "command": f"python -m studies {name}" + (" --smoke" if smoke else ""),
        "smoke": smoke,
        "interval": over,
        **({"bootstrap": {"draws": DRAWS, "level": LEVEL, "seed": 0}} if "bootstrap" in over else {}),
        **({"numbers": numbers} if numbers else {}),
        "tables": [table._asdict() for table in tables],
        "runs": runs,
    }
    with whole_file(output / f"{name}.json") as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())
    if "figure" in STUDIES[name]:
        figure = drawing.figure(8, 4)
        draw(figure, Figure(**STUDIES[name]["figure"]), tables)
        drawing.save(figure, output / f"{name}.svg")
    if numbers:
        _write_page(output)
    return Result(value, [*beside, *tables], [n["what"] for n in numbers if n["verdict"] == MISSED])


def _write_page(output: Path) -> None:
    """The page of published numbers, from all studies in ``output`` that have some."""
    paths = {name: output / f"{name}.json" for name in STUDIES if publication(name) is not None}
    read = {name: _read(path, "delete it") for name, path in paths.items() if path.is_file()}
    with whole_file(output / PAGE) as file:
        file.write(page({name: value for name, value in read.items() if "numbers" in value}).encode())


def _read(path: Path, help_: str) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EmulatorError(f"{path}: no such file; {help_}") from None
    except ValueError as error:
        raise EmulatorError(f"{path}: no results ({error}); {help_}") from None
    return held
