"""engine: a list of runs done by workers, each result sealed in a folder when it is there.

A folder holds ``runs/KEY.run``, one sealed file per run that is done or has failed. A run that is done is
never done twice; one that failed is tried again by the next call. ``KEY`` is of parameters, files and code,
so a folder serves any plan, and shares of a job array are merged by calling without a share.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec.errors import SpecError
from ndrite.emulator.spec.state_file import StateError, load_state, save_state
from ndrite.runs.run import Run, RunError
from ndrite.runs.workers import Here, WorkerLost, Workers

TRIES = 3
"""Times that a run may lose its worker before it counts as failed: it may be what kills it."""
AHEAD = 2
"""Runs under way per worker, so that none waits for the next."""
Share = tuple[int, int]
"""(i, n): the i-th of n disjoint shares, from 1."""


@dataclass(frozen=True)
class Outcome:
    """A row for each run, in the order of the runs: None of one that failed or is another share's; the
    ``errors`` of those that failed, by number; ``lost``: workers that went away, one line each."""

    rows: list[dict[str, Any] | None]
    errors: dict[int, str]
    lost: tuple[str, ...] = ()


def execute(
    runs: Sequence[Run],
    workers: Workers,
    folder: Path,
    *,
    share: Share | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Do all runs whose results are not in ``folder`` yet.

    Raises RunError when another process works on the same share of the folder, StateError naming a result
    that was edited. An interrupt leaves what is sealed.

    Parameters
    ----------
    runs:
        Independent of each other; runs of one key are done once.
    share:
        Do only the i-th of n shares of the runs, by number.
    progress:
        Called with the runs done and their number.
    say:
        Told of every worker that went away and every run that failed.
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
        row_of = {key: row for key in dict.fromkeys(keys) if (row := _sealed(sealed_folder, key)) is not None}
        missing = {key: of_key[key] for key in mine if key not in row_of}
        total, report = len(dict.fromkeys(mine)), progress or (lambda done, total: None)
        done = total - len(missing)
        report(done, total)
        failed: dict[str, str] = {}
        lost: list[str] = []
        results = _results(missing, workers, lost, say)
        with contextlib.closing(results):  # an interrupt may come at any place here
            for key, row, why in results:
                _seal(sealed_folder, key, row, why)
                if row is None:
                    failed[key] = why
                    say(f"failed: {_brief(of_key[key])}: {why}")
                else:
                    row_of[key] = row
                done += 1
                report(done, total)
    errors = {i: failed[key] for i, key in enumerate(keys) if key in failed}
    return Outcome([row_of.get(key) for key in keys], errors, tuple(lost))


Result = tuple[str, dict[str, Any] | None, str]
"""Key, and either a row or the text of an error."""


def _results(
    missing: dict[str, Run], workers: Workers, lost: list[str], say: Callable[[str], None]
) -> Generator[Result]:
    """Results as they come, from as many runs under way as keep the workers busy.

    Runs that were under way together when a worker went away are done again one at a time: one of them may be
    what kills it.
    """
    waiting, tries = list(reversed(missing.items())), dict.fromkeys(missing, 0)
    suspects: list[tuple[str, Run]] = []
    under_way: dict[Future[dict[str, Any]], str] = {}
    ahead = 1 if isinstance(workers, Here) else AHEAD * workers.count
    while waiting or suspects or under_way:
        queue, limit = (suspects, 1) if suspects else (waiting, ahead)
        while queue and len(under_way) < limit:
            key, run = queue.pop()
            under_way[workers.submit(run)] = key
        alone = len(under_way) == 1
        finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
        lost_keys: list[str] = []
        for future in finished:
            key = under_way.pop(future)
            try:
                yield key, future.result(), ""
            except WorkerLost as error:
                lost_keys.append(key)
                tries[key] += alone
                if not lost or lost[-1] != str(error):
                    lost.append(str(error))
                    say(f"lost {error}; its runs are done again")
            except (
                EmulatorError,
                SpecError,
                ValueError,
                TypeError,
                OSError,
                ArithmeticError,
                LookupError,
            ) as error:
                yield key, None, f"{type(error).__name__}: {' '.join(str(error).split())}"
            except MemoryError:
                yield key, None, "MemoryError: out of memory"
        for key in lost_keys:
            if tries[key] < TRIES:
                suspects.append((key, missing[key]))
            else:
                yield key, None, f"its worker went away {TRIES} times ({lost[-1]})"


def _seal(held: Path, key: str, row: dict[str, Any] | None, error: str) -> None:
    """Write a result, with the versions that floats depend on beside it."""
    content = {"row": row, "error": error, "numpy": np.__version__, "numba": _version("numba")}
    save_state(held / f"{key}.run", {"key": key}, json.dumps(content).encode(), code=key)


def _sealed(held: Path, key: str) -> dict[str, Any] | None:
    """The row of a run that is done; None where it is not, or has failed."""
    path = held / f"{key}.run"
    if not path.exists():
        return None
    try:
        row: dict[str, Any] | None = json.loads(load_state(path, {"key": key}, code=key))["row"]
    except (ValueError, KeyError) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"{path}: not the result of a run; delete it to do the run again") from None
    return row


def _version(package: str) -> str:
    module = sys.modules.get(package)
    return "" if module is None else str(module.__version__)


def _brief(run: Run) -> str:
    """A run in a few words: the parameters that are numbers or short text."""
    words = [
        f"{k} {v}" for k, v in run.parameters.items() if isinstance(v, int | float | str) and len(str(v)) < 30
    ]
    return ", ".join(words[:8])


@contextlib.contextmanager
def _alone(folder: Path, share: Share | None) -> Iterator[None]:
    """Hold the folder, or a share of it. RunError where another process does."""
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows: there two engines would do the same runs twice, no harm
        yield
        return
    name = "all" if share is None else f"{share[0]}-of-{share[1]}"
    with (folder / ".lock").open("a") as folder_lock, (folder / f".lock-{name}").open("a+") as share_lock:
        try:
            fcntl.flock(folder_lock, fcntl.LOCK_NB | (fcntl.LOCK_EX if share is None else fcntl.LOCK_SH))
            fcntl.flock(share_lock, fcntl.LOCK_NB | fcntl.LOCK_EX)
        except OSError:
            raise RunError(
                f"{folder}: another process works on it; accepted: wait for it, another folder, or shares "
                "1/n .. n/n"
            ) from None
        share_lock.truncate(0)
        share_lock.write(f"{os.getpid()}\n")
        share_lock.flush()
        try:
            yield
        finally:
            (folder / f".lock-{name}").unlink(missing_ok=True)
