"""How long the trust suite works, and what it counted: all of it is `make test-trust`."""

import os

import pytest

COUNTED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def scale() -> int:
    """1 for the short selection, more for the whole suite."""
    return int(os.environ.get("NDRITE_TRUST", "1"))


@pytest.fixture(scope="session")
def counted(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the summary at the end."""
    return request.config.stash.setdefault(COUNTED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts; workers of pytest-xdist keep theirs."""
    if lines := config.stash.get(COUNTED, []):
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)
