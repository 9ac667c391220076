"""How long the trust suite works, and what it counted: all of it is `make test-trust`."""

import os

import pytest


@pytest.fixture(scope="session")
def scale() -> int:
    """1 for the short selection, more for the whole suite."""
    return int(os.environ.get("NDRITE_TRUST", "1"))


@pytest.fixture(scope="session")
def counted(summary: dict[str, list[str]]) -> list[str]:
    """Lines for the summary at the end."""
    return summary["counted"]
