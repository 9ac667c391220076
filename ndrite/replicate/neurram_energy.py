"""NeuRRAM: energy of a core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ndrite.experiments.runner import Table
from ndrite.replicate import energy
from ndrite.replicate.published import Explained, Found, Published

TITLE = "NeuRRAM: energy efficiency of a core"
SOURCE = (
    "W. Wan et al., Nature 608, 504 (2022), doi 10.1038/s41586-022-04992-8, Extended Data Fig. 12, as read "
    "by CiMLoop's model of it (mit-emze/cimloop d6e1390, wan_nature_2022), not by us"
)
RUN, OVER, NOT_RUN, FOLDER = energy.RUN, energy.OVER, "", ""
CHIP = "neurram"


def _explained(value: float) -> Explained | None:
    return Explained(
        low=value / 3,
        high=value,
        why="NeuRRAM's converter decides bit by bit and gets cheaper with every bit it need not give; the "
        "survey's law of the account ends at 4 bits.",
    )


def published(folder: Path | None) -> dict[str, Published]:
    """Every published point."""
    return energy.published(CHIP, "Extended Data Fig. 12 (by CiMLoop)", _explained)


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
