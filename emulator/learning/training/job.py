"""One training from data to a network file: what ``ndrite train`` and the experiments run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import load_chip
from emulator.errors import EmulatorError
from emulator.learning.training.extra import torch
from emulator.learning.training.loop import Recipe, Split, train
from emulator.learning.training.model import NdrNetwork, export
from emulator.learning.training.view import FLOAT, ChipView, view_of
from emulator.network import Network, load_network
from emulator.spec.digest import digest


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples: ``x`` uint8 (n, inputs), ``labels`` (n,) integer classes from 0.

    ``side`` is the side of square images that small shifts leave what they are; None: not images.
    ``data_set``: the data set's name where they are one of ours, which the network's file then names.
    """

    x: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.integer[Any]]
    name: str
    side: int | None = None
    data_set: str | None = None

    def __post_init__(self) -> None:
        x, y = self.x, self.labels
        if x.ndim != 2 or x.dtype != np.uint8 or not len(x):
            raise EmulatorError(f"samples are {x.dtype} {x.shape}; accepted: uint8 (n, inputs), n at least 1")
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
            raise EmulatorError(f"labels are {y.dtype} {y.shape}; accepted: integers from 0, ({len(x)},)")

    @property
    def classes(self) -> int:
        """Number of classes: the largest label + 1."""
        return int(self.labels.max()) + 1

    def digest(self) -> str:
        """SHA-256 of samples and labels."""
        arrays: dict[str, npt.NDArray[Any]] = {"x": self.x, "labels": self.labels.astype(np.int64)}
        return digest({"side": self.side}, arrays)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained.

    Attributes
    ----------
    hidden:
        Widths of the hidden layers.
    neuron, normalise, height:
        As ``NdrNetwork``.
    chip:
        Preset, YAML file or several joined with +, that training sees; None: plain floats.
    noise_scale:
        Factor on the chip's errors in training.
    held_out:
        Last samples, which choose the epoch.
    recipe:
        Epochs, batch, rate, seed.
    """

    hidden: tuple[int, ...] = (128,)
    neuron: str = "ndr"
    normalise: bool = True
    height: float | None = None
    chip: str | None = None
    noise_scale: float = 1.0
    held_out: int = 5000
    recipe: Recipe = field(default_factory=Recipe)

    def view(self) -> ChipView:
        """What training sees of the chip."""
        if self.chip is None:
            return FLOAT
        return view_of(load_chip(self.chip), noise_scale=self.noise_scale)


def run_job(
    job: Job,
    samples: Samples,
    out: Path,
    *,
    name: str,
    command: str = "",
    resume: bool = False,
    progress: Callable[[int, int, float, float], None] | None = None,
) -> Network:
    """Train, write ``out`` at every best epoch; the network of the best one.

    The state of every epoch is kept beside ``out`` until the end, for ``resume``.

    Raises
    ------
    EmulatorError
        When samples are too few, or the state beside ``out`` is another training's.
    Interrupted
        After Ctrl-C; ``out`` then holds the best epoch so far and the state lies beside it.
    """
    n = len(samples.x) - job.held_out
    if not job.held_out > 0 or n < 1:
        raise EmulatorError(f"held_out is {job.held_out}; accepted: 1..{len(samples.x) - 1}")
    state = state_file(out)
    if not resume:
        state.unlink(missing_ok=True)
    torch.manual_seed(job.recipe.seed)
    widths = (samples.x.shape[1], *job.hidden, samples.classes)
    model = NdrNetwork(widths, job.view(), neuron=job.neuron, normalise=job.normalise, height=job.height)
    x = torch.from_numpy(samples.x.astype(np.float32) / np.float32(255))
    y = torch.from_numpy(samples.labels.astype(np.int64))

    def checkpoint(best: NdrNetwork, epoch: int, accuracy: float) -> None:
        provenance: dict[str, Any] = {
            "command": command,
            "data": f"{samples.name}, {n} training samples, the next {job.held_out} held out",
            "job": dataclasses.asdict(job),
            "epoch": epoch,
            "held_out_accuracy": accuracy,
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
        }
        if samples.data_set is not None:
            provenance["data_set"] = samples.data_set
        export(best, name=name, provenance=provenance).save(out)

    train(
        model,
        Split(x[:n], y[:n], x[n:], y[n:]),
        job.recipe,
        mark=_mark(job, samples),
        side=samples.side,
        checkpoint=checkpoint,
        state=state,
        progress=progress,
    )
    state.unlink(missing_ok=True)
    if not out.is_file():
        raise EmulatorError(f"{out}: no epoch was better than nothing; nothing was written")
    return load_network(out)


def _mark(job: Job, samples: Samples) -> dict[str, Any]:
    """What a kept state must agree with: everything that decides what training gives."""
    settings = dataclasses.asdict(job)
    recipe = settings.pop("recipe")
    chip = None if job.chip is None else digest(load_chip(job.chip).as_dict())
    settings["hidden"] = list(job.hidden)
    return {**recipe, **settings, "chip": chip, "samples": samples.digest()}


def state_file(out: Path) -> Path:
    """Where the state of an unfinished training lies."""
    return out.with_name(f".{out.name}.state")
