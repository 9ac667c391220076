"""Weights frozen in programmed, imperfect RRAM; the inputs or the cells change; something small is adapted.

Five networks, trained as ``ndrite experiment loss`` trains its own, and the column corrections of their dies
were made for clean samples. Then every sample is darkened, shifted, rotated or noisy, or the cells have
relaxed since the corrections were made. The neurons' ECRAMs are adapted by pulses. Controls of equal cost
adapt the neurons' digital gains and biases, or the output weights. All see the same number of labelled
samples, each at the best of three rates by held-out ones.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import rotate

from emulator.learning.tuning import Plan
from emulator.spec import Program
from ndrite.experiments import chips, controls, crossing
from ndrite.experiments.bits import Bools
from ndrite.experiments.crossing import FLOAT, crossed_bits
from ndrite.experiments.loss import CHIP_RATE, CONVERTERS, EPOCHS
from ndrite.experiments.runner import Table
from ndrite.experiments.trained import trained
from ndrite.intervals import bars, points

Images = npt.NDArray[np.uint8]

CHIP = CONVERTERS
AGED = {"two days after its corrections, 3 x error": 3.0}
"""Factor on programming error and relaxation."""
TASKS = (
    "half as bright",
    "noise of 40 grey values",
    "rotated by 15 degrees",
    "shifted by 2 pixels",
    *AGED,
)
WAYS = ("ECRAMs of the neurons", *controls.KINDS)
NETWORKS, DIES = 5, 2
PLAN = Plan(steps=20, batch=2000)
LEARN = 20_000
"""Training samples that are adapted on, the last ones; ``HELD`` before them choose the rates."""
HELD = 2_000
SIDE = 28
LATER_S = 172_800.0


def changed(images: Images, task: str, seed: int) -> Images:
    """Images uint8 (n, 784) of another task."""
    if task == "half as bright":
        return images // 2
    if task == "shifted by 2 pixels":
        moved = np.zeros((len(images), SIDE, SIDE), np.uint8)
        moved[:, :, 2:] = images.reshape(-1, SIDE, SIDE)[:, :, :-2]
        return moved.reshape(len(images), -1)
    if task == "rotated by 15 degrees":
        square = images.reshape(-1, SIDE, SIDE)
        turned: Images = rotate(square, 15, axes=(2, 1), reshape=False, order=1)
        return turned.reshape(len(images), -1)
    if task == "noise of 40 grey values":
        noise = np.random.default_rng(seed).normal(0, 40, images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)
    return images


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Every task on every die, network by network."""
    networks, dies, size = NETWORKS, DIES, {"samples": 10_000, "epochs": EPOCHS}
    if smoke:
        networks, dies, size = 1, 1, {"samples": 300, "epochs": 0}
    return [
        {"task": task, "seed": seed, "die": die, **size}
        for seed in range(1, networks + 1)
        for die in range(dies)
        for task in ((TASKS[2], TASKS[-1]) if smoke else TASKS)
    ]


def run(task: str, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """A die of a network on one task: what is right in float, on the die as it is, and adapted each way."""
    net, _ = trained(CHIP, "ndr", seed, epochs, rate=CHIP_RATE, tunable=True)
    number = crossing.die_number(seed, die)
    x, labels, test_x, test_labels = chips.learning_data(samples)
    fit = x[-chips.SAMPLES :]
    chip = chips.changed(CHIP)
    if task in AGED:
        chip = chips.changed(CHIP, cell__error_scale=AGED[task])
        made = chips.aged(net, chip, number, fit, LATER_S)
    else:
        made = chips.make(net, chip, number, fit)
    plan, learn, held = (Plan(steps=2, batch=200), 3000, 500) if samples < 1000 else (PLAN, LEARN, HELD)
    plan = dataclasses.replace(plan, seed=number)
    other, test = changed(x[-learn - held :], task, 2 * number), changed(test_x, task, 2 * number + 1)
    classes = labels[-learn - held :]

    def right(program: Program) -> Bools:
        return crossing.right_on_die(program, test, test_labels, number)

    rates: dict[str, Any] = {}
    on_die = {"die": right(made.program)}
    best = -1.0
    for rate in controls.RATES:
        plan = dataclasses.replace(plan, rate=rate)
        tuned = chips.tuned(made, net, other[held:], classes[held:], number, plan)
        accuracy = chips.accuracy(tuned, other[:held], classes[:held], number)
        if accuracy > best:
            best, program = accuracy, tuned
            rates[f"{WAYS[0]}, rate"] = rate
    on_die[WAYS[0]] = right(program)
    for kind in controls.KINDS:
        known = controls.seen(made.program, chip.array.rows, other, classes)
        data, rest = (
            controls.Seen(known.p[part], known.labels[part]) for part in (np.s_[held:], np.s_[:held])
        )
        program, rate, _ = controls.adapted(made, chip, kind, data, rest, plan)
        on_die[kind] = right(program)
        rates[f"{kind}, rate"] = rate
    return crossing.kept(crossing.right_in_float(net, test, test_labels), on_die) | rates


def correct(results: list[dict[str, Any]], task: str, what: str) -> npt.NDArray[np.float64]:
    """What is right of a task, (networks, dies, n): ``float``, ``die``, or a way of adapting."""
    return crossed_bits([r for r in results if r["task"] == task], what)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracies, and gains over the die as it is, by task and way."""
    accuracies, gains = [], []
    for task in dict.fromkeys(r["task"] for r in results):
        as_it_is = correct(results, task, "die")
        columns = [correct(results, task, what) for what in (FLOAT, "die", *WAYS)]
        accuracies.append((task, *(f"{100 * values.mean():.2f}" for values in columns)))
        gains.append((task, *(points(correct(results, task, way) - as_it_is) for way in WAYS)))
    return [
        Table(
            f"adaptation, weights frozen, {crossing.size(results)}: accuracy, %",
            ("inputs or cells", "float, not adapted", "die as it is", *WAYS),
            accuracies,
        ),
        Table("gain over the die as it is, points", ("inputs or cells", *WAYS), gains),
    ]


facts = crossing.facts


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Bars: accuracy as it is and after each way, task by task."""
    ax = figure.subplots()
    tasks = list(dict.fromkeys(r["task"] for r in results))
    whats = ("die", *WAYS)
    for i, (what, colour) in enumerate(zip(whats, ("#bbbbbb", "#4477aa", "#ccbb44", "#cc3311"), strict=True)):
        for k, task in enumerate(tasks):
            mean, error = bars(correct(results, task, what))
            ax.bar(
                k + 0.2 * (i - 1.5),
                mean,
                0.2,
                yerr=error,
                color=colour,
                label=what if k == 0 else None,
                error_kw={"elinewidth": 0.8},
            )
    ax.set_ylim(50, 92)
    ax.set_xticks(range(len(tasks)), [t.replace(", ", ",\n") for t in tasks], fontsize=6)
    ax.set(ylabel="accuracy, %")
    ax.legend(fontsize=6)
