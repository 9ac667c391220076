"""Kolmogorov-Arnold networks of NDR curves against published ones and against MLPs.

A KAN of K bases and widths I-H-O has K (I H + H O) weights, as many as an MLP I-KH-O. A wider MLP takes as
much energy on ``wan2022``, modelled. Float networks, five seeds; each kind has a learning rate of its own,
chosen on held-out training samples by a seed that is not one of the five. What a chip loses is taken on dies
of ``wan2022``, cause by cause (``kan_dies``); nothing is tuned on them.
"""

from __future__ import annotations

from typing import Any

from ndrite.intervals import crossed, points
from studies import runs, table
from studies.data import data
from studies.kan_dies import CAUSES, DIES, applies, energy_pj, on_dies
from studies.kan_networks import KINDS, RELU, TASKS, learned_curves, rate_of, trained
from studies.runs import FLOAT, Floats, Runs

OVER = (
    "95 %, bootstrap over seeds and samples; of losses over seeds, dies that all networks share, and samples"
)
SEEDS = 5


def grid(smoke: bool) -> Runs:
    """Task by task, seed by seed."""
    return [
        {"task": task, "kind": kind, "seed": seed, "epochs": 2 if smoke else TASKS[task]["epochs"]}
        for task in TASKS
        if TASKS[task]["each"] or not smoke
        for seed in range(1, 3 if smoke else SEEDS + 1)
        for kind in KINDS
        if TASKS[task]["each"] or kind != "kan each"
    ]


def run(task: str, kind: str, seed: int, epochs: int) -> dict[str, Any]:
    """Train one network at its kind's rate; what it and its dies get right of the test set."""
    rate, swept = rate_of(task, kind, epochs)
    network, held_out = trained(task, kind, rate, seed, epochs)
    found = data(TASKS[task]["data"])
    made = {cause: on_dies(network, found, cause) for cause in CAUSES if applies(kind, cause)}
    return {
        "rate": rate,
        "swept": swept,
        "held_out": held_out,
        "weights": int(sum(layer.weights.size for layer in network.layers)),
        "energy_pJ": round(energy_pj(network, found), 1) if seed == 1 else None,
        "curves": learned_curves(network) if seed == 1 else None,
        **runs.kept(runs.in_float(network, found.test_x, found.test_labels), made),
    }


def lost(group: Runs, cause: str) -> Floats:
    """(seeds, dies, samples): 1 where only the float network is right, -1 where only the die is."""
    return runs.right(group, FLOAT) - runs.right(group, cause)


def verdict(task: str, right: Floats) -> str:
    """What the interval of an accuracy says of the published figure."""
    published = TASKS[task]["published"]
    if published is None:
        return "no figure quoted"
    if not TASKS[task]["comparable"]:
        return "not comparable"
    low, high = crossed(right)
    return "above it" if low >= published else "below it" if high < published else "no difference shown"


def tables(found: Runs) -> list[table.Table]:
    """Accuracies beside published ones and beside MLPs; then what chips lose."""
    order = sorted(found, key=lambda r: (list(TASKS).index(r["task"]), KINDS.index(r["kind"]), r["seed"]))
    groups = runs.by(order, "task", "kind")

    def against_relu(group: Runs) -> str:
        beside = groups[group[0]["task"], RELU]
        return "-" if group == beside else points(runs.right(group) - runs.right(beside))

    def published(group: Runs) -> str:
        figure = TASKS[group[0]["task"]]["published"]
        return "-" if figure is None else f"{100 * figure:.2f}"

    columns = {
        "weights": lambda g: str(g[0]["weights"]),
        "energy, nJ": lambda g: f"{g[0]['energy_pJ'] / 1000:.3g}",
        "rate": lambda g: f"{g[0]['rate']:g}",
        "test accuracy, %": lambda g: points(runs.right(g)),
        "against mlp relu, points": against_relu,
        "published, %": published,
        "accuracy against it": lambda g: verdict(g[0]["task"], runs.right(g)),
    }
    losses = {
        cause: lambda g, cause=cause: (
            points(lost(g, cause), same_dies=True) if applies(g[0]["kind"], cause) else "-"
        )
        for cause in CAUSES
    }
    seeds, keys = len({r["seed"] for r in found}), ("task", "network")
    title = f"float accuracy, {seeds} seeds x test samples; energy modelled, on wan2022"
    on_chips = f"points lost on dies, {seeds} seeds x {DIES} dies x test samples"
    return [table.table(title, keys, groups, columns), table.table(on_chips, keys, groups, losses)]


def draw(found: Runs, figure: Any) -> None:
    """Accuracies less the ReLU network's."""
    groups = runs.by(found, "task", "kind")
    panels: dict[str, dict[str, Any]] = {}
    for task in (task for task in TASKS if (task, "kan") in groups):
        relu = runs.right(groups[task, RELU])
        kinds = [kind for kind in KINDS if kind != RELU and (task, kind) in groups]
        panels[task] = {"": {kind: runs.right(groups[task, kind]) - relu for kind in kinds}}
    table.draw(figure, panels, ylabel="against ReLU, points", columns=3, level=(0.0, ""))
