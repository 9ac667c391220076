"""What the engine of runs costs: overhead per run, and what a second worker brings.

    python benchmarks/runs.py [--dask]

Runs sleep, so that the numbers are the engine's: seconds beyond the sleep over the
number of runs, and the time of one worker over that of two. ``--dask`` starts a
scheduler and two workers on 127.0.0.1 beside it.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ndrite.runs import Run, execute, open_workers
from ndrite.runs.cluster import AHEAD, Cluster
from ndrite.runs.run import RunError
from ndrite.runs.workers import Workers

SHORT_S, LONG_S = 0.0, 1.0
RUNS, LONG_RUNS = 200, 8


def sleep(*, number: int, seconds: float) -> dict[str, Any]:
    """Sleep for ``seconds``: a run of known length."""
    time.sleep(seconds)
    return {"number": number}


def seconds_of(workers: Workers, count: int, each: float) -> float:
    """Return the wall time of ``count`` new runs of ``each`` seconds; the workers
    are started before."""
    runs = [Run("benchmarks.runs:sleep", {"number": i, "seconds": each}) for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        execute(
            [Run("benchmarks.runs:sleep", {"number": -1 - i, "seconds": 0.0}) for i in range(8)],
            workers,
            Path(folder),
        )
        began = time.monotonic()
        outcome = execute(runs, workers, Path(folder))
        assert not outcome.errors
        return time.monotonic() - began


def measured(one: Workers, two: Workers) -> dict[str, float]:
    """Return the milliseconds per run in addition to its sleep, and the time of one
    worker divided by that of two."""
    return {
        "overhead_ms_per_run": 1e3 * seconds_of(one, RUNS, SHORT_S) / RUNS,
        "overhead_ms_per_run_of_two": 1e3 * seconds_of(two, RUNS, SHORT_S) / RUNS,
        "two_workers_times_one": seconds_of(one, LONG_RUNS, LONG_S) / seconds_of(two, LONG_RUNS, LONG_S),
    }


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """Start a Dask scheduler and workers as processes on 127.0.0.1, and yield the cluster."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        file = Path(folder) / "scheduler.json"
        shared = ["--scheduler-file", str(file), "--no-dashboard"]
        commands = [["dask_scheduler", "--host", "127.0.0.1", "--port", "0", *shared]]
        commands += [
            ["dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", folder, *shared]
        ] * workers
        for name, *words in commands:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen([sys.executable, "-m", f"distributed.cli.{name}", *words], **quiet)
            stack.callback(process.wait)
            stack.callback(process.kill)
        while not (file.exists() and file.read_text().strip()):
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        while True:
            with contextlib.suppress(RunError):
                opened = Cluster(address)
                if opened.places == workers * AHEAD:
                    break
                opened.close()
            time.sleep(0.1)
        with contextlib.closing(opened):
            yield opened


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dask", action="store_true", help="also on a Dask scheduler; needs ndrite[cluster]")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    with open_workers(1) as one, open_workers(2) as two:
        result["local"] = measured(one, two)
    if options.dask:
        with cluster(1) as one:
            single = {
                "overhead_ms_per_run": 1e3 * seconds_of(one, RUNS, SHORT_S) / RUNS,
                "seconds": seconds_of(one, LONG_RUNS, LONG_S),
            }
        with cluster(2) as two:
            times = single.pop("seconds") / seconds_of(two, LONG_RUNS, LONG_S)
        result["dask"] = {**single, "two_workers_times_one": times}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
