"""ndrite train: a network through a chip's errors."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ndrite.cli.files import require_folder
from ndrite.cli.options import json_option, samples_options
from ndrite.cli.terminal import print_json, print_table

AVERAGED_STEPS = 20
"""A short training averages its weights over this fraction of its steps: 1 in so many."""
NEURONS = ("ndr", "ndr-shared", "ndr-fixed", "relu", "clipped-relu", "sigmoid")
SHIFTED_SIDE = 28
"""Smaller images lose too much at their edges when they are shifted."""
OWN = ("hidden", "neuron", "normalise", "height")
"""What a network to go on with has already."""


@click.command()
@click.option("-o", "--output", required=True, metavar="FLOAT.npz", type=click.Path(path_type=Path))
@samples_options
@click.option(
    "--side", type=click.IntRange(2), help="Side of own square images, for convolutions and --shift."
)
@click.option(
    "--hidden",
    default="128",
    show_default=True,
    metavar="LAYERS",
    help="Hidden layers, separated by commas: WIDTH, conv CHANNELS KERNEL [stride N] [groups N], depthwise "
    "KERNEL [stride N], residual KERNEL (two convolutions around which the map is added), pool SIZE, average "
    "[SIZE], bases COUNT [each] (NDR curves of every value, which the next layer sums: a Kolmogorov-Arnold "
    "network).",
)
@click.option(
    "--from",
    "start",
    metavar="FLOAT.npz",
    type=click.Path(path_type=Path),
    help="Go on with this network, of any shape, in place of a new one.",
)
@click.option(
    "--chip", metavar="NAME", help="Chip whose errors training sees (as for compile); default: plain floats."
)
@click.option(
    "--neuron", default="ndr", show_default=True, type=click.Choice(NEURONS), help="Kind of neuron."
)
@click.option(
    "--normalise/--no-normalise", default=True, help="Batch normalisation, folded into weights at the end."
)
@click.option(
    "--height",
    type=click.FloatRange(0.01, 1),
    help="Where heights (peak currents, of the nominal one) start, and keep them below 1 so that ECRAM can "
    "still move them both ways.",
)
@click.option(
    "--noise-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 10),
    help="Times the cells' errors.",
)
@click.option("--epochs", default=100, show_default=True, type=click.IntRange(1))
@click.option("--batch", default=256, show_default=True, type=click.IntRange(2))
@click.option("--rate", default=8e-3, show_default=True, type=click.FloatRange(1e-6, 1), help="Largest step.")
@click.option("--weight-decay", default=0.0, show_default=True, type=click.FloatRange(0, 1))
@click.option(
    "--shift",
    type=click.IntRange(0, 8),
    help="Largest shift of half the images, pixels; default: 1, and 0 for the small digits.",
)
@click.option("--flip", is_flag=True, help="Mirror half the images.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, (1 << 63) - 1))
@click.option(
    "--held-out",
    type=click.IntRange(1),
    help="Last samples, which choose the epoch; default: a twelfth of them.",
)
@click.option("--half", is_flag=True, help="Round weights to half precision, for a file half as large.")
@click.option("--resume", is_flag=True, help="Go on where Ctrl-C stopped; the result is the same.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="PyTorch threads.")
@json_option
def command(**options: Any) -> None:
    """Train a network and write it as FLOAT.npz, for `ndrite compile`.

    With --chip the forward pass of training sees the chip: levels, programming error and drift, read noise,
    converters, output steps, the device's curve, and what its ECRAM can set. Option --from goes on with a
    network that was trained or imported, through a chip or not. Needs the extra ndrite[train].

    \b
    Example: ndrite train --chip dendritic-ndr --height 0.55 --epochs 60 -o float.npz
             ndrite train --data digits --hidden 32 --epochs 40 --batch 64 -o digits.npz
             ndrite train --data digits --hidden "conv 8 3, residual 3, pool 2" --epochs 20 -o maps.npz
             ndrite train --data digits --hidden "bases 3, 16, bases 3" --epochs 40 --batch 64 -o kan.npz
             ndrite train --data digits --from maps.npz --chip wan2022 --epochs 5 --rate 0.001 -o on.npz
    """
    from emulator.errors import EmulatorError
    from emulator.learning.training.architecture import read_hidden
    from emulator.learning.training.extra import torch
    from emulator.learning.training.job import Job, Samples, accuracy_of, run_job
    from emulator.learning.training.loop import Interrupted, Recipe
    from emulator.network import Meaning, load_network
    from ndrite.intervals import proportion
    from ndrite.labelled import data_set, own_samples

    output: Path = options["output"]
    start: Path | None = options["start"]
    if start is not None:
        _check_start(start, output)
    try:
        hidden = read_hidden(options["hidden"])
    except EmulatorError as error:
        raise click.UsageError(f"--hidden is {options['hidden']!r}; {error}") from None
    require_folder(output)
    test: tuple[Any, Any] | None = None
    if (options["inputs"] is None) != (options["labels"] is None):
        raise click.UsageError("--inputs and --labels go together")
    if options["inputs"] is not None:
        x, y = own_samples(options["inputs"], options["labels"])
        samples = Samples(x, y, options["inputs"].name, options["side"])
        shift = 1
    else:
        data = data_set(options["data"] or "fashion-mnist", options["folder"])
        said = Meaning(data_set=data.name, classes=data.classes)
        samples = Samples(data.x, data.labels, data.name, data.side, said)
        shift = 1 if data.side == SHIFTED_SIDE else 0
        test = data.test_x, data.test_labels
    job = Job(
        hidden=hidden,
        neuron=options["neuron"],
        normalise=options["normalise"],
        height=options["height"],
        start=None if start is None else str(start),
        chip=options["chip"],
        noise_scale=options["noise_scale"],
        held_out=options["held_out"] or max(1, len(samples.x) // 12),
        half=options["half"],
        recipe=Recipe(
            epochs=options["epochs"],
            batch=options["batch"],
            learning_rate=options["rate"],
            weight_decay=options["weight_decay"],
            seed=options["seed"],
            shift=shift if options["shift"] is None else options["shift"],
            flip=options["flip"],
        ),
    )
    steps = job.recipe.epochs * ((len(samples.x) - job.held_out) // job.recipe.batch)
    average = min(job.recipe.average, max(0.0, 1 - AVERAGED_STEPS / max(steps, 1)))
    job = dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, average=average))
    torch.set_num_threads(options["threads"])
    name = output.stem
    line = shlex.join(["ndrite", *sys.argv[1:]])
    try:
        with _bar() as report:
            run_job(job, samples, output, name=name, command=line, resume=options["resume"], progress=report)
    except Interrupted as stopped:
        click.echo(
            f"ndrite: interrupted after epoch {stopped.epoch} of {options['epochs']}; the same command with "
            "--resume goes on",
            err=True,
        )
        raise
    network = load_network(output)
    value: dict[str, Any] = {
        "network": str(output),
        "shape": list(network.widths),
        "epoch": network.provenance["epoch"],
        "held_out_accuracy": network.provenance["held_out_accuracy"],
    }
    if test is not None:
        value["test_accuracy"] = accuracy_of(network, *test)
        value["test_accuracy_interval_95"] = proportion(value["test_accuracy"], len(test[0]))
        value["test_samples"] = len(test[0])
    if options["as_json"]:
        print_json(value)
    else:
        print_table(f"{output}", ("quantity", "value"), [(k, _text(v)) for k, v in value.items()])


def _check_start(start: Path, output: Path) -> None:
    """--from stands alone, and is another file than the output."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    given = [f"--{name}" for name in OWN if context.get_parameter_source(name) is not default]
    if given:
        raise click.UsageError(f"--from keeps the network's own layers; accepted: without {', '.join(given)}")
    if start.resolve() == output.resolve():
        raise click.UsageError(f"-o is {output}, the file of --from; accepted: another file")


def _text(value: object) -> str:
    if isinstance(value, list) and isinstance(value[0], float):
        return " .. ".join(f"{100 * v:.2f} %" for v in value)
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{100 * value:.2f} %" if isinstance(value, float) else str(value)


def _bar() -> Any:
    from collections.abc import Iterator
    from contextlib import contextmanager

    from ndrite.cli.terminal import progress_bar

    @contextmanager
    def bar() -> Iterator[Any]:
        with progress_bar("epochs") as report:
            yield lambda epoch, epochs, accuracy, best: report(epoch, epochs)

    return bar()
