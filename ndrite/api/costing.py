"""cost: what one inference costs, modelled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from emulator.mapping import Die
from ndrite.api.sources import die_from, program_from, shipped_path
from ndrite.costs import CONSTANTS, Account, Constants, account_of, load_constants
from ndrite.samples import seen_samples
from ndrite.stages import Stages, silent

IMAGES = 100
"""Samples that the work is counted on, where the caller does not say."""


def cost(
    program: Any = None,
    inputs: Any = None,
    *,
    die: Die | None = None,
    data: str | None = None,
    codes: bool = False,
    images: int = IMAGES,
    constants: Constants | str | os.PathLike[str] | None = None,
    node_nm: float | None = None,
    progress: Stages | None = None,
) -> Account:
    """Energy (pJ), latency (ns) and area (um2) of one inference, by step and component: modelled.

    Every figure has a low, a typical and a high value. The energy is a mean over samples. Nothing here is a
    measurement.

    Parameters
    ----------
    program:
        A program's file (its die lies beside it), what ``ndrite.compile`` gives, or a ``Program`` with
        ``die``. Default: the shipped program.
    inputs:
        Samples (n, inputs) that the work is counted on, as an array or an ``.npy`` file: in the unit of an
        imported network, else codes uint8. Default: test samples of the data set that the network names.
    images:
        First so many samples only.
    constants, node_nm:
        Constants or their YAML file, and the technology node in nanometres, 5..500.
    progress:
        Told of the stage ``samples``.

    Raises
    ------
    CostError, InputError, CompileError, FileNotFoundError
        When constants, samples, die or program cannot be used.

    Examples
    --------
    >>> import ndrite
    >>> account = ndrite.cost(images=20)
    >>> low, typical, high = account.total.energy_pJ
    >>> bool(low < typical < high)
    True
    >>> sorted(account.by_component())[:3]
    ['array', 'buffers', 'converters']
    """
    known = constants.on(node_nm) if isinstance(constants, Constants) else _read(constants, node_nm)
    source = shipped_path() if program is None else program
    what = program_from(source)
    on = die_from(source, what, die)
    x = seen_samples(what, inputs, data=data, codes=codes)
    with (progress or silent)("samples") as report:
        return account_of(what, on, x[:images], known, progress=report)


def _read(path: str | os.PathLike[str] | None, node_nm: float | None) -> Constants:
    return load_constants(CONSTANTS if path is None else Path(path), node_nm)
