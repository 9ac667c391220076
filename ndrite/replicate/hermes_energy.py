"""HERMES: energy of a core."""

from __future__ import annotations

from ndrite.replicate import energy
from ndrite.replicate.published import Explained

TITLE = "HERMES: energy efficiency of a core"
SOURCE = "M. Le Gallo et al., Nature Electronics 6, 680 (2023), doi 10.1038/s41928-023-01010-1, abstract"
RUN, OVER, NOT_RUN, FOLDER = energy.RUN, energy.OVER, "", ""


def _explained(value: float) -> Explained | None:
    return Explained(
        low=value,
        high=12 * value,
        why="The account is 8 to 11 times too good: HERMES' converters are oscillators that run all "
        "through the read and feed two 12-bit counters a column, where the account takes the best "
        "successive-approximation converter of the node. Its column currents are mirrored from the "
        "supply, not drawn at the read voltage.",
    )


_CORES = energy.Cores("hermes", "abstract", _explained)
published, runs, run = _CORES.published, _CORES.runs, _CORES.run
found, tables = _CORES.found, _CORES.tables
