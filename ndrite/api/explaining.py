"""explain: where the accuracy goes, one cause of error at a time."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.device.description import Chip
from emulator.errors import CompileWarning
from emulator.mapping.explain import Explanation, Outcome, Row, mitigation_benefits
from emulator.mapping.explain import explain as measure
from emulator.network import Network
from emulator.spec.brief import brief_repr
from emulator.spec.notebook import table
from ndrite.api.sources import existing_subject, network_from, program_from
from ndrite.causes import draw, mapped_subject
from ndrite.samples import calibrating_samples, classed_samples

IMAGES = 2000
"""Test samples that causes are judged by, where the caller does not say."""


@dataclass(frozen=True, eq=False)
class Loss:
    """What ``ndrite.explain`` gives.

    Attributes
    ----------
    explanation:
        Accuracy (0..1) and output SNR (dB) by cause, against the float network.
    mitigation:
        What every measure against the errors is worth; empty unless asked for.
    notes:
        What compiling warned of, one line each.
    """

    __repr__ = brief_repr

    explanation: Explanation
    mitigation: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """One for each cause, then all of them together, then the program itself."""
        return self.explanation.rows

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw it into a file; its suffix (``.png``, ``.svg``, ``.pdf``) is the format."""
        draw(self.explanation, Path(path))
        return Path(path)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        outcomes = [outcome.as_dict() for outcome in self.mitigation]
        return self.explanation.as_dict() | {"notes": list(self.notes), "mitigation": outcomes}

    def _repr_html_(self) -> str:
        lines = [(o.name, f"{100 * o.accuracy:.2f} %", f"{o.snr_db:.1f}") for o in self.mitigation]
        more = table(("compiled with", "accuracy", "SNR, dB"), lines) if lines else ""
        return self.explanation._repr_html_() + more


def explain(
    program: Any,
    *,
    chip: Chip | str | os.PathLike[str] | None = None,
    network: Any = None,
    samples: Any = None,
    inputs: Any = None,
    labels: Any = None,
    data: str | None = None,
    codes: bool = False,
    images: int = IMAGES,
    chip_seed: int | None = None,
    seed: int = 0,
    mitigation: bool = False,
) -> Loss:
    """Break the loss of a compiled network down by cause.

    Every cause stands alone, as it is and with gains and biases corrected on the samples as compiling does.
    All causes together follow, and the program itself. Causes do not add up.

    Parameters
    ----------
    program:
        A program's file (its die lies beside it), what ``ndrite.compile`` gives, or, with ``chip``, a network
        that is compiled now.
    chip:
        The chip of a network: a preset, a file, or several joined with ``+``.
    network:
        The network that a program's file was compiled from, unless it is the shipped one.
    samples:
        Inputs that calibrate, (n, inputs). Default: samples of the data set that the network names.
    inputs, labels:
        Samples (n, inputs) and classes (n,) to judge by, arrays or ``.npy`` files. Default: the test samples
        of that data set which do not calibrate.
    images:
        First so many of them.
    chip_seed:
        Which individual chip; default: the program's own, or 0.
    seed:
        Read-noise seed.
    mitigation:
        Measure also what each measure against the errors is worth.

    Raises
    ------
    InputError, NetworkError, ProgramError, CompileError, ChipError, FileNotFoundError
        When something that is needed was not given or does not fit.

    Examples
    --------
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.shipped_network(), "wan2022")
    >>> loss = ndrite.explain(compiled, images=50)
    >>> loss.rows[-1].cause
    'program (golden model)'
    >>> loss.plot("explain.png").name
    'explain.png'
    """
    of = program_from(program) if chip is None else network_from(program, samples)
    x, y = classed_samples(of, inputs, labels, data=data, codes=codes, seen=False)
    x, y = x[:images], y[:images]
    typical = calibrating_samples(of, samples, inputs, data=data, codes=codes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CompileWarning)
        if isinstance(of, Network):
            assert chip is not None
            subject = mapped_subject(of, chip, typical, chip_seed or 0)
        else:
            subject = existing_subject(program, of, network, chip_seed)
    found = measure(subject.network, subject.program, subject.die, typical, x, y, seed=seed & ((1 << 63) - 1))
    worth: list[Outcome] = []
    if mitigation:
        seeds = (subject.die.seed,)
        worth = mitigation_benefits(subject.network, subject.die.chip, typical, x, y, seeds=seeds)
    return Loss(found, tuple(worth), tuple(str(w.message) for w in caught))
