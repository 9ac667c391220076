"""One training from data to a network file: what ``ndrite train`` and the studies run."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.learning.training.build import of_network, of_widths
from ndrite.emulator.learning.training.loop import Recipe, Split, evaluate, train
from ndrite.emulator.learning.training.model import TrainedNetwork, export, halved
from ndrite.emulator.learning.training.view import FLOAT, ChipView, torch, view_of
from ndrite.emulator.network import Network, load_network
from ndrite.emulator.spec.archive import digest
from ndrite.emulator.spec.arithmetic import Array, Codes


@dataclass(frozen=True, kw_only=True)
class Job(Recipe):
    """A training: its network and its recipe.

    Attributes
    ----------
    hidden:
        Widths of the hidden layers.
    neuron, normalise, height:
        As ``ndrite.emulator.learning.training.build.of_widths``.
    chip:
        Preset, YAML file or several joined with +, that training sees; None: plain floats.
    noise_scale:
        Factor on the chip's errors in training.
    held_out:
        Last samples, which choose the epoch.
    half:
        Whether weights are rounded to half precision when they are written.
    """

    hidden: tuple[int, ...] = (128,)
    neuron: str = "ndr"
    normalise: bool = True
    height: float | None = None
    chip: str | None = None
    noise_scale: float = 1.0
    held_out: int = 5000
    half: bool = False

    def view(self) -> ChipView:
        """The chip as training sees it."""
        if self.chip is None:
            return FLOAT
        return view_of(load_chip(self.chip), noise_scale=self.noise_scale)

    def model(self, samples: Labelled, start: Network | None = None) -> TrainedNetwork:
        """The network before its first step: ``start``, or full layers of random weights."""
        if start is not None:
            return of_network(start, self.view())
        return of_widths(
            (samples.x.shape[1], *self.hidden, samples.outputs),
            self.view(),
            neuron=self.neuron,
            normalise=self.normalise,
            height=self.height,
        )


def run_job(
    job: Job,
    samples: Labelled,
    out: Path,
    *,
    name: str,
    start: Network | None = None,
    command: str = "",
    resume: bool = False,
    progress: Callable[[int, int, float, float], None] | None = None,
) -> Network:
    """Train and write ``out`` at the end; the network of the best epoch.

    ``start``: a network of as many inputs, and outputs for the classes, to go on with in place of a new one
    of the job's layers and neurons. Until then the best network so far and the state after every epoch lie
    beside ``out``, for ``resume``. Raises EmulatorError when samples are too few, or the state beside ``out``
    is another training's. Raises Interrupted after Ctrl-C; ``out`` is what it was before.
    """
    n = len(samples.x) - job.held_out
    require(job.held_out > 0 and n >= 1, "held_out", job.held_out, f"1..{len(samples.x) - 1}", EmulatorError)
    state, unfinished = (out.with_name(f".{out.name}.{kind}") for kind in ("state", "best"))
    if not resume:
        state.unlink(missing_ok=True)
    elif not state.exists():
        raise EmulatorError(f"{state}: no such file; accepted: what an interrupted training left behind")
    if not state.exists():
        unfinished.unlink(missing_ok=True)
    torch.manual_seed(job.seed)
    model = job.model(samples, start)
    meaning = samples.meaning
    if start is not None:
        meaning = dataclasses.replace(
            start.meaning,
            data_set=meaning.data_set or start.meaning.data_set,
            classes=meaning.classes or start.meaning.classes,
        )
    x = torch.from_numpy(samples.x.astype(np.float32) / np.float32(255))
    y = torch.from_numpy(samples.labels.astype(np.int64))

    def checkpoint(best: TrainedNetwork, epoch: int, accuracy: float) -> None:
        provenance: dict[str, Any] = {
            "command": command,
            "data": f"{samples.name}, {n} training samples, the next {job.held_out} held out",
            "job": dataclasses.asdict(job),
            "epoch": epoch,
            "held_out_accuracy": accuracy,
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
        }
        if start is not None:
            provenance["start"] = start.provenance
        network = export(best, name=name, provenance=provenance, meaning=meaning)
        if job.half:
            network = halved(network)
            rounded = of_network(network, job.view())
            provenance["held_out_accuracy"] = evaluate(rounded, x[n:], y[n:])
        network.save(unfinished)

    train(
        model,
        Split(x[:n], y[:n], x[n:], y[n:]),
        job,
        mark=_mark(job, samples, start),
        side=samples.side,
        checkpoint=checkpoint,
        state=state,
        progress=progress,
    )
    state.unlink(missing_ok=True)
    if not unfinished.is_file():
        raise EmulatorError(f"no epoch had any of {job.held_out} held-out samples right; nothing was written")
    network = load_network(unfinished)
    network.save(out)
    unfinished.unlink()
    return network


def accuracy_of(network: Network, samples: Codes, labels: Array) -> float:
    """``Network.accuracy`` by PyTorch, which is faster on maps and takes a part of the samples at a time."""
    x = torch.from_numpy(samples.astype(np.float32) / np.float32(255))
    outputs = of_network(network).outputs_of(x).numpy()
    return float((outputs.argmax(axis=1) == labels).mean())


def _mark(job: Job, samples: Labelled, start: Network | None) -> dict[str, Any]:
    """Mark of a kept state: everything that decides what training gives."""
    settings = dataclasses.asdict(job)
    settings["chip"] = None if job.chip is None else digest(load_chip(job.chip).as_dict())
    settings["hidden"] = [str(width) for width in job.hidden]
    settings["start"] = None if start is None else start.digest()
    return {**settings, "samples": samples.digest()}
