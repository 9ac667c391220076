"""Virtual chips for the experiments: compiled, measured, tuned on the golden board."""

from __future__ import annotations

import dataclasses
import warnings
from functools import cache
from typing import Any

from boards.golden import GoldenBoard
from emulator.device.description import Chip, load_chip
from emulator.errors import CompileWarning
from emulator.learning.tuning import Plan
from emulator.mapping import Mapped, Mitigation, map_network, program_of
from emulator.network import Network, load_network
from emulator.network.datasets import fashion_mnist_test
from emulator.network.zoo.files import FLOAT_PREFIX, FOLDER
from emulator.spec import Program
from ndrite.calibration import calibrate_board
from ndrite.evaluations import accuracy as outputs_accuracy
from ndrite.experiments.kan_data import kan_data
from ndrite.labelled import Labelled, data_set

SAMPLES = 2_000
"""Last training images, which set converter ranges and column corrections."""
RAW = Mitigation(bias_correction=False, gain_calibration=False, fault_aware=False)
"""A chip as programmed: nothing was corrected for its individual cells."""
DENDRITIC = "fashion-mnist-784-128-10-dendritic"


@cache
def network(name: str) -> Network:
    """A float network of the zoo, by name."""
    return load_network(FOLDER / f"{FLOAT_PREFIX}{name}.npz")


@cache
def data(name: str) -> Labelled:
    """A data set, read once; ``mnist-70000`` is all of MNIST, from an npm package that lies beside."""
    return kan_data("mnist") if name == "mnist-70000" else data_set(name)


def learning_data(images: int) -> tuple[Any, Any, Any, Any]:
    """Fashion-MNIST to learn from, with labels, and the first ``images`` test images with theirs.

    A smoke run (fewer than 1,000) needs no training files, which do not ship: it learns from other test
    images.
    """
    if images < 1000:
        x, labels = fashion_mnist_test()
        return x[5000:], labels[5000:], x[:images], labels[:images]
    found = data("fashion-mnist")
    return found.x, found.labels, found.test_x[:images], found.test_labels[:images]


def changed(chip: str, **fields: Any) -> Chip:
    """A chip by name with fields of its sections replaced: ``cell__error_scale=2``."""
    result = load_chip(chip)
    for name, value in fields.items():
        section, field = name.split("__")
        part = dataclasses.replace(getattr(result, section), **{field: value})
        result = dataclasses.replace(result, **{section: part})
    return result


def make(net: Network, chip: Chip, seed: int, samples: Any, *, corrected: bool = True) -> Mapped:
    """Virtual chip ``seed``, with column corrections or as programmed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        return map_network(net, chip, samples, seed=seed, mitigation=None if corrected else RAW)


def aged(net: Network, chip: Chip, seed: int, samples: Any, time_s: float) -> Mapped:
    """Virtual chip ``seed`` corrected right after programming, its cells as they are at ``time_s``."""
    early = make(net, at_time(chip, 1.0), seed, samples)
    die = early.die.at(time_s)
    return early._replace(program=program_of(die, early.program), die=die)


def at_time(chip: Chip, time_s: float) -> Chip:
    """The chip so many seconds after programming."""
    conditions = dataclasses.replace(chip.conditions, time_since_programming_s=time_s)
    return dataclasses.replace(chip, conditions=conditions)


def accuracy(program: Program, x: Any, labels: Any, seed: int) -> float:
    """Accuracy on the golden model, read noise on."""
    board = GoldenBoard()
    board.program(program)
    return outputs_accuracy(board.infer(x, seed=seed), labels)


def before_and_after(
    net: Network, programs: tuple[Program, Program], x: Any, labels: Any, seed: int
) -> dict[str, float]:
    """Accuracy of the float network, and of a chip before and after tuning."""
    before, after = programs
    return {
        "float": net.accuracy(x, labels),
        "before": accuracy(before, x, labels, seed),
        "after": accuracy(after, x, labels, seed),
    }


def tuned(
    chip: Mapped, net: Network, x: Any, labels: Any, seed: int, plan: Plan, *, cells: bool = False
) -> Program:
    """The program after tuning its neurons on the golden board; ``cells`` as ``calibrate_board``."""
    board = GoldenBoard()
    plan = dataclasses.replace(plan, seed=seed)
    return calibrate_board(
        board, chip.program, chip.die, net, x, labels, plan=plan, seed=seed, cells=cells
    ).program
