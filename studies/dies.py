"""Dies of the studies: sampled, corrected or not, aged, tuned on the golden board; and
which samples they get right."""

import dataclasses
import warnings
from typing import Any, NamedTuple

import numpy as np

from ndrite.boards.golden import GoldenBoard
from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.learning.labelled import Classes
from ndrite.emulator.learning.tuning import Plan
from ndrite.emulator.mapping import MapOptions, Mapped, Mitigation, map_network, program_of
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Codes
from ndrite.verbs.calibrate import calibrate_board
from studies.data import Data
from studies.runs import Bools

ANALOG, CONVERTERS = "dendritic-analog", "dendritic-ndr+ecram-pair"
WORSE = {"cell__error_scale": 2.0, "cell__stuck_low_percent": 0.5, "cell__stuck_high_percent": 0.5}
SAMPLES = 2_000
"""Number of training images, the last ones, that set converter ranges and
column corrections."""
RAW = Mitigation(bias_correction=False, gain_calibration=False, fault_aware=False)
"""Mitigation of a die as programmed: nothing is corrected for its individual cells."""


def changed(chip: str, **fields: Any) -> Chip:
    """Return the chip called ``chip`` with some fields replaced;
    ``cell__error_scale=2`` sets field ``error_scale`` of section ``cell``."""
    result = load_chip(chip)
    for name, value in fields.items():
        section, field = name.split("__")
        part = dataclasses.replace(vars(result)[section], **{field: value})
        result = dataclasses.replace(result, **{section: part})
    return result


def number_of(seed: int, die: int) -> int:
    """Return the seed of die number ``die`` of the network with seed ``seed``; the seed
    also determines the die's read noise."""
    return 1000 * seed + die


def make(
    net: Network, chip: Chip, seed: int, samples: Codes, *, corrected: bool = True, **options: Any
) -> Mapped:
    """Map a network onto the die of ``seed``, with or without corrections of columns;
    ``options`` are those of ``MapOptions``."""
    with warnings.catch_warnings(action="ignore", category=CompileWarning):
        map_options = MapOptions(mitigation=Mitigation() if corrected else RAW, **options)
        return map_network(net, chip, samples, seed=seed, options=map_options)


def aged(net: Network, chip: Chip, seed: int, samples: Codes, time_s: float) -> Mapped:
    """Map a network onto the die of ``seed``, correct its columns right after
    programming, and age its cells to ``time_s``."""
    fresh = dataclasses.replace(chip.conditions, time_since_programming_s=1.0)
    early = make(net, dataclasses.replace(chip, conditions=fresh), seed, samples)
    die = early.die.at(time_s)
    return early._replace(program=program_of(die, early.program), die=die)


class Tuning(NamedTuple):
    """How the neurons of a die are tuned: the plan, and ``cells`` as for
    ``calibrate_board``."""

    plan: Plan
    cells: bool = False


def tuned(made: Mapped, net: Network, x: Codes, labels: Classes, tuning: Tuning, seed: int) -> Program:
    """Tune the neurons of a die on the golden board and return the tuned program."""
    plan, board = dataclasses.replace(tuning.plan, seed=seed), GoldenBoard()
    result = calibrate_board(
        board, made.program, made.die, net, x, labels, plan=plan, seed=seed, cells=tuning.cells
    )
    return result.program


def in_float(net: Network, x: Codes, labels: Classes) -> Bools:
    """Return, for each sample, whether the float network's answer is right, (n,)."""
    return np.asarray(net.forward(x / np.float32(255)).argmax(axis=1) == labels)


def on_die(program: Program, number: int, x: Codes, labels: Classes) -> Bools:
    """Return, for each sample, whether the answer of die ``number`` with read
    noise is right, (n,)."""
    return np.asarray(Core(program).infer(x, seed=number).argmax(axis=1) == labels)


def before_and_after(
    net: Network,
    chip: Chip,
    number: int,
    data: Data,
    tuning: Tuning | None,
    *,
    corrected: bool = True,
) -> list[Bools]:
    """Return which samples die ``number`` gets right before tuning and, if a ``tuning``
    is given, also after it.

    ``data`` are samples and labels to learn from, the last of which calibrate, then
    those of the test.
    """
    x, labels, *test = data
    mapped = make(net, chip, number, x[-SAMPLES:], corrected=corrected)
    programs = [mapped.program]
    if tuning is not None:
        programs.append(tuned(mapped, net, x, labels, tuning, number))
    return [on_die(program, number, *test) for program in programs]
