"""Running a replication: its numbers beside the published ones, one JSON file and one page of all."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError
from emulator.files import whole_file
from ndrite.experiments.runner import Table, all_runs, check_folder
from ndrite.replicate import NAMES
from ndrite.replicate.page import page
from ndrite.replicate.published import OUTSIDE, Found, Published, Replication, verdict

JSON, PAGE = "replicate.json", "replicate.md"


@dataclass(frozen=True)
class Replicated:
    """One replication as it was run: its part of the JSON file, and tables to print."""

    value: dict[str, Any]
    tables: list[Table]

    @property
    def outside(self) -> list[str]:
        """What is neither within nor explained."""
        return [line["what"] for line in self.value["numbers"] if line["verdict"] == OUTSIDE]


def load(name: str) -> Replication:
    """The replication called ``name``. Raises EmulatorError when there is none."""
    if name not in NAMES:
        raise EmulatorError(f"replication is {name!r}; accepted: {', '.join(NAMES)}")
    module: Any = importlib.import_module(f"ndrite.replicate.{name.replace('-', '_')}")
    return module


def replicate(
    name: str,
    output: Path,
    *,
    folder: Path | None = None,
    quick: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Replicated:
    """Run a replication; put it into ``replicate.json`` in ``output`` and write ``replicate.md`` anew.

    Parameters
    ----------
    folder:
        The user's data, where the replication wants some (its ``FOLDER`` says which).
    quick:
        Seconds instead of minutes; the numbers mean nothing, and the verdicts neither.
    resume:
        Take up finished runs that are kept in ``.replicate-NAME.runs.json`` there.

    Raises
    ------
    EmulatorError
        When the name or the folder is not one, or a file there is damaged.
    DatasetError, MissingExtraError
        When data or a package are missing.
    """
    of = load(name)
    check_folder(output)
    kept = output / f".replicate-{name}.runs.json"
    _together(output / JSON)  # refused before the runs, not after
    results = all_runs(
        of.runs(quick, folder),
        lambda **parameters: of.run(folder, **parameters),
        kept,
        resume=resume,
        progress=progress,
    )
    done = judged(of, results, folder, quick=quick, command=command)
    _write(output, name, done.value)
    kept.unlink(missing_ok=True)
    return done


def judged_anew(name: str, output: Path, *, folder: Path | None = None) -> Replicated:
    """The runs that ``replicate.json`` in ``output`` holds, against the registry as it is now; both files are
    written anew. Raises EmulatorError when that replication is not there."""
    of = load(name)
    together = _together(output / JSON)
    if name not in together:
        raise EmulatorError(f"{output / JSON}: no runs of {name}; accepted: {', '.join(together) or 'none'}")
    old = together[name]
    done = judged(of, old["runs"], folder, quick=old["quick"], command=old["command"])
    _write(output, name, done.value)
    return done


def judged(
    of: Replication, results: list[dict[str, Any]], folder: Path | None, *, quick: bool, command: str
) -> Replicated:
    """Results of all runs beside the published numbers."""
    found = of.found(results)  # a quick run may have fewer
    published = {key: number for key, number in of.published(folder).items() if key in found}
    tables = [_numbers(of.TITLE, published, found), *of.tables(results)]
    value: dict[str, Any] = {
        "title": of.TITLE,
        "source": of.SOURCE,
        "run": of.RUN,
        "interval": of.OVER,
        "not_run": of.NOT_RUN,
        "command": command,
        "quick": quick,
        "numbers": [
            {
                "key": key,
                **asdict(number),
                "ours": {k: None if v != v else v for k, v in asdict(found[key]).items()},
                "verdict": verdict(number, found[key]),
            }
            for key, number in published.items()
        ],
        "tables": [asdict(table) for table in tables[1:]],
        "runs": results,
    }
    return Replicated(json.loads(json.dumps(value)), tables)  # as it is read again


def _write(output: Path, name: str, value: dict[str, Any]) -> None:
    together = _together(output / JSON) | {name: value}
    ordered = {n: together[n] for n in NAMES if n in together}
    with whole_file(output / JSON) as file:
        file.write((json.dumps(ordered, indent=1) + "\n").encode())
    with whole_file(output / PAGE) as file:
        file.write(page(ordered).encode())


def _numbers(title: str, published: dict[str, Published], found: dict[str, Found]) -> Table:
    header = ("number", "published", "accepted", "here (95 %)", "verdict")
    rows = [
        (
            number.what + (f" [stand-in: {number.stand_in}]" if number.stand_in else ""),
            f"{number.value:g} {number.unit}, {number.how}",
            f"{number.low:g} .. {number.high:g}",
            f"{found[key].value:.4g} ({found[key].low:.4g} .. {found[key].high:.4g}), {found[key].basis}",
            verdict(number, found[key]),
        )
        for key, number in published.items()
    ]
    return Table(title, header, rows)


def _together(path: Path) -> dict[str, Any]:
    """Replications that were run before."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise EmulatorError(f"{path}: no JSON ({error}); delete it to start anew") from None
    if not isinstance(found, dict) or not all(isinstance(v, dict) and "numbers" in v for v in found.values()):
        raise EmulatorError(f"{path}: not replications; delete it to start anew")
    return found
