"""ReLU, fixed NDR and trained NDR at equal size and budget, weights trained, with and without normalisation.

Plain float networks, five seeds, the same epochs for every kind: 784-128-10 on Fashion-MNIST, 64-32-10 on
digits. The epoch is chosen on held-out training images; the accuracy is that of the test set.
``ndr-fixed`` trains weights and the bias before the neuron, not the curve.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ndrite.experiments import chips
from ndrite.experiments.runner import Table, mean_interval, percent

KINDS = ("relu", "ndr-fixed", "ndr-shared", "ndr")
SEEDS = 5
EPOCHS = {"fashion-mnist": 40, "digits": 40}


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Seed by seed, so that a stopped experiment has few of everything rather than all of something."""
    if smoke:
        return [
            {"data": "digits", "neuron": kind, "normalise": True, "seed": 1, "epochs": 2} for kind in KINDS
        ]
    order = [("fashion-mnist", True), ("digits", True), ("digits", False), ("fashion-mnist", False)]
    return [
        {"data": data, "neuron": kind, "normalise": normalise, "seed": seed, "epochs": EPOCHS[data]}
        for data, normalise in order
        for seed in range(1, SEEDS + 1)
        for kind in KINDS
        if data == "digits" or kind != "ndr-shared"
    ]


def run(data: str, neuron: str, normalise: bool, seed: int, epochs: int) -> dict[str, Any]:
    """Train one network; its accuracy on the test set."""
    from emulator.learning.training.job import Job, Samples, run_job
    from emulator.learning.training.loop import Recipe

    found = chips.data(data)
    large = data == "fashion-mnist"
    job = Job(
        hidden=(128,) if large else (32,),
        neuron=neuron,
        normalise=normalise,
        held_out=5000 if large else 108,
        recipe=Recipe(
            epochs=epochs,
            batch=256 if large else 64,
            learning_rate=8e-3 if normalise else 3e-3,
            average=0.995 if large else 0.97,
            seed=seed,
        ),
    )
    samples = Samples(found.x, found.labels, found.name, found.side if large else None)
    with tempfile.TemporaryDirectory() as folder:
        net = run_job(job, samples, Path(folder) / "n.npz", name="n", progress=lambda *a: None)
    return {"accuracy": net.accuracy(found.test_x, found.test_labels)}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracies, and what training the curve adds, pair by pair of equal seeds."""
    rows = []
    for (data, normalise), group in _groups(results).items():
        fixed = {r["seed"]: r["accuracy"] for r in group if r["neuron"] == "ndr-fixed"}
        for kind in KINDS:
            mine = [r for r in group if r["neuron"] == kind]
            if not mine:
                continue
            gain = percent([r["accuracy"] - fixed[r["seed"]] for r in mine if r["seed"] in fixed])
            rows.append(
                (
                    data,
                    "yes" if normalise else "no",
                    kind,
                    str(len(mine)),
                    percent([r["accuracy"] for r in mine]),
                    "-" if kind == "ndr-fixed" else gain,
                )
            )
    header = ("data", "normalised", "neuron", "seeds", "test accuracy, %", "against ndr-fixed, points")
    return [Table("float accuracy by activation", header, rows)]


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Accuracy with its interval, a panel a data set."""
    names = sorted({r["data"] for r in results})
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        for normalise, offset, colour in ((True, -0.1, "#4477aa"), (False, 0.1, "#cc3311")):
            for i, kind in enumerate(KINDS):
                values = [
                    100 * r["accuracy"]
                    for r in results
                    if (r["data"], r["normalise"], r["neuron"]) == (name, normalise, kind)
                ]
                if values:
                    mean, half = mean_interval(values)
                    ax.errorbar(
                        i + offset, mean, 0 if half != half else half, fmt="o", color=colour, capsize=3
                    )
        ax.set_xticks(range(len(KINDS)), KINDS, fontsize=7)
        ax.set(title=name, ylabel="test accuracy, %")
    figure.supxlabel("blue: normalised; red: not", fontsize=7)


def _groups(results: list[dict[str, Any]]) -> dict[tuple[str, bool], list[dict[str, Any]]]:
    found: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for r in results:
        found.setdefault((r["data"], r["normalise"]), []).append(r)
    return found
