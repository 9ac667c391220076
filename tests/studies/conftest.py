"""What holds for every test of a study."""

import pytest

from ndrite import intervals


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstraps of 200 draws: quick, and no figure of a table."""
    monkeypatch.setattr(intervals, "DRAWS", 200)
