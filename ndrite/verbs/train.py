"""train: a network through a chip's errors."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from emulator.device.description import Chip
from emulator.errors import EmulatorError
from emulator.network import Meaning, Network
from emulator.spec.brief import brief_repr
from host import InputError
from ndrite.files import array_of, name_of
from ndrite.intervals import proportion
from ndrite.labelled import check_classes, data_set
from ndrite.results import Result, Table, percents
from ndrite.signature import (
    ChipName,
    Count,
    DataSet,
    DieSeed,
    Folder,
    Inputs,
    Labels,
    Option,
    Output,
    Source,
    verb,
)
from ndrite.sources import MODELS, network_of, whole_of
from ndrite.stages import Stages, silent

AVERAGED_STEPS = 20
"""A short training averages its weights over this fraction of its steps: 1 in so many."""
SHIFTED_SIDE = 28
"""Smaller pictures lose too much at their edges when they are shifted."""


@dataclass(frozen=True, eq=False)
class Trained(Result):
    """What ``ndrite.train`` gives: the float ``network``, and ``summary``, plain values."""

    __repr__ = brief_repr

    network: Network
    summary: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Shape, the epoch kept and its accuracy (0..1), and of a data set that of its test samples."""
        return self.summary

    def tables(self) -> Iterable[Table]:
        """The same in words."""
        rows = [(name, _text(name, value)) for name, value in self.summary.items()]
        yield Table(self.network.name, ("quantity", "value"), rows)


@verb
def train(
    inputs: Inputs | None = None,
    labels: Labels | None = None,
    *,
    output: Output | None = None,
    data: DataSet | None = None,
    folder: Folder | None = None,
    side: Annotated[int, Option("N", least=2)] | None = None,
    hidden: Annotated[str, Option("LAYERS")] | None = None,
    start: Source | None = None,
    chip: ChipName | None = None,
    neuron: Literal["ndr", "ndr-shared", "ndr-fixed", "relu", "clipped-relu", "sigmoid"] | None = None,
    normalise: bool = True,
    height: Annotated[float, Option("SHARE", least=0.01, most=1)] | None = None,
    noise_scale: Annotated[float, Option("FACTOR", least=0, most=10)] = 1.0,
    epochs: Count = 100,
    batch: Annotated[int, Option("N", least=2)] = 256,
    rate: Annotated[float, Option("STEP", least=1e-6, most=1)] = 8e-3,
    weight_decay: Annotated[float, Option("SHARE", least=0, most=1)] = 0.0,
    shift: Annotated[int, Option("PIXELS", least=0, most=8)] | None = None,
    flip: bool = False,
    seed: DieSeed = 1,
    held_out: Count | None = None,
    half: bool = False,
    resume: bool = False,
    threads: Count = 1,
    progress: Stages | None = None,
) -> Trained:
    """Train a network through a chip's errors: a float network.

    With a chip the forward pass sees levels, programming error and drift, read noise, converters, output
    steps, the device's curve, and what its ECRAM can set. For a network of your own in PyTorch use
    ``analog``, whose ``train()`` sees the same. Needs the extra ndrite[train].

    Parameters
    ----------
    inputs, labels:
        Own samples, uint8 (n, inputs), and their classes from 0, (n,).
    output:
        File of the float network, which `compile` takes; after Ctrl-C the best epoch so far lies in it.
    folder:
        Folder with Fashion-MNIST's original train-*.gz files, or all four of MNIST's.
    side:
        Side of own square pictures, for convolutions and shifts.
    hidden:
        Hidden layers, separated by commas: WIDTH, conv CHANNELS KERNEL [stride N] [groups N], depthwise
        KERNEL [stride N], residual KERNEL (two convolutions around which the map is added), pool SIZE,
        average [SIZE], bases COUNT [each] (NDR curves of every value, which the next layer sums: a
        Kolmogorov-Arnold network); default: 128.
    start:
        Go on with this network, of any shape, in place of a new one.
    chip:
        Chip whose errors training sees; default: plain floats.
    neuron:
        Kind of neuron; default: ndr.
    normalise:
        Batch normalisation, folded into weights at the end.
    height:
        Where heights (peak currents, of the nominal one) start; they then stay below 1 so that ECRAM can
        still move them both ways.
    noise_scale:
        Times the cells' errors.
    epochs, batch:
        Passes over all samples, and samples of a step.
    rate:
        Largest step.
    weight_decay:
        Of AdamW.
    shift:
        Largest shift of half the pictures, pixels; default: 1, and 0 for the small digits.
    flip:
        Mirror half the pictures.
    seed:
        Of weights, batches and errors.
    held_out:
        Last samples, which choose the epoch; default: a twelfth of them.
    half:
        Round weights to half precision, for a file half as large.
    resume:
        Go on where Ctrl-C stopped; the result is the same.
    threads:
        PyTorch threads.

    Examples
    --------
    $ ndrite train --data digits --chip dendritic-ndr --height 0.55 --epochs 60 --batch 64 -o float.npz
    > ndrite train --data digits --hidden 32 --epochs 40 --batch 64 -o digits.npz
    > ndrite train --data digits --hidden "conv 8 3, residual 3, pool 2" --epochs 20 -o maps.npz
    > ndrite train --data digits --hidden "bases 3, 16, bases 3" --epochs 40 --batch 64 -o kan.npz
    > ndrite train --data digits --start maps.npz --chip wan2022 --epochs 5 --rate 0.001 -o on.npz
    >>> import ndrite
    >>> found = ndrite.train(data="digits", hidden="16", chip="wan2022", epochs=2, batch=64)
    >>> found.network.widths
    (64, 16, 10)
    """
    from emulator.learning.training.architecture import read_hidden
    from emulator.learning.training.extra import torch
    from emulator.learning.training.job import Job, accuracy_of, run_job
    from emulator.learning.training.loop import Interrupted, Recipe

    if start is not None and (hidden or neuron or height or not normalise):
        raise InputError("start keeps the network's own layers; accepted: without hidden, neuron, height")
    try:
        layers = read_hidden(hidden or "128")
    except EmulatorError as error:
        raise InputError(f"hidden is {hidden!r}; {error}") from None
    samples, test, shifted = _samples(inputs, labels, data, folder, side)
    recipe = Recipe(
        epochs=epochs,
        batch=batch,
        learning_rate=rate,
        weight_decay=weight_decay,
        seed=seed,
        shift=shifted if shift is None else shift,
        flip=flip,
    )
    held = held_out or max(1, len(samples.x) // 12)
    steps = epochs * ((len(samples.x) - held) // batch)
    recipe = dataclasses.replace(
        recipe, average=min(recipe.average, max(0.0, 1 - AVERAGED_STEPS / max(steps, 1)))
    )
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "trained.npz" if output is None else Path(output)
        job = Job(
            hidden=layers,
            neuron=neuron or "ndr",
            normalise=normalise,
            height=height,
            start=_start(start, samples.x, Path(work)),
            chip=_chip(chip),
            noise_scale=noise_scale,
            held_out=held,
            half=half,
            recipe=recipe,
        )
        line = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else ""
        try:
            with (progress or silent)("epochs") as bar:
                network = run_job(
                    job,
                    samples,
                    out,
                    name=out.stem,
                    command=line,
                    resume=resume,
                    progress=lambda epoch, of, accuracy, best: bar(epoch, of),
                )
        except Interrupted as stopped:
            raise KeyboardInterrupt(
                f"after epoch {stopped.epoch} of {epochs}; the same command with --resume goes on"
            ) from None
    value: dict[str, Any] = {
        "shape": list(network.widths),
        "epoch": network.provenance["epoch"],
        "held_out_accuracy": network.provenance["held_out_accuracy"],
    }
    if test is not None:
        value["test_accuracy"] = accuracy_of(network, *test)
        value["test_accuracy_interval_95"] = proportion(value["test_accuracy"], len(test[0]))
        value["test_samples"] = len(test[0])
    return Trained(network, value)


def _samples(inputs: Any, labels: Any, data: Any, folder: Any, side: int | None) -> tuple[Any, Any, int]:
    """Samples to learn from, test samples and classes of a data set, and the usual shift in pixels."""
    from emulator.learning.training.job import Samples

    if (inputs is None) != (labels is None):
        raise InputError("inputs and labels belong together; accepted: both or neither")
    if inputs is not None:
        x, y = array_of(inputs), array_of(labels)
        check_classes(y, len(x), 1 << 31, name_of(labels, "labels"))
        return Samples(x, y, Path(name_of(inputs, "inputs")).name, side), None, 1
    found = data_set(data or "fashion-mnist", None if folder is None else os.fspath(folder))
    said = Meaning(data_set=found.name, classes=found.classes)
    known = Samples(found.x, found.labels, found.name, found.side, said)
    return known, (found.test_x, found.test_labels), 1 if found.side == SHIFTED_SIDE else 0


def _start(start: Any, samples: Any, work: Path) -> str | None:
    """The file of the network to go on with; one that is no file of a network is written as one."""
    if start is None:
        return None
    network, _ = network_of(start, samples)
    path = start if isinstance(start, str | os.PathLike) else work / "start.npz"
    if whole_of(start) is not None or Path(path).suffix in MODELS or path is not start:
        path = work / "start.npz"
        network.save(path)
    return os.fspath(path)


def _chip(chip: Any) -> str | None:
    if not isinstance(chip, Chip):
        return chip if chip is None else os.fspath(chip)
    raise InputError("chip is a Chip; accepted: a preset's name or a file, which the network's file can name")


def _text(name: str, value: object) -> str:
    if name.endswith("accuracy") or "interval" in name:
        return percents(value) + " %"
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
