"""Kolmogorov-Arnold networks and the MLPs beside them: shapes, learning rates, training."""

from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ndrite.emulator.network import Network
from studies.data import data
from studies.runs import described
from studies.training import train

if TYPE_CHECKING:
    from torch import nn

HELD = described("kan")
TASKS: dict[str, dict[str, Any]] = HELD["tasks"]
CAUSES: dict[str, dict[str, Any]] = HELD["causes"]
RELU, WIDE = "mlp relu", "mlp relu, as much energy"
KINDS = ("kan", "kan each", RELU, "mlp ndr", WIDE)
"""Kinds of networks. ``kan``: the devices of a basis are alike; ``kan each``: every
input has devices of its own. The MLPs have as many weights, with neurons of the kind
named; the last MLP has more weights and neurons."""
SWEPT = 100
"""The first of the seeds with which the learning rate is chosen."""


@cache
def rate_of(task: str, kind: str, epochs: int) -> tuple[float, dict[str, float]]:
    """Return the learning rate with the best accuracy on held-out training samples, and
    the accuracy with every rate."""
    fewer, of = max(1, epochs // 2), TASKS[task]
    seeds = range(SWEPT, SWEPT + of["sweeps"])
    held_out = {
        f"{rate:g}": float(np.mean([trained(task, kind, rate, seed, fewer)[1] for seed in seeds]))
        for rate in of["rates"]
    }
    return float(max(held_out, key=held_out.__getitem__)), held_out


def kan(task: str, kind: str) -> "nn.Module":
    """Build a PyTorch module of learned curves, with random weights, for a task."""
    from torch import nn

    from ndrite.nn import Bases

    of, per_value, parts = TASKS[task], kind.endswith("each"), []
    sizes = [int(part) for part in task.split(",")[0].split()[1].split("-")]
    for (inputs, outputs), low in zip(pairwise(sizes), (0.0, -1.0), strict=True):
        parts += [
            Bases(inputs, of["bases"], low=low, each=per_value),
            nn.Linear(of["bases"] * inputs, outputs),
        ]
    return nn.Sequential(*parts)


def trained(task: str, kind: str, rate: float, seed: int, epochs: int) -> tuple[Network, float]:
    """Train a network; return it as it was after its best epoch, with its held-out
    accuracy in that epoch."""
    of, labelled = TASKS[task], data(TASKS[task]["data"])
    steps = epochs * ((len(labelled.x) - of["held_out"]) // of["batch"])
    average = min(0.995, max(0.0, 1 - 20 / steps))
    recipe = {"epochs": epochs, "batch": of["batch"], "learning_rate": rate, "average": average, "seed": seed}
    settings: dict[str, Any] = recipe | {"shift": 0, "held_out": of["held_out"]}
    if kind.startswith("kan"):
        return train(labelled, build=partial(kan, task, kind), **settings)
    width = of["as_much_energy"] if kind == WIDE else of["bases"] * of["width"]
    return train(labelled, hidden=(width,), neuron="relu" if kind.startswith(RELU) else "ndr", **settings)
