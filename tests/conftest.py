"""What holds for every test."""

import gc
import os
import signal
from collections import defaultdict

import pytest

from tests.extras import costs

# Two workers whose BLAS has two threads each wait for each other: a small factorisation
# then takes ten times as long. Set before NumPy is imported; workers and processes that
# tests start inherit it.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A job in the background has SIGINT ignored, and so would every process that a test
# starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Designs and arrays live long: looking for garbage among them again and again is a
# twelfth of a run.
gc.set_threshold(50_000, 20, 100)

SUMMARY = pytest.StashKey[dict[str, list[str]]]()


@pytest.fixture(scope="session")
def summary(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Lines for the end of the run, by the title that they stand under."""
    return request.config.stash.setdefault(SUMMARY, defaultdict(list))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them, and the skips of each extra; workers of pytest-xdist keep theirs."""
    if skipped := terminalreporter.stats.get("skipped"):
        terminalreporter.section("skips by missing extra (a file skipped whole counts once)")
        for line in costs(skipped):
            terminalreporter.write_line(line)
    for title, lines in config.stash.get(SUMMARY, {}).items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
