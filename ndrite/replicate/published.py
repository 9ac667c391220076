"""Published numbers, what was found here, and whether the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ndrite.experiments.runner import Table
from ndrite.intervals import crossed


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Why ours may be outside, and between which values that reason holds; beyond them nothing explains."""

    low: float
    high: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number of a publication.

    Attributes
    ----------
    what, unit:
        The quantity.
    value, how, where:
        The number, how its authors came to it (measured, simulated), and the place in the source.
    low, high, why:
        What is accepted here, and the reason for these bounds.
    stand_in:
        The data that stand in for the publication's own; empty where it is these.
    explained:
        What explains a value outside, if anything does.
    """

    what: str
    unit: str
    value: float
    how: str
    where: str
    low: float
    high: float
    why: str
    stand_in: str = ""
    explained: Explained | None = None


@dataclass(frozen=True)
class Found:
    """Ours of one quantity: value and interval, and whether computed or modelled."""

    value: float
    low: float
    high: float
    basis: str = "computed"


def percent(values: npt.NDArray[np.float64]) -> Found:
    """Mean of (networks, dies or draws, n) in percent, with its crossed interval."""
    low, high = crossed(values)
    return Found(100 * float(values.mean()), 100 * low, 100 * high)


WITHIN, EXPLAINED, OUTSIDE = "within", "explained", "outside"


def verdict(published: Published, found: Found) -> str:
    """``within`` where our interval and the accepted range have a value in common; ``explained`` where our
    value lies where the registered reason holds; else ``outside``."""
    if found.low <= published.high and published.low <= found.high:
        return WITHIN
    reason = published.explained
    if reason is not None and reason.low <= found.value <= reason.high:
        return EXPLAINED
    return OUTSIDE


class Replication(Protocol):
    """A module of this package."""

    TITLE: str
    SOURCE: str
    RUN: str
    OVER: str
    NOT_RUN: str
    """What of the publication is not run, and why; empty where all is."""
    FOLDER: str
    """What --folder must hold, and which data are taken without it."""

    def published(self, folder: Path | None) -> dict[str, Published]:
        """The numbers by key; those that need the user's folder have stand-ins without it."""
        ...

    def runs(self, quick: bool, folder: Path | None) -> list[dict[str, Any]]:
        """Parameters of every run, plain values."""
        ...

    def run(self, folder: Path | None, **parameters: Any) -> dict[str, Any]:
        """Results of one run, plain values."""
        ...

    def found(self, results: list[dict[str, Any]]) -> dict[str, Found]:
        """Ours by key."""
        ...

    def tables(self, results: list[dict[str, Any]]) -> Sequence[Table]:
        """What else is to be seen."""
        ...
