"""Compiled: a network on a chip, all that compiling gave."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from emulator.mapping import CompileReport, Die
from emulator.network import Network
from emulator.spec import Program
from emulator.spec.brief import brief_repr
from ndrite.dies import save_both


@dataclass(frozen=True, eq=False)
class Compiled:
    """What ``ndrite.compile`` gives.

    Attributes
    ----------
    network:
        The float network.
    program, die:
        What is computed, in integers, and the individual chip that computes it.
    report:
        What was lost, layer by layer: weight errors relative to the weights' rms, table errors in output
        steps (LSB), signal-to-noise ratio in dB.
    """

    __repr__ = brief_repr

    network: Network
    program: Program
    die: Die
    report: CompileReport

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the program to ``path`` and its die beside it (``program.die.npz``); each in whole or not.

        Raises
        ------
        OSError
            When a file cannot be written.
        """
        save_both(self.program, self.die, path)
        return Path(path)

    def _repr_html_(self) -> str:
        return self.program._repr_html_() + self.report._repr_html_()
