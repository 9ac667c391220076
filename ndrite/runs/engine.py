"""engine: lets workers do a list of runs, and stores each result in a folder when it arrives.

A folder holds ``runs/KEY.run``, one sealed file per run that is done or has failed. A
run that is done is never done twice; one that failed is tried again by the next call.
``KEY`` is of parameters, files and code, so a folder serves any plan, and shares of a
job array are merged by calling without a share.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ndrite.emulator.spec.state_file import StateError, load_state, save_state
from ndrite.host.errors import HostError, InputError
from ndrite.runs.run import Row, Run, RunError
from ndrite.runs.workers import WorkerLost, Workers

TRIES = 3
"""How often a run may lose its worker before it counts as failed, since the run itself
may be what kills the worker."""
Share = tuple[int, int]
"""A share (i, n) of a job array: the i-th of n disjoint shares, counted from 1."""


@dataclass(frozen=True)
class Outcome:
    """The results of a list of runs: ``rows`` are in the order of the runs, with None
    for a run that failed or belongs to another share; ``errors`` maps the number of
    each failed run to its error."""

    rows: list[Row | None]
    errors: dict[int, str]

    def done(self, what: str, name: Callable[[int], str]) -> list[Row]:
        """Return the rows of all runs. Raises RunError if runs failed; the error says
        how many ``what`` failed and gives the ``name`` of the first."""
        if self.errors:
            first = min(self.errors)
            raise RunError(
                f"{len(self.errors)} of {len(self.rows)} {what} failed; the results of the others are kept; "
                f"first failure: {name(first)}: {self.errors[first]}"
            )
        return [row for row in self.rows if row is not None]


def execute(
    runs: Sequence[Run],
    workers: Workers,
    folder: Path,
    *,
    share: Share | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Do all runs whose results are not yet stored in ``folder``.

    Raises RunError when another process works on the same share of the folder,
    StateError naming a result that was edited, HostError when the last board is gone.
    Results that are stored when an interrupt comes are kept.

    Parameters
    ----------
    runs:
        Independent of each other; runs of one key are done once.
    share:
        Do only the i-th of n shares of the runs, by number.
    progress:
        Called with the runs done and their number.
    say:
        Told of every worker that went away, every run that failed, and of
        results of other plans.
    """
    sealed_folder = folder / "runs"
    try:
        sealed_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"results folder {folder}: {error.strerror}; accepted: a folder to write in") from None
    with _alone(folder, share):
        keys = [run.key for run in runs]
        mine = [key for i, key in enumerate(keys) if share is None or i % share[1] == share[0] - 1]
        of_key = dict(zip(keys, runs, strict=True))
        sealed = {path.stem for path in sealed_folder.glob("*.run")}
        if others := len(sealed - of_key.keys()):
            say(f"{folder} has {others} results of another plan or other code, which stay as they are")
        present = [key for key in of_key if key in sealed]
        row_of = {key: row for key in present if (row := _sealed(sealed_folder, key)) is not None}
        missing = {key: of_key[key] for key in mine if key not in row_of}
        total = len(set(mine))
        done = total - len(missing)
        progress(done, total)
        failed: dict[str, str] = {}
        with contextlib.closing(_results(missing, workers, say)) as results:
            for key, row, why in results:
                _seal(sealed_folder, key, row, why)
                if row is None:
                    failed[key] = why
                    say(f"failed: {_brief(of_key[key])}: {why}")
                else:
                    row_of[key] = row
                done += 1
                progress(done, total)
    errors = {i: failed[key] for i, key in enumerate(keys) if key in failed}
    return Outcome([row_of.get(key) for key in keys], errors)


def _results(
    missing: dict[str, Run], workers: Workers, say: Callable[[str], None]
) -> Generator[tuple[str, Row | None, str]]:
    """Yield the results of runs as they arrive: a run's key, and a row or the text of
    an error. At most ``workers.places`` runs are under way."""
    waiting, tries, under_way = list(reversed(missing)), Counter[str](), dict[Future[Row], str]()
    lost = ""
    while waiting or under_way:
        while waiting and len(under_way) < max(1, workers.places):
            key = waiting.pop()
            under_way[workers.submit(missing[key])] = key
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            key = under_way.pop(future)
            try:
                yield key, future.result(), ""
            except (WorkerLost, CancelledError) as error:
                previous, lost = lost, str(error) or "the connection to the workers"
                if lost != previous:  # many runs may lose the same worker: say so once
                    say(f"lost {lost}; its run is done again")
                tries[key] += 1
                if tries[key] < TRIES:
                    waiting.append(key)
                else:
                    yield key, None, f"its worker went away {TRIES} times ({lost})"
            except Exception as error:
                if isinstance(error, HostError) and not isinstance(error, InputError):
                    raise  # the only board has failed
                words = " ".join(str(error).split())
                yield key, None, f"{type(error).__name__}: {words or 'no more is known'}"


def _seal(folder: Path, key: str, row: Row | None, error: str) -> None:
    """Write the result of a run, with the versions of the software on which
    floating-point results depend."""
    content = {"row": row, "error": error, "numpy": np.__version__, "numba": _version("numba")}
    save_state(folder / f"{key}.run", {"key": key}, json.dumps(content).encode(), code=key)


def _sealed(folder: Path, key: str) -> Row | None:
    """Return the row of the finished run ``key``, or None if the run failed."""
    path = folder / f"{key}.run"
    try:
        row: Row | None = json.loads(load_state(path, {"key": key}, code=key))["row"]
    except (ValueError, KeyError) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"{path}: not the result of a run; delete it to do the run again") from None
    return row


def _version(package: str) -> str:
    module = sys.modules.get(package)
    return "" if module is None else str(module.__version__)


def _brief(run: Run) -> str:
    """Describe a run in a few words: its parameters that are numbers or short texts."""
    words = [
        f"{k} {v}" for k, v in run.parameters.items() if isinstance(v, int | float | str) and len(str(v)) < 30
    ]
    return ", ".join(words[:8])


@contextlib.contextmanager
def folder_beside(output: str | os.PathLike[str] | None, share: Share | None) -> Iterator[Path]:
    """Provide, for the results of runs, the folder ``.NAME.runs`` beside the file
    ``output``, or a temporary folder if there is no output file."""
    if output is not None:
        yield Path(output).with_name(f".{Path(output).name}.runs")
    elif share is not None:
        raise RunError(
            "shard is given without output; accepted: both, since every share stores its results beside the "
            "file that output names"
        )
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


@contextlib.contextmanager
def _alone(folder: Path, share: Share | None) -> Iterator[None]:
    """Lock the folder of results, or a share of it, for this process. Raises RunError
    if another process holds the lock."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows has no lock: two engines may do the same runs twice, without harm
        yield
        return
    name = "all" if share is None else f"{share[0]}-of-{share[1]}"
    with (folder / ".lock").open("a") as folder_lock, (folder / f".lock-{name}").open("a") as share_lock:
        try:
            fcntl.flock(folder_lock, fcntl.LOCK_NB | (fcntl.LOCK_EX if share is None else fcntl.LOCK_SH))
            fcntl.flock(share_lock, fcntl.LOCK_NB | fcntl.LOCK_EX)
        except OSError:
            raise RunError(
                f"{folder}: another process is working in this folder; wait for it, use another folder, or "
                "run both with shares 1/n .. n/n"
            ) from None
        yield
