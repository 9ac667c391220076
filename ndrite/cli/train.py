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
NEURONS = ("ndr", "ndr-shared", "ndr-fixed", "relu", "sigmoid")


@click.command()
@click.option("-o", "--output", required=True, metavar="FLOAT.npz", type=click.Path(path_type=Path))
@samples_options
@click.option(
    "--side", type=click.IntRange(2), help="Side of own square images, which are then shifted a little."
)
@click.option("--hidden", default="128", show_default=True, metavar="N[,N]", help="Widths of hidden layers.")
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
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, (1 << 63) - 1))
@click.option(
    "--held-out",
    type=click.IntRange(1),
    help="Last samples, which choose the epoch; default: a twelfth of them.",
)
@click.option("--resume", is_flag=True, help="Go on where Ctrl-C stopped; the result is the same.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="PyTorch threads.")
@json_option
def command(**options: Any) -> None:
    """Train a fully connected network and write it as FLOAT.npz, for `ndrite compile`.

    With --chip the forward pass of training sees the chip: levels, programming error and drift, read noise,
    converters, output steps, the device's curve, and what its ECRAM can set. Needs the extra ndrite[train].

    \b
    Example: ndrite train --chip dendritic-ndr --height 0.55 --epochs 60 -o float.npz
             ndrite train --data digits --hidden 32 --epochs 40 --batch 64 -o digits.npz
    """
    from emulator.learning.training.extra import torch
    from emulator.learning.training.job import Job, Samples, run_job
    from emulator.learning.training.loop import Interrupted, Recipe
    from emulator.network import load_network
    from ndrite.intervals import proportion
    from ndrite.labelled import labelled, own_samples

    output: Path = options["output"]
    hidden = _widths(options["hidden"])
    require_folder(output)
    test: tuple[Any, Any] | None = None
    if (options["inputs"] is None) != (options["labels"] is None):
        raise click.UsageError("--inputs and --labels go together")
    if options["inputs"] is not None:
        x, y = own_samples(options["inputs"], options["labels"])
        samples = Samples(x, y, options["inputs"].name, options["side"])
    else:
        data = labelled(options["data"] or "fashion-mnist", options["folder"])
        side = data.side if data.side == 28 else None
        samples = Samples(data.x, data.labels, data.name, side, data_set=data.name)
        test = data.test_x, data.test_labels
    job = Job(
        hidden=hidden,
        neuron=options["neuron"],
        normalise=options["normalise"],
        height=options["height"],
        chip=options["chip"],
        noise_scale=options["noise_scale"],
        held_out=options["held_out"] or max(1, len(samples.x) // 12),
        recipe=Recipe(
            epochs=options["epochs"],
            batch=options["batch"],
            learning_rate=options["rate"],
            seed=options["seed"],
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
        value["test_accuracy"] = network.accuracy(*test)
        value["test_accuracy_interval_95"] = proportion(value["test_accuracy"], len(test[0]))
        value["test_samples"] = len(test[0])
    if options["as_json"]:
        print_json(value)
    else:
        print_table(f"{output}", ("quantity", "value"), [(k, _text(v)) for k, v in value.items()])


def _widths(text: str) -> tuple[int, ...]:
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        widths = ()
    if not widths or not all(1 <= w <= 65536 for w in widths):
        raise click.UsageError(f"--hidden is {text!r}; accepted: widths 1..65536, separated by commas")
    return widths


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
