"""HERMES: energy of a core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ndrite.experiments.runner import Table
from ndrite.replicate import energy
from ndrite.replicate.published import Explained, Found, Published

TITLE = "HERMES: energy efficiency of a core"
SOURCE = "M. Le Gallo et al., Nature Electronics 6, 680 (2023), doi 10.1038/s41928-023-01010-1, abstract"
RUN, OVER, NOT_RUN, FOLDER = energy.RUN, energy.OVER, "", ""
CHIP = "hermes"


def _explained(value: float) -> Explained | None:
    return Explained(
        low=value,
        high=12 * value,
        why="The account is 8 to 11 times too good: HERMES' converters are oscillators that run all "
        "through the read and feed two 12-bit counters a column, where the account takes the best "
        "successive-approximation converter of the node. Its column currents are mirrored from the "
        "supply, not drawn at the read voltage.",
    )


def published(folder: Path | None) -> dict[str, Published]:
    """Every published point."""
    return energy.published(CHIP, "abstract", _explained)


def runs(quick: bool, folder: Path | None) -> list[dict[str, Any]]:
    """A point each."""
    return energy.runs(CHIP)


def run(folder: Path | None, point: int) -> dict[str, Any]:
    """One point's account."""
    return energy.run(CHIP, point)


def found(results: list[dict[str, Any]]) -> dict[str, Found]:
    """The modelled ranges."""
    return energy.found(results)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """What the energy is made of."""
    return energy.tables(results)
