"""Weights frozen in programmed, imperfect RRAM; the inputs or the cells change; only ECRAMs move.

The network and the chip's column corrections were made for clean images. Then every image is darkened,
shifted, rotated or noisy, or the cells have relaxed since the corrections were made, and the neurons are
tuned on labelled images of that kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import rotate

from emulator.learning.tuning import Plan
from ndrite.experiments import chips
from ndrite.experiments.runner import Table, mean_interval, percent

Images = npt.NDArray[np.uint8]

CHIP = "dendritic-ndr+ecram-pair"
AGED = {"two days after its corrections": 1.0, "two days after its corrections, 3 x error": 3.0}
"""Factor on programming error and relaxation."""
TASKS = (
    "as trained",
    "half as bright",
    "noise of 40 grey values",
    "rotated by 15 degrees",
    "shifted by 2 pixels",
    *AGED,
)
CHIPS = 5
PLAN = Plan(steps=40, batch=2000, rate=0.02)
LEARN = 20_000
"""Last training images, which the neurons are tuned on."""
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
    """Every task on every chip."""
    count, images = (1, 300) if smoke else (CHIPS, 10_000)
    return [
        {"task": task, "seed": seed, "images": images}
        for task in ((TASKS[3], TASKS[-1]) if smoke else TASKS)
        for seed in range(count)
    ]


def run(task: str, seed: int, images: int) -> dict[str, Any]:
    """One chip on one task: accuracy before and after tuning."""
    net = chips.network(chips.DENDRITIC)
    x, labels, test_x, test_labels = chips.learning_data(images)
    samples = x[-chips.SAMPLES :]
    if task in AGED:
        worse = chips.changed(CHIP, cell__error_scale=AGED[task])
        made = chips.aged(net, worse, seed, samples, LATER_S)
    else:
        made = chips.make(net, chips.changed(CHIP), seed, samples)
    plan = Plan(steps=2, batch=200) if images < 1000 else PLAN
    other, test = changed(x[-LEARN:], task, 2 * seed), changed(test_x, task, 2 * seed + 1)
    after = chips.tuned(made, net, other, labels[-LEARN:], seed, plan)
    return chips.before_and_after(net, (made.program, after), test, test_labels, seed)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracies and the gain by task."""
    rows = []
    for task in dict.fromkeys(r["task"] for r in results):
        group = [r for r in results if r["task"] == task]
        rows.append(
            (
                task,
                percent([r["float"] for r in group]),
                percent([r["before"] for r in group]),
                percent([r["after"] for r in group]),
                percent([r["after"] - r["before"] for r in group]),
            )
        )
    header = ("inputs", "float, untuned, %", "chip, %", "chip, neurons tuned, %", "gain, points")
    seeds = len({r["seed"] for r in results})
    return [Table(f"adaptation, weights frozen, {seeds} chips, {results[0]['images']} images", header, rows)]


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Bars: accuracy before and after, task by task."""
    ax = figure.subplots()
    tasks = list(dict.fromkeys(r["task"] for r in results))
    for offset, key, colour in ((-0.2, "before", "#bbbbbb"), (0.2, "after", "#4477aa")):
        values = [mean_interval([100 * r[key] for r in results if r["task"] == t]) for t in tasks]
        error = [0.0 if half != half else half for _, half in values]
        where = [i + offset for i in range(len(tasks))]
        ax.bar(where, [m for m, _ in values], 0.4, yerr=error, color=colour, label=f"{key} tuning", capsize=3)
    ax.set_xticks(range(len(tasks)), tasks, fontsize=7)
    ax.set(ylabel="accuracy, %")
    ax.legend(fontsize=7)
