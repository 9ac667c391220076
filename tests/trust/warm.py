"""Run pytest in forks of one process that has imported what tests import: `python -P
tests/trust/warm.py`.

A line of JSON each way: pytest's arguments and a limit in seconds, then the first red
test ("" where there is none), what did not import ("" where all did) and the seconds.
Nothing of this repository is imported before a fork: each sees its files as they are.
"""

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

OWN = ("ndrite", "tests", "conftest", "__main__", "studies", "benchmarks")


class First:
    """The first red test, after which the run ends, and the first file that could
    not be collected."""

    red = broken = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.red = self.red or report.nodeid
            self.session.shouldstop = "a red test"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken = self.broken or report.nodeid or "collection"


def run(arguments: list[str], limit: float, bytecode: bool) -> dict[str, Any]:
    """Run pytest in a fork, which is ended at the limit; ``bytecode``: it may keep
    what it compiles."""
    sys.dont_write_bytecode = not bytecode
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        answer, log = Path(folder, "answer"), Path(folder, "log")
        child = os.fork()
        if not child:
            _tested(arguments, answer, log)
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() - began > limit:
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return {"timeout": True, "red": "", "broken": "", "seconds": limit}
            time.sleep(0.02)
        seconds = {"seconds": round(time.monotonic() - began, 2)}
        if not answer.exists():
            end = "the process ended: " + log.read_text(errors="replace")[-300:]
            return {"red": end, "broken": ""} | seconds
        return json.loads(answer.read_text()) | seconds


def _tested(arguments: list[str], answer: Path, log: Path) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    first = First()
    usual = ["-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    code = pytest.main([*usual, *arguments], plugins=[first])
    if code != pytest.ExitCode.OK and not first.red:
        first.broken = first.broken or f"pytest's exit code {int(code)}"
    imported = [name for name in sys.modules if name.partition(".")[0] not in OWN]
    answer.write_text(json.dumps({"red": first.red, "broken": first.broken, "imported": imported}))
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        done = run(**json.loads(line))
        for name in done.pop("imported", ()):
            if name not in sys.modules:
                with suppress(Exception):
                    importlib.import_module(name)
        gc.freeze()
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
