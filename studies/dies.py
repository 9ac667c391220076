"""Dies of the studies: drawn, corrected or not, aged, tuned on the golden board."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

from boards.golden import GoldenBoard
from emulator.device.description import Chip, load_chip
from emulator.errors import CompileWarning
from emulator.learning.tuning import Plan
from emulator.mapping import MapOptions, Mapped, Mitigation, map_network, program_of
from emulator.network import Network
from emulator.spec import Program
from ndrite.calibration import calibrate_board

ANALOG, CONVERTERS = "dendritic-analog", "dendritic-ndr+ecram-pair"
WORSE = {"cell__error_scale": 2.0, "cell__stuck_low_percent": 0.5, "cell__stuck_high_percent": 0.5}
SAMPLES = 2_000
"""Last training images, which set converter ranges and column corrections."""
RAW = Mitigation(bias_correction=False, gain_calibration=False, fault_aware=False)
"""A die as programmed: nothing was corrected for its individual cells."""


def changed(chip: str, **fields: Any) -> Chip:
    """A chip by name with fields of its sections replaced: ``cell__error_scale=2``."""
    result = load_chip(chip)
    for name, value in fields.items():
        section, field = name.split("__")
        part = dataclasses.replace(getattr(result, section), **{field: value})
        result = dataclasses.replace(result, **{section: part})
    return result


def make(net: Network, chip: Chip, seed: int, samples: Any, *, corrected: bool = True) -> Mapped:
    """Die ``seed``, with column corrections or as programmed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        return map_network(
            net, chip, samples, seed=seed, options=MapOptions(mitigation=Mitigation() if corrected else RAW)
        )


def at_time(chip: Chip, time_s: float) -> Chip:
    """The chip so many seconds after programming."""
    conditions = dataclasses.replace(chip.conditions, time_since_programming_s=time_s)
    return dataclasses.replace(chip, conditions=conditions)


def aged(net: Network, chip: Chip, seed: int, samples: Any, time_s: float) -> Mapped:
    """Die ``seed`` corrected right after programming, its cells as they are at ``time_s``."""
    early = make(net, at_time(chip, 1.0), seed, samples)
    die = early.die.at(time_s)
    return early._replace(program=program_of(die, early.program), die=die)


def tuned(
    made: Mapped, net: Network, x: Any, labels: Any, seed: int, plan: Plan, *, cells: bool = False
) -> Program:
    """The program after tuning its neurons on the golden board; ``cells`` as ``calibrate_board``."""
    plan = dataclasses.replace(plan, seed=seed)
    return calibrate_board(
        GoldenBoard(), made.program, made.die, net, x, labels, plan=plan, seed=seed, cells=cells
    ).program
