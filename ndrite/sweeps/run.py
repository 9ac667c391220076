"""run: the points that are not done yet, on Dask workers; a board serves one worker at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from emulator.errors import MissingExtraError
from ndrite.sweeps.plan import Plan, Point
from ndrite.sweeps.point import run_point
from ndrite.sweeps.results import Results

SOFTWARE = ("golden:", "sim:")
"""Boards that every worker can have for itself."""
RETRIES = 3
"""Times a point is tried again after its worker died."""


def resource(url: str) -> dict[str, int]:
    """What a worker must offer to work on this board (``dask worker --resources "board-URL=1"``)."""
    return {} if url.startswith(SOFTWARE) else {f"board-{url}": 1}


def run_sweep(
    plan: Plan,
    results: Results,
    *,
    scheduler: str | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Compute what is missing, then join all rows in the plan's order.

    ``scheduler`` is the address of a Dask scheduler; without one, ``workers`` local processes, and one more
    for each hardware board. Points are dealt out to the plan's boards in turn.

    Raises
    ------
    MissingExtraError
        Dask is not installed.
    SweepError, HostError, EmulatorError
        A point failed: its error; those already done stay.
    """
    done = results.done()
    missing = list({point.key: point for point in plan.points if point.key not in done}.values())
    total = len({point.key for point in plan.points})
    count = total - len(missing)
    if progress is not None:
        progress(count, total)
    if missing:
        with _client(scheduler, workers, plan.boards) as client:
            for row in _computed(client, plan, missing):
                results.add(row)
                count += 1
                if progress is not None:
                    progress(count, total)
    return results.join(dict.fromkeys(point.key for point in plan.points))


def _computed(client: Any, plan: Plan, missing: list[Point]) -> Iterator[dict[str, Any]]:
    from distributed import as_completed

    futures = [
        client.submit(
            run_point,
            point,
            plan.boards[i % len(plan.boards)],
            key=f"point-{point.key}",
            resources=resource(plan.boards[i % len(plan.boards)]) or None,
            retries=RETRIES,
            pure=False,
        )
        for i, point in enumerate(missing)
    ]
    try:
        for future in as_completed(futures):
            yield future.result()
            future.release()
    finally:
        client.cancel(futures)


@contextlib.contextmanager
def _client(scheduler: str | None, workers: int, boards: tuple[str, ...]) -> Iterator[Any]:
    try:
        import dask
        from distributed import Client, Nanny, Scheduler, SpecCluster
        from distributed.security import Security
    except ImportError:
        raise MissingExtraError("sweeps need dask; install it with: pip install 'ndrite[sweep]'") from None
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    try:
        # Whoever can speak to a scheduler or worker runs code as its owner: this sweep alone can.
        security = Security.temporary()
    except ImportError:
        raise MissingExtraError(
            "local sweeps need cryptography; install it with: pip install 'ndrite[sweep]'"
        ) from None
    secure = {"security": security, "protocol": "tls://", "host": "127.0.0.1"}
    # A process a worker, one thread each; NumPy's own threads would fight over the cores.
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DASK_LOGGING__DISTRIBUTED": "error"}
    options: dict[str, Any] = {"nthreads": 1, "env": quiet, **secure}
    software = workers if any(not resource(url) for url in boards) else 0
    spec: dict[Any, Any] = {i: {"cls": Nanny, "options": options} for i in range(software)}
    for url in boards:
        if resource(url):
            spec[url] = {"cls": Nanny, "options": options | {"resources": resource(url)}}
    quiet_log = {"distributed.worker.daemon": True, "distributed.scheduler.allowed-failures": RETRIES}
    only_here = {"port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0", **secure}
    with (
        dask.config.set(quiet_log),
        SpecCluster(
            scheduler={"cls": Scheduler, "options": only_here},
            workers=spec,
            security=security,
            silence_logs=40,
            asynchronous=False,
        ) as cluster,
        Client(cluster, security=security) as client,
    ):
        yield client
