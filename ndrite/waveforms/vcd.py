"""Value change dumps: in which cycles signals were not 0."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from host import InputError

STEPS_PER_CYCLE = 2


def read_widths(path: Path) -> dict[str, int]:
    """Bits of every variable in the file's header, by its whole name (scopes and name, dots between)."""
    header = _read(path, only_sigs=True)
    return {_bare(name): int(header[name].size) for name in header.references_to_ids}


def read_activity(path: Path, signals: list[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """bool (cycles,) by signal: whether any of its bits was 1 when the clock rose, at even time steps.

    Raises
    ------
    InputError
        When a signal is not in the file.
    """
    header = _read(path, only_sigs=True)
    written = {_bare(name): name for name in header.references_to_ids}
    missing = set(signals) - set(written)
    if missing:
        raise InputError(f"{path}: no signal {min(missing)}")
    waves = _read(path, signals=[written[name] for name in signals])
    cycles = waves.endtime // STEPS_PER_CYCLE + 1
    activity = {}
    for name in signals:
        changes = [(time, "1" in value) for time, value in waves[written[name]].tv]
        value = np.zeros(cycles, bool)
        ends = [*changes[1:], (STEPS_PER_CYCLE * cycles, False)]
        for (start, level), (end, _) in zip(changes, ends, strict=True):
            value[-(-start // STEPS_PER_CYCLE) : -(-end // STEPS_PER_CYCLE)] = level
        activity[name] = value
    return activity


def _read(path: Path, **options: Any) -> Any:
    before = signal.getsignal(signal.SIGPIPE)
    from vcdvcd import VCDVCD

    # The library, when imported, lets SIGPIPE end the process: a peer that hangs up would kill its user.
    if signal.getsignal(signal.SIGPIPE) is not before:
        signal.signal(signal.SIGPIPE, before)
    return VCDVCD(str(path), **options)


def _bare(name: str) -> str:
    """A variable's name without its range of bits: ``core.data[7:0]`` is ``core.data``."""
    return name.split("[")[0]
