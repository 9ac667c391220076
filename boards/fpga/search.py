"""Places and routes with several seeds at once: nextpnr uses one core, and its result
depends on the seed."""

import re
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ndrite.boards.fpga import route, timing, tools
from ndrite.boards.fpga.target import Target

POLL_S = 1.0
ENOUGH = 4096
"""Number of bytes at the end of a log that contain its last progress line."""

_STEPS = (
    (re.compile(r"^Info:\s+\d+ \|.*\|\s*(\d+)\|[^|]*\|\s*$"), "routing, {:,} arcs left"),
    (re.compile(r"Routing (\d+) arcs\."), "routing, {:,} arcs left"),
    (re.compile(r"at iteration #(\d+): temp ="), "refining the placement, round {}"),
    (re.compile(r"at iteration #(\d+), type \w+: wirelen"), "placing, round {}"),
    (re.compile(r"^Info: Packing"), "packing"),
    (re.compile(r"^Info: Routing globals"), "routing clocks"),
    (re.compile(r"^Info: Critical path report"), "timing"),
)
"""Pattern of a log line -> description of the progress, with the line's number."""


@dataclass(frozen=True)
class Tries:
    """Placement seeds to try: ``count`` of them from ``first`` up, ``jobs`` at once;
    nextpnr uses one core."""

    first: int = 1
    count: int = 1
    jobs: int = 1

    @property
    def seeds(self) -> range:
        """The seeds in their order."""
        return range(self.first, self.first + self.count)


ONE_SEED = Tries()


def search(
    placer: tools.Command,
    board: Target,
    work: Path,
    tries: Tries,
    *,
    found: Callable[[int, timing.Timing], None],
    progress: Callable[[str], None],
) -> dict[int, timing.Timing]:
    """Place and route ``work/top.json`` with every seed of ``tries``; return the timing
    with each seed, in the order of the seeds.

    ``found`` is called as a seed ends, ``progress`` about once a second with a few
    words. Raises BuildError when nextpnr fails; none of the other seeds goes on then,
    nor when the search is left otherwise.
    """
    waiting, results = deque(tries.seeds), dict[int, timing.Timing]()
    running: dict[int, tools.Job] = {}
    with ExitStack() as started:
        while waiting or running:
            while waiting and len(running) < tries.jobs:
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


def under_way(said: str) -> str:
    """Describe the progress of place and route, from the last recognised line in
    nextpnr's log; empty if no line is recognised."""
    for line in reversed(said.splitlines()):
        for pattern, words in _STEPS:
            if match := pattern.search(line):
                return words.format(*map(int, match.groups()))
    return ""
