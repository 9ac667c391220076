"""Weights frozen in programmed, imperfect RRAM; the inputs or the cells change; something small is adapted.

The network and the chip's column corrections were made for clean samples. Then every sample is darkened,
shifted, rotated or noisy, or the cells have relaxed since the corrections were made. The neurons' ECRAMs
are adapted by pulses. Controls of equal cost adapt the neurons' digital gains and biases, or the output
weights. All see the same number of labelled samples, each at the best of three rates by held-out ones.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import rotate

from emulator.golden import Core
from emulator.learning.tuning import Plan
from ndrite.experiments import chips, controls
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.runner import Table
from ndrite.intervals import bootstrap, crossed, points

Images = npt.NDArray[np.uint8]

CHIP = "dendritic-ndr+ecram-pair"
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
CHIPS = 5
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
    """Every task on every die, die by die."""
    count, samples = (1, 300) if smoke else (CHIPS, 10_000)
    return [
        {"task": task, "seed": seed, "samples": samples}
        for seed in range(count)
        for task in ((TASKS[2], TASKS[-1]) if smoke else TASKS)
    ]


def run(task: str, seed: int, samples: int) -> dict[str, Any]:
    """One die on one task: what is right in float, on the die as it is, and after each way of adapting it."""
    net = chips.network(chips.DENDRITIC)
    x, labels, test_x, test_labels = chips.learning_data(samples)
    fit = x[-chips.SAMPLES :]
    chip = chips.changed(CHIP)
    if task in AGED:
        chip = chips.changed(CHIP, cell__error_scale=AGED[task])
        made = chips.aged(net, chip, seed, fit, LATER_S)
    else:
        made = chips.make(net, chip, seed, fit)
    plan, learn, held = (Plan(steps=2, batch=200), 3000, 500) if samples < 1000 else (PLAN, LEARN, HELD)
    plan = dataclasses.replace(plan, seed=seed)
    other, test = changed(x[-learn - held :], task, 2 * seed), changed(test_x, task, 2 * seed + 1)
    classes = labels[-learn - held :]

    def right(program: Any) -> npt.NDArray[np.bool_]:
        good: npt.NDArray[np.bool_] = Core(program).infer(test, seed=seed).argmax(axis=1) == test_labels
        return good

    in_float = net.forward(test / np.float32(255)).argmax(axis=1) == test_labels
    found: dict[str, Any] = {"float": packed(in_float), "die": packed(right(made.program), in_float)}
    best = -1.0
    for rate in controls.RATES:
        plan = dataclasses.replace(plan, rate=rate)
        tuned = chips.tuned(made, net, other[held:], classes[held:], seed, plan)
        accuracy = chips.accuracy(tuned, other[:held], classes[:held], seed)
        if accuracy > best:
            best, program = accuracy, tuned
            found[f"{WAYS[0]}, rate"] = rate
    found[WAYS[0]] = packed(right(program), in_float)
    for kind in controls.KINDS:
        known = controls.seen(made.program, chip.array.rows, other, classes)
        data, rest = (
            controls.Seen(known.p[part], known.labels[part]) for part in (np.s_[held:], np.s_[:held])
        )
        program, rate, _ = controls.adapted(made, chip, kind, data, rest, plan)
        found[kind] = packed(right(program), in_float)
        found[f"{kind}, rate"] = rate
    return found


def correct(results: list[dict[str, Any]], task: str, what: str) -> npt.NDArray[np.float64]:
    """What is right on each die of a task, (1, dies, n): ``float``, ``die``, or a way of adapting."""
    found = []
    for r in (r for r in results if r["task"] == task):
        in_float = unpacked(r["float"], r["samples"])
        found.append(in_float if what == "float" else unpacked(r[what], r["samples"], in_float))
    return np.array(found, np.float64)[None]


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracies, and gains over the die as it is, by task and way."""
    accuracies, gains = [], []
    for task in dict.fromkeys(r["task"] for r in results):
        as_it_is = correct(results, task, "die")
        columns = [correct(results, task, what) for what in ("float", "die", *WAYS)]
        accuracies.append((task, *(f"{100 * values.mean():.2f}" for values in columns)))
        gains.append((task, *(points(correct(results, task, way) - as_it_is) for way in WAYS)))
    held = facts(results)
    size = f"{held['dies']} dies x {held['samples']} samples"
    return [
        Table(
            f"adaptation, weights frozen, {size}: accuracy, %",
            ("inputs or cells", "float, not adapted", "die as it is", *WAYS),
            accuracies,
        ),
        Table("gain over the die as it is, points", ("inputs or cells", *WAYS), gains),
    ]


def facts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals are taken over."""
    return {
        "interval": "95 %, bootstrap over dies and samples",
        "networks": 1,
        "dies": len({r["seed"] for r in results}),
        "samples": results[0]["samples"],
        "bootstrap": bootstrap("dies, and samples for all of them"),
    }


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Bars: accuracy as it is and after each way, task by task."""
    ax = figure.subplots()
    tasks = list(dict.fromkeys(r["task"] for r in results))
    whats = ("die", *WAYS)
    for i, (what, colour) in enumerate(zip(whats, ("#bbbbbb", "#4477aa", "#ccbb44", "#cc3311"), strict=True)):
        for k, task in enumerate(tasks):
            values = correct(results, task, what)
            low, high = crossed(values)
            mean = values.mean()
            ax.bar(
                k + 0.2 * (i - 1.5),
                100 * mean,
                0.2,
                yerr=[[100 * (mean - low)], [100 * (high - mean)]],
                color=colour,
                label=what if k == 0 else None,
                error_kw={"elinewidth": 0.8},
            )
    ax.set_ylim(50, 92)
    ax.set_xticks(range(len(tasks)), [t.replace(", ", ",\n") for t in tasks], fontsize=6)
    ax.set(ylabel="accuracy, %")
    ax.legend(fontsize=6)
