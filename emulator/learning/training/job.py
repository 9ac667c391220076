"""One training run from data to a network file, and its initial network: random weights
or a float network."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.learning.training.layers import Crossbar
from ndrite.emulator.learning.training.loop import Recipe, Split, StateFile, evaluate, train
from ndrite.emulator.learning.training.model import TrainedNetwork, export, halved
from ndrite.emulator.learning.training.neurons import make_neuron, neuron_of
from ndrite.emulator.learning.training.nodes import (
    SKIP_MIN,
    TrainedNode,
    TrainedProduct,
    TrainedTable,
)
from ndrite.emulator.learning.training.view import FLOAT, ChipView, torch, view_of
from ndrite.emulator.network import Ndr, Network, Patches, Product, Table, load_network
from ndrite.emulator.spec.archive import digest
from ndrite.emulator.spec.arithmetic import Array, Codes
from ndrite.emulator.spec.patches import Shape


def of_widths(
    widths: Sequence[int],
    view: ChipView = FLOAT,
    *,
    neuron: str = "ndr",
    normalise: bool = True,
    height: float | None = None,
) -> TrainedNetwork:
    """Build a network of fully connected layers with random weights. ``widths`` lists
    the number of inputs, of hidden neurons in each layer, and of outputs.

    Raises EmulatorError when ``neuron`` has no height.

    Parameters
    ----------
    view:
        The chip.
    neuron:
        One of ``ndrite.emulator.learning.training.neurons.KINDS``, in all hidden layers.
    normalise:
        Whether neurons have batch normalisation, which export folds into the weights.
    height:
        Start of every neuron's height, and keeps heights as they are at export: room
        for the ECRAM to move them both ways. None: near 1, and export makes the
        largest 1. NDR only.
    """
    nodes: list[TrainedNode] = []
    shapes: list[Shape] = [(width, 1, 1) for width in widths]
    for i, outputs in enumerate(widths[1:]):
        hidden = i + 2 < len(widths)
        fires = make_neuron(neuron, outputs, view, normalise=normalise, height=height) if hidden else None
        crossbar = Crossbar(widths[i], outputs, view)
        nodes.append(TrainedProduct((i,), Patches.whole(shapes[i]), crossbar, fires))
    return TrainedNetwork(nodes, shapes)


def of_network(network: Network, view: ChipView = FLOAT) -> TrainedNetwork:
    """Return a trainable copy of a float network of any architecture. All its
    arrays are trained.

    Normalisation was folded when the network was made and does not come back. Functions
    of a table that share a gain, a shift or a device go on sharing it.
    """
    nodes = [TRAINED[node.kind](node, view) if node.kind in TRAINED else node for node in network.nodes]
    return TrainedNetwork(nodes, network.map_shapes, network.states, network.calls)


def _trained_product(node: Product, view: ChipView) -> TrainedProduct:
    dense = node.dense
    crossbar = Crossbar(dense.inputs, dense.outputs, view, node.patches, node.pad)
    neuron = None if dense.activation is None else neuron_of(dense.activation, dense.outputs, view)
    product = TrainedProduct(node.sources, node.patches, crossbar, neuron, skip=node.skip, block=node.block)
    with torch.no_grad():
        crossbar.weight.copy_(torch.tensor(dense.weights))
        offset = product.bias if neuron is None else neuron.shift
        offset.copy_(torch.tensor(dense.bias))
        if node.skip_weight is not None:
            product.log_skip.copy_(torch.tensor(node.skip_weight).clamp(min=SKIP_MIN).log())
    return product


def _trained_table(node: Table, view: ChipView) -> TrainedTable:
    drivers = shared(node.gain, node.shift_by)
    gain, shift = (np.asarray(values)[:: len(values) // drivers] for values in (node.gain, node.shift_by))
    activation, devices = node.activation, len(node.channel)
    if isinstance(activation, Ndr):
        own_curves = activation.curve[1:].T if activation.curve is not None and activation.individual else ()
        devices = shared(node.gain, node.shift_by, activation.peak, activation.height, *own_curves)
        activation = activation.of(np.arange(0, len(node.channel), len(node.channel) // devices))
    return TrainedTable(node.sources, node.channel, gain, shift, neuron_of(activation, devices, view))


def shared(*values: Array) -> int:
    """Return the smallest number of equally long runs into which the E entries of
    arrays can be divided so that each of the arrays ``values`` (E,) is constant
    within every run."""
    count = len(values[0])
    for runs in range(1, count):
        parts = [v.reshape(runs, -1) for v in values] if count % runs == 0 else []
        if parts and all((part == part[:, :1]).all() for part in parts):
            return runs
    return count


TRAINED: dict[str, Callable[[Any, ChipView], TrainedNode]] = {
    "product": _trained_product,
    "table": _trained_table,
}
"""Kind of node -> function that makes the node's trainable copy. Nodes of other kinds
have nothing to train."""


@dataclass(frozen=True, kw_only=True)
class Job(Recipe):
    """Parameters of a training run: those of the recipe (the base class), of the
    network, and of the chip.

    Attributes
    ----------
    hidden:
        Widths of the hidden layers.
    neuron, normalise, height:
        As ``ndrite.emulator.learning.training.job.of_widths``.
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
        """Return the errors of the job's chip that training applies in the forward pass."""
        if self.chip is None:
            return FLOAT
        return view_of(load_chip(self.chip), noise_scale=self.noise_scale)

    def model(self, samples: Labelled, start: Network | None = None) -> TrainedNetwork:
        """Return the network before its first training step: ``start``, or fully
        connected layers of random weights."""
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
    """Train a network, write it to ``out`` at the end, and return the network
    of the best epoch.

    ``start``: a network of as many inputs, and outputs for the classes, to go on with
    in place of a new one of the job's layers and neurons. Until then the best network
    so far and the state after every epoch lie beside ``out``, for ``resume``. Raises
    EmulatorError when samples are too few, or the state beside ``out`` is another
    training's. Raises Interrupted after Ctrl-C; ``out`` is what it was before.
    """
    n = len(samples.x) - job.held_out
    require(job.held_out > 0 and n >= 1, "held_out", job.held_out, f"1..{len(samples.x) - 1}", EmulatorError)
    state, unfinished = (out.with_name(f".{out.name}.{kind}") for kind in ("state", "best"))
    if not resume:
        state.unlink(missing_ok=True)
    elif not state.exists():
        raise EmulatorError(f"{state}: no such file, so nothing can be resumed; train again without resume")
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
        Split(x[:n], y[:n], x[n:], y[n:], samples.side),
        job,
        checkpoint=checkpoint,
        state=StateFile(state, _mark(job, samples, start)),
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
    """Compute what ``Network.accuracy`` computes, with PyTorch. This is faster on maps,
    and limits memory by processing some of the samples at a time."""
    x = torch.from_numpy(samples.astype(np.float32) / np.float32(255))
    outputs = of_network(network).outputs_of(x).numpy()
    return float((outputs.argmax(axis=1) == labels).mean())


def _mark(job: Job, samples: Labelled, start: Network | None) -> dict[str, Any]:
    """Return a description of everything that determines the result of training. It is
    kept with a saved state, to tell whether the state belongs to the same training."""
    settings = dataclasses.asdict(job)
    settings["chip"] = None if job.chip is None else digest(load_chip(job.chip).as_dict())
    settings["hidden"] = [str(width) for width in job.hidden]
    settings["start"] = None if start is None else start.digest()
    return {**settings, "samples": samples.digest()}
