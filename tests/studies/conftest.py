"""Runs ``python -m studies``, and what its tests are made of: answers that are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ndrite import intervals
from studies import runs
from studies.__main__ import command
from studies.runs import Bools, Runs

OK, OUTSIDE, BAD_INPUT = 0, 1, 2
N = 1000
SEEDS = (1, 2, 3)


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstraps of 200 draws: quick, and no figure of a table."""
    monkeypatch.setattr(intervals, "DRAWS", 200)


def run(*arguments: str) -> Result:
    """The command's exit code and what it printed."""
    return CliRunner().invoke(command, [str(word) for word in arguments], catch_exceptions=False)


def first(count: int) -> Bools:
    """Right on the first samples only."""
    return np.arange(N) < count


def dies(states: Mapping[str, int], seeds: tuple[int, ...] = SEEDS, **said: Any) -> Runs:
    """Two dies of every network, 900 right in float; the second die has two
    less in every state."""
    return [
        {"seed": seed, "die": die, **said}
        | runs.kept(first(900), {state: first(count - 2 * die) for state, count in states.items()})
        for seed in seeds
        for die in (0, 1)
    ]


def mean(cell: str) -> float:
    """The value before an interval."""
    return float(cell.split()[0].rstrip("%"))


def ends(cell: str) -> tuple[float, float]:
    """The ends of the interval of ``1.0 (0.5 .. 1.5)``."""
    low, high = cell.replace("%", "").split(" (")[1].rstrip(")").split(" .. ")
    return float(low), float(high)
