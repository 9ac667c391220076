"""Networks that studies train for themselves, one per seed; the epoch is chosen on
held-out samples."""

import dataclasses
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network import Network
from ndrite.verbs.train import start_of
from studies.data import data as data_of
from studies.data import learning_data

if TYPE_CHECKING:
    from torch import nn

Build = Callable[[], "nn.Module"]
CHIP_RATE = 16e-3
"""Of 8e-3, 16e-3 and 32e-3 the best for chips on held-out samples, on three dies each
of two other networks: 88.90, 89.30 and 88.75 % on ``dendritic-analog``, 89.08, 89.34
and 89.06 % on ``dendritic-ndr``."""
HEIGHT = 0.55
"""Initial peak currents relative to the nominal peak current, from which the ECRAM can
move them up and down."""


def train(
    found: Labelled,
    *,
    build: Build | None = None,
    **fields: Any,
) -> tuple[Network, float]:
    """Train a network; return it as it was after the epoch with the best held-out
    accuracy, and that accuracy.

    ``build`` makes a PyTorch module in place of full layers; ``fields`` are of ``Job``.
    """
    from ndrite.emulator.learning.training.job import Job, run_job
    from ndrite.emulator.learning.training.view import torch

    job = Job(**fields)
    samples = dataclasses.replace(found, classes=())
    torch.manual_seed(job.seed)
    start = None if build is None else start_of(build(), samples)
    with tempfile.TemporaryDirectory() as folder:
        net = run_job(job, samples, Path(folder) / "n.npz", name="n", start=start)
    return net, float(net.provenance["held_out_accuracy"])


@cache
def trained(
    chip: str | None,
    seed: int,
    epochs: int,
    *,
    rate: float = CHIP_RATE,
    layers: tuple[int, ...] | Build = (128,),
    data: str = "fashion-mnist",
) -> tuple[Network, float]:
    """Train with the recipe that all studies share: an NDR network for a chip, or a
    ReLU network in software if ``chip`` is None. ``layers`` are the widths of hidden
    full layers, or ``build`` of ``train``.

    With no epochs (smoke runs) it trains one on test samples, as training files do not ship.
    """
    from ndrite.emulator.learning.training.loop import averaging

    if epochs:
        labelled = data_of(data)
        large = len(labelled.x) > 20_000
        held_out = 5_000 if large else len(labelled.x) // 12
        batch = 256 if large else 64
        average = averaging(epochs * ((len(labelled.x) - held_out) // batch))
    else:
        x, labels, _, _ = learning_data(0)
        labelled = Labelled(data, x, labels, x, labels, 28)
        held_out, batch, average = 1000, 256, 0.9
    settings: dict[str, Any] = {"epochs": max(epochs, 1), "batch": batch, "learning_rate": rate, "seed": seed}
    settings |= {
        "average": average,
        "shift": 1 if labelled.side == 28 else 0,
        "held_out": held_out,
        "chip": chip,
    }
    settings |= {"neuron": "relu"} if chip is None else {"neuron": "ndr", "height": HEIGHT}
    if isinstance(layers, tuple):
        return train(labelled, hidden=layers, **settings)
    return train(labelled, build=layers, **settings)
