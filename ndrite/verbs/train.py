"""train: trains a float network under a chip's errors."""

import dataclasses
import os
import shlex
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ndrite import signature as sig
from ndrite.compiled import is_model, network_of
from ndrite.emulator.device.description import Chip
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network import Network
from ndrite.files import name_of
from ndrite.host import InputError, InputWarning
from ndrite.intervals import proportion
from ndrite.results import Summary
from ndrite.samples import CALIBRATION_SAMPLES, learning_samples

SHIFTED_SIDE = 28
"""Side of the pictures of a data set that are shifted by default; smaller pictures
would lose too much at their edges."""


@dataclass(frozen=True, eq=False, repr=False)
class Trained(Summary):
    """The result of ``ndrite.train``: the float ``network``, and ``summary``:
    shape, the best epoch and its accuracy (0..1), and for a data set the accuracy
    on its test samples."""

    network: Network
    summary: dict[str, Any]
    heading = "{network.name}"


@sig.verb
def train(
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    data: sig.DataSet | None = None,
    folder: sig.Folder | None = None,
    side: Annotated[int, sig.Option("N", least=2)] | None = None,
    hidden: sig.Hidden | None = None,
    start: sig.Source | None = None,
    input_shape: sig.Shape | None = None,
    chip: sig.ChipName | None = None,
    neuron: Literal["ndr", "ndr-shared", "ndr-fixed", "relu", "clipped-relu", "sigmoid"] | None = None,
    normalise: bool = True,
    height: Annotated[float, sig.Option("SHARE", least=0.01, most=1)] | None = None,
    noise_scale: Annotated[float, sig.Option("FACTOR", least=0, most=10)] = 1.0,
    epochs: sig.Count = 100,
    batch: Annotated[int, sig.Option("N", least=2)] = 256,
    rate: Annotated[float, sig.Option("STEP", least=1e-6, most=1)] = 8e-3,
    weight_decay: Annotated[float, sig.Option("SHARE", least=0, most=1)] = 0.0,
    average: Annotated[float, sig.Option("SHARE", least=0, most=0.99999)] | None = None,
    shift: Annotated[int, sig.Option("PIXELS", least=0, most=8)] | None = None,
    flip: bool = False,
    seed: sig.DieSeed = 1,
    held_out: sig.Count | None = None,
    half: bool = False,
    resume: bool = False,
    threads: sig.Count = 1,
    progress: sig.Stages = sig.silent,
) -> Trained:
    """Train a float network under a chip's errors.

    With a chip the forward pass has its errors: levels, programming error and drift,
    read noise, converters, output steps, the device's curve, and the range that its
    ECRAM can set. Convolutions, residuals and networks of curves are given as a PyTorch
    module (start). For a training loop of your own, use ``analog``, whose ``train()``
    has the same errors. Needs the extra ndrite[train].

    Parameters
    ----------
    inputs, labels:
        Your own samples, uint8 (n, inputs), and their classes from 0, (n,).
    output:
        File of the float network, for `compile`; the state for --resume is kept beside it.
    folder:
        Folder with Fashion-MNIST's original train-*.gz files, or all four of MNIST's.
    side:
        Side of your own square pictures in pixels, for shifts.
    hidden:
        Widths of hidden full layers, separated by commas; 0: none; default: 128.
    start:
        Network of any shape to continue from, instead of a new one: anything that
        `compile` accepts, also an untrained PyTorch module. Inputs of a model are
        codes / 255, 0..1.
    input_shape:
        Shape of one sample, if an imported model does not define it.
    chip:
        Chip whose errors the forward pass has; default: none, plain floats.
    neuron:
        Kind of neuron; default: ndr.
    normalise:
        Batch normalisation, folded into weights at the end.
    height:
        Initial height of the neurons' curves (peak current relative to the nominal
        one). Heights then stay below 1, so that ECRAM can still move them both ways.
    noise_scale:
        Factor on the cells' errors.
    epochs, batch:
        Number of passes over all samples, and of samples per step.
    rate:
        Largest step.
    weight_decay:
        Weight decay, as in AdamW.
    average:
        Weights are averaged over steps: the share of the old average that each step
        keeps; 0: use the last weights alone. Default: 0.999, and less in trainings of
        under 5,000 steps.
    shift:
        Largest shift of half the pictures, pixels; default: 1, and 0 for the small digits.
    flip:
        Mirror half the pictures.
    seed:
        Seed of the initial weights, the batches and the errors.
    held_out:
        Number of samples, the last ones, that choose the best epoch; default: a twelfth.
    half:
        Round weights to half precision, for a file half as large.
    resume:
        Continue where Ctrl-C stopped the training; the result is the same.
    threads:
        Number of PyTorch threads.

    Examples
    --------
    $ ndrite train --data digits --chip dendritic-ndr --height 0.55 --epochs 60 --batch 64 -o float.npz
    > ndrite train --data digits --hidden 32 --epochs 40 --batch 64 -o digits.npz
    > ndrite train --data digits --start digits.npz --chip wan2022 --epochs 5 --rate 0.001 -o on.npz
    >>> import ndrite
    >>> found = ndrite.train(data="digits", hidden="16", chip="wan2022", epochs=2, batch=64)
    >>> found.network.widths
    (64, 16, 10)
    """
    from ndrite.emulator.learning.training.job import Job, accuracy_of, run_job
    from ndrite.emulator.learning.training.loop import Interrupted, averaging
    from ndrite.emulator.learning.training.view import torch

    if isinstance(chip, Chip):
        raise InputError(
            "chip is a Chip object; accepted: the name of a preset or file, for the network's file to state"
        )
    if start is not None and (hidden or neuron or height or not normalise):
        raise InputError(
            "start keeps the network's own layers; leave out hidden, neuron, height and no-normalise"
        )
    if input_shape is not None and (start is None or not is_model(start)):
        raise InputError("input_shape applies only to an imported model; give one as start, or leave it out")
    if resume and output is None:
        raise InputError("resume needs output, the file that was to be written; accepted: both")
    if chip is None and noise_scale != 1:
        raise InputError(
            f"noise_scale is {noise_scale:g}, but without chip there are no errors to scale; give chip"
        )
    layers = sig.widths(hidden or "128")
    labelled = learning_samples(inputs, labels, data, folder)
    own_samples, pixels = not len(labelled.test_x), labelled.side
    if side is not None and (not own_samples or side**2 != labelled.x.shape[1]):
        raise InputError(
            f"side is {side}, for samples of {labelled.x.shape[1]} inputs; accepted: your own square "
            "pictures with side x side inputs"
        )
    if own_samples and side is None and (shift or flip):
        raise InputError("shift and flip need square pictures; give side for your own samples")
    samples = dataclasses.replace(labelled, side=side) if own_samples else labelled
    shifted = 1 if own_samples or pixels == SHIFTED_SIDE else 0
    held_count = held_out or max(1, len(samples.x) // 12)
    steps = epochs * ((len(samples.x) - held_count) // batch)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "trained.npz" if output is None else Path(output)
        job = Job(
            hidden=layers,
            neuron=neuron or "ndr",
            normalise=normalise,
            height=height,
            chip=None if chip is None else os.fspath(chip),
            noise_scale=noise_scale,
            held_out=held_count,
            half=half,
            epochs=epochs,
            batch=batch,
            learning_rate=rate,
            weight_decay=weight_decay,
            seed=seed,
            shift=shifted if shift is None else shift,
            flip=flip,
            average=averaging(steps) if average is None else average,
        )
        line = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else ""
        try:
            with progress("epochs") as bar:
                network = run_job(
                    job,
                    samples,
                    out,
                    name=out.stem,
                    start=None if start is None else start_of(start, samples, input_shape),
                    command=line,
                    resume=resume,
                    progress=lambda epoch, of, accuracy, best: bar(epoch, of),
                )
        except Interrupted as stopped:
            saved = output is not None and stopped.epoch
            goes_on = "; the same command with --resume goes on" if saved else ", nothing is kept"
            raise KeyboardInterrupt(f"after epoch {stopped.epoch} of {epochs}{goes_on}") from None
        finally:
            torch.set_num_threads(before)
    value: dict[str, Any] = {
        "shape": list(network.widths),
        "epoch": network.provenance["epoch"],
        "held_out_accuracy": network.provenance["held_out_accuracy"],
    }
    if not own_samples:
        value["test_accuracy"] = accuracy_of(network, labelled.test_x, labelled.test_labels)
        value["test_accuracy_interval_95"] = proportion(value["test_accuracy"], len(labelled.test_x))
        value["test_samples"] = len(labelled.test_x)
    return Trained(network, value)


def start_of(source: object, samples: Labelled, input_shape: tuple[int, ...] | None = None) -> Network:
    """Load the network with which training starts; an imported model must take codes /
    255, (n, inputs).

    Raises InputError when it does not fit the samples, else as ``network_of``.
    """
    inputs, classes = samples.x.shape[1], samples.outputs
    if is_model(source):
        parts = source.named_parameters() if hasattr(source, "named_parameters") else ()
        frozen = [name for name, part in parts if not part.requires_grad]
        if frozen:
            message = f"start: {', '.join(frozen)} not to be trained; whatever is imported is"
            warnings.warn(message, InputWarning, stacklevel=4)
        x = samples.x[:CALIBRATION_SAMPLES] / 255
        network = network_of(source, x, input_range=(0.0, 1.0), input_shape=input_shape).network
        meaning = dataclasses.replace(network.meaning, inputs=None, output_step=None)
        network = dataclasses.replace(network, meaning=meaning)
    else:
        network = network_of(source).network
    file = name_of(source, "start")
    if not network.gives_sums:
        raise InputError(
            f"{file}: its outputs are values in 0..1; accepted: a network whose last layer has no neurons"
        )
    if network.inputs != inputs or network.outputs < classes:
        raise InputError(
            f"{file}: {network.inputs} inputs, {network.outputs} outputs; accepted: {inputs} inputs and "
            f"at least {classes} outputs, as the samples have"
        )
    return network
