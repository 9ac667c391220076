"""Placement seeds, several at once: nextpnr uses one core, and what it finds depends on where it begins."""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from boards.fpga import route, timing, tools
from boards.fpga.progress import ENOUGH, under_way
from boards.fpga.target import Target

POLL_S = 1.0


def search(
    placer: tools.Command,
    board: Target,
    work: Path,
    seeds: Iterable[int],
    *,
    jobs: int,
    found: Callable[[int, timing.Timing], None],
    progress: Callable[[str], None],
) -> dict[int, timing.Timing]:
    """Place and route ``work/top.json`` from every seed, ``jobs`` at a time; seed -> timing, in their order.

    ``found`` is called as a seed ends, ``progress`` about once a second with a few words.

    Raises
    ------
    BuildError
        When nextpnr fails; none of the other seeds goes on then, nor when the search is left otherwise.
    """
    waiting, results = deque(seeds), dict[int, timing.Timing]()
    running: dict[int, tools.Job] = {}
    with ExitStack() as started:
        while waiting or running:
            while waiting and len(running) < jobs:
                seed = waiting.popleft()
                log = work / f"nextpnr-{seed}.log"
                job = tools.Job(placer, route.route_arguments(board, seed), cwd=work, log=log)
                running[seed] = started.enter_context(job)
            for seed, job in list(running.items()):
                if job.ended(POLL_S / len(running)):
                    del running[seed]
                    results[seed] = timing.read(
                        work / f"report-{seed}.json", board.family, board.asked, board.clock_mhz
                    )
                    found(seed, results[seed])
            steps = (f"seed {seed} {under_way(job.said(ENOUGH))}" for seed, job in running.items())
            progress("; ".join(steps))
    return dict(sorted(results.items()))
