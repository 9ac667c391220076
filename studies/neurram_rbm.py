"""NeuRRAM's restricted Boltzmann machine: one array read from both sides repairs pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from studies import boltzmann, runs, table
from studies.boltzmann_die import in_floats, on_die
from studies.data import whole_mnist
from studies.noise_grid import COST
from studies.published import Found, over_seeds
from studies.runs import Runs

OVER = (
    "over machines trained with different seeds (Student's t), each the mean over its pictures and dies, 95 %"
)
TRAINED, TESTED = (0.0, 0.1, 0.2, 0.3), (0.0, 0.05, 0.1, 0.2)
"""Noise in training and in the test: the published grid's."""
ON_CHIP = 0.2
"""Noise in training of the machines that go onto dies."""
KINDS = ("flipped", "occluded")


def grid(smoke: bool) -> Runs:
    """A machine each."""
    if smoke:
        size = {"seed": 1, "train": 2000, "epochs": 1, "samples": 100}
        return [{"noise": noise, **size, "dies": dies} for noise, dies in ((ON_CHIP, 1), (0.0, 0))]
    size = {"train": 60_000, "epochs": 15, "samples": 10_000}
    plan = runs.product(seed=range(1, 4), noise=TRAINED)
    return [{**r, "dies": 3 if r["noise"] == ON_CHIP else 0, **size} for r in plan]


def run(
    folder: Path | None, noise: float, seed: int, train: int, epochs: int, dies: int, samples: int
) -> dict[str, Any]:
    """Train one machine; mean distances in floats by test noise, and on dies; before and after."""
    x, labels, test_x, test_labels = whole_mnist(folder)
    machine = boltzmann.train(
        boltzmann.with_labels(x[:train], labels[:train]), noise=noise, seed=seed, epochs=epochs
    )
    pictures, classes = test_x[:samples].astype(np.float32) / np.float32(255), test_labels[:samples]
    rng = np.random.default_rng(seed)
    result: dict[str, Any] = {"floats": {kind: {} for kind in KINDS}, "on_dies": {kind: [] for kind in KINDS}}
    for kind in KINDS:
        for level in TESTED:
            up, down = in_floats(machine, level, rng)
            before, after = boltzmann.repaired(pictures, classes, kind, up, down, rng)
            result["floats"][kind][f"{level:g}"] = [float(before.mean()), float(after.mean())]
    for die in range(dies):
        up, down, costs = on_die(machine, boltzmann.with_labels(x[:512], labels[:512]), 1000 * seed + die)
        for kind in KINDS:
            before, after = boltzmann.repaired(pictures, classes, kind, up, down, rng)
            result["on_dies"][kind].append([float(before.mean()), float(after.mean())])
        if die == 0:
            result["costs"] = costs
    return result


def reduced(pair: list[float]) -> float:
    """Percent of a distance that repair takes away."""
    return 100 * (1 - pair[1] / pair[0])


def found(of: Runs) -> dict[str, Found]:
    """Means over machines."""
    chips = [r["on_dies"]["flipped"] for r in of if r["on_dies"]["flipped"]]
    values = {"flipped": over_seeds(np.array([np.mean([reduced(d) for d in dies]) for dies in chips]))}
    for (train,), same in runs.by(of, "noise").items():
        for test in TESTED:
            after = [r["floats"]["occluded"][f"{test:g}"][1] for r in same]
            values[f"grid {train:g} {test:g}"] = over_seeds(np.array(after))
    return values


def tables(of: Runs) -> list[table.Table]:
    """Reductions in floats and on dies, and what a read costs."""

    def on_dies(group: tuple[str, Runs]) -> str:
        dies = [reduced(d) for r in group[1] for d in r["on_dies"][group[0]]]
        return f"{np.mean(dies):.1f} ({min(dies):.1f} .. {max(dies):.1f})" if dies else "-"

    def in_floats(group: tuple[str, Runs], level: float) -> str:
        return f"{np.mean([reduced(r['floats'][group[0]][f'{level:g}']) for r in group[1]]):.1f}"

    groups = {
        (kind, f"{train:.0%}"): (kind, same)
        for kind in KINDS
        for (train,), same in sorted(runs.by(of, "noise").items())
    }
    columns = {f"floats, noise {t:.0%}": lambda g, t=t: in_floats(g, t) for t in TESTED}
    reads = {(name,): cost for r in reversed(of) for name, cost in r.get("costs", {}).items()}
    keys = ("pictures", "noise in training")
    return [
        table.table(
            "distance to the picture reduced, %",
            keys,
            groups,
            columns | {"dies (lowest .. highest)": on_dies},
        ),
        table.table("one read of the array on the first die", ("read",), reads, COST),
    ]
