"""Value change dumps: in which cycles one-bit signals were 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from host import InputError

STEPS_PER_CYCLE = 2


def read_activity(path: Path, signals: list[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """bool (cycles,) by signal: whether it was 1 when the clock rose, at even time steps.

    Raises
    ------
    InputError
        When a signal is not in the file.
    """
    codes: dict[str, list[str]] = {}
    scope: list[str] = []
    changes: dict[str, list[tuple[int, int]]] = {name: [] for name in signals}
    time = 0
    with path.open() as file:
        for line in file:
            words = line.split()
            if not words:
                continue
            if words[0] == "$scope":
                scope.append(words[2])
            elif words[0] == "$upscope":
                scope.pop()
            elif words[0] == "$var":
                name = ".".join([*scope, words[4]])
                if name in changes:
                    codes.setdefault(words[3], []).append(name)
            elif words[0] == "$enddefinitions":
                break
        missing = set(signals) - {name for names in codes.values() for name in names}
        if missing:
            raise InputError(f"{path}: no signal {min(missing)}")
        for line in file:
            if line[0] == "#":
                time = int(line[1:])
            elif line[0] in "01xz":
                for name in codes.get(line[1:].strip(), ()):
                    changes[name].append((time, int(line[0] == "1")))
    cycles = time // STEPS_PER_CYCLE + 1
    activity = {}
    for name, pairs in changes.items():
        value = np.zeros(cycles, bool)
        for (start, level), (end, _) in zip(pairs, [*pairs[1:], (STEPS_PER_CYCLE * cycles, 0)], strict=True):
            first = -(-start // STEPS_PER_CYCLE)
            value[first : -(-end // STEPS_PER_CYCLE)] = bool(level)
        activity[name] = value
    return activity
