"""NeuRRAM: energy of a core."""

from __future__ import annotations

from ndrite.replicate import energy
from ndrite.replicate.published import Explained

TITLE = "NeuRRAM: energy efficiency of a core"
SOURCE = (
    "W. Wan et al., Nature 608, 504 (2022), doi 10.1038/s41586-022-04992-8, Extended Data Fig. 12, as read "
    "by CiMLoop's model of it (mit-emze/cimloop d6e1390, wan_nature_2022), not by us"
)
RUN, OVER, NOT_RUN, FOLDER = energy.RUN, energy.OVER, "", ""


def _explained(value: float) -> Explained | None:
    return Explained(
        low=value / 3,
        high=value,
        why="NeuRRAM's converter decides bit by bit and gets cheaper with every bit it need not give; the "
        "survey's law of the account ends at 4 bits.",
    )


_CORES = energy.Cores("neurram", "Extended Data Fig. 12 (by CiMLoop)", _explained)
published, runs, run = _CORES.published, _CORES.runs, _CORES.run
found, tables = _CORES.found, _CORES.tables
