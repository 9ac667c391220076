"""ReLU, fixed NDR and trained NDR at equal size and budget, weights trained, with and without normalisation.

Plain float networks, five seeds, the same epochs for every kind: 784-128-10 on Fashion-MNIST, 64-32-10 on
digits. The epoch is chosen on held-out training images; the accuracy is that of the test set.
``ndr-fixed`` trains weights and the bias before the neuron, not the curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndrite.intervals import mean_interval
from studies import runs, table
from studies.data import data as data_of
from studies.runs import Runs
from studies.training import train

OVER = "95 %, Student's t over seeds"
KINDS = ("relu", "ndr-fixed", "ndr-shared", "ndr")
SEEDS, EPOCHS = 5, 40


def grid(smoke: bool) -> Runs:
    """Seed by seed, so that a stopped study has few of everything rather than all of something."""
    if smoke:
        return [
            {"data": "digits", "neuron": kind, "normalise": True, "seed": 1, "epochs": 2} for kind in KINDS
        ]
    return [
        {"data": data, "neuron": kind, "normalise": normalise, "seed": seed, "epochs": EPOCHS}
        for data, normalise in (
            ("fashion-mnist", True),
            ("digits", True),
            ("digits", False),
            ("fashion-mnist", False),
        )
        for seed in range(1, SEEDS + 1)
        for kind in KINDS
        if data == "digits" or kind != "ndr-shared"
    ]


def run(data: str, neuron: str, normalise: bool, seed: int, epochs: int) -> dict[str, Any]:
    """Train one network; its accuracy on the test set."""
    found, large = data_of(data), data == "fashion-mnist"
    width, held_out, batch, average = (128, 5000, 256, 0.995) if large else (32, 108, 64, 0.97)
    net, _ = train(
        found,
        side=found.side if large else None,
        hidden=(width,),
        neuron=neuron,
        normalise=normalise,
        held_out=held_out,
        recipe={
            "epochs": epochs,
            "batch": batch,
            "learning_rate": 8e-3 if normalise else 3e-3,
            "average": average,
            "seed": seed,
        },
    )
    return {"accuracy": net.accuracy(found.test_x, found.test_labels)}


def tables(found: Runs) -> list[table.Table]:
    """Accuracies, and what training the curve adds, pair by pair of equal seeds."""
    order = sorted(found, key=lambda r: KINDS.index(r["neuron"]))
    sets = runs.by(found, "data", "normalise")
    groups = {
        (data, "yes" if normalise else "no", kind): mine
        for data, normalise in sets
        for kind in KINDS
        if (mine := runs.where(order, data=data, normalise=normalise, neuron=kind))
    }

    def against_fixed(group: Runs) -> str:
        first = group[0]
        if first["neuron"] == "ndr-fixed":
            return "-"
        beside = runs.where(found, data=first["data"], normalise=first["normalise"], neuron="ndr-fixed")
        fixed = {r["seed"]: r["accuracy"] for r in beside}
        return table.over_seeds(
            [100 * (r["accuracy"] - fixed[r["seed"]]) for r in group if r["seed"] in fixed]
        )

    columns = {
        "seeds": lambda group: str(len(group)),
        "test accuracy, %": lambda group: table.over_seeds([100 * r["accuracy"] for r in group]),
        "against ndr-fixed, points": against_fixed,
    }
    keys = ("data", "normalised", "neuron")
    return [table.table("float accuracy by activation", keys, groups, columns)]


def draw(found: Runs, figure: Any) -> None:
    """Accuracy with its interval, a panel a data set."""
    panels: dict[str, Any] = {}
    for (data, normalise, kind), group in sorted(runs.by(found, "data", "normalise", "neuron").items()):
        series = panels.setdefault(data, {}).setdefault("normalised" if normalise else "not normalised", {})
        mean, half = mean_interval(np.array([r["accuracy"] for r in group]))
        series[kind] = (mean, mean - (half or 0.0), mean + (half or 0.0))
    table.draw(figure, panels, ylabel="test accuracy, %")
