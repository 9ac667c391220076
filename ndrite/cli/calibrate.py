"""ndrite calibrate: tune a programmed chip's neurons by ECRAM pulses."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
import numpy as np

from emulator.spec import Program
from ndrite.cli.files import require_folder
from ndrite.cli.inputs import codes_option
from ndrite.cli.options import board_option, json_option, noise_option, samples_options, seed_option
from ndrite.cli.terminal import print_json, print_table, progress_bar, shown
from ndrite.samples import codes_of
from ndrite.url import connect

METHODS = ("gradient", "sign", "perturb")


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="TUNED.npz", type=click.Path(path_type=Path))
@board_option
@click.option(
    "--network",
    "network_path",
    metavar="FLOAT.npz",
    type=click.Path(path_type=Path),
    help="Float network PROGRAM was compiled from, which gradients go back through; not needed for perturb.",
)
@click.option("--method", default="gradient", show_default=True, type=click.Choice(METHODS))
@click.option("--steps", default=40, show_default=True, type=click.IntRange(0, 100_000), help="Updates.")
@click.option("--batch", default=1000, show_default=True, type=click.IntRange(1), help="Images of an update.")
@click.option(
    "--rate",
    default=0.01,
    show_default=True,
    type=click.FloatRange(1e-5, 1),
    help="Largest change of an ECRAM's state in an update, of its range.",
)
@click.option(
    "--read-cells",
    is_flag=True,
    help="Gradients go back through the cells as a test read shows them, not through FLOAT.npz's weights.",
)
@click.option(
    "--learning-seed", default=0, show_default=True, type=click.IntRange(0), help="Batches, pulse noise."
)
@samples_options
@codes_option
@click.option(
    "--measure",
    default=1000,
    show_default=True,
    type=click.IntRange(1),
    help="Images to measure on before and after: the first of the test set; of own samples the last, "
    "which are then not learned from.",
)
@seed_option
@noise_option
@json_option
def command(**options: Any) -> None:
    """Tune the neurons of PROGRAM's chip in the loop and write the tuned program.

    Forward passes run on the board, with its errors and noise. The host turns the outputs into pulse counts
    for the ECRAM of each neuron or basis, whose nonlinear, noisy, bounded update decides what they do. New
    curves are written to the board. Weights are not touched. The same command gives the same program on every
    board. After Ctrl-C nothing is written.

    \b
    Example: ndrite calibrate program.npz --network float.npz --board golden: -o tuned.npz
             ndrite calibrate program.npz --method perturb --steps 200 --board sim: -o tuned.npz
    with a program made by: ndrite compile float.npz --chip dendritic-ndr+ecram-pair -o program.npz
    """
    from emulator.learning.tuning import Plan
    from emulator.mapping import die_digest
    from emulator.network import load_network
    from ndrite.calibration import calibrate_board
    from ndrite.dies import die_of, save_both
    from ndrite.evaluations import accuracy
    from ndrite.intervals import proportion

    output: Path = options["output"]
    require_folder(output)
    program = Program.load(options["program_path"])
    die = die_of(program, options["program_path"])
    network = None if options["network_path"] is None else load_network(options["network_path"])
    if network is None and options["method"] != "perturb":
        raise click.UsageError(
            f"--method {options['method']} needs --network FLOAT.npz; without it: --method perturb"
        )
    if network is None and options["read_cells"]:
        raise click.UsageError("--read-cells needs --network FLOAT.npz, whose units the cells are read in")
    x, labels, test_x, test_labels = _data(program, options)
    plan = Plan(
        steps=options["steps"],
        batch=options["batch"],
        rate=options["rate"],
        method=options["method"],
        seed=options["learning_seed"],
    )
    seed, noise = options["seed"], options["noise"]
    with connect(options["url"]) as board:
        with progress_bar("programming") as report:
            board.program(program, progress=report)
        before = accuracy(board.infer(test_x, seed=seed, noise=noise), test_labels)
        with progress_bar("updates") as report:
            result = calibrate_board(
                board,
                program,
                die,
                network,
                x,
                labels,
                plan=plan,
                seed=seed,
                noise=noise,
                cells=options["read_cells"],
                progress=report,
            )
        after = accuracy(board.infer(test_x, seed=seed, noise=noise), test_labels)
    how = {
        **dataclasses.asdict(plan),
        "read_cells": options["read_cells"],
        "pulses_total": result.pulses_total,
        "samples": len(x),
    }
    told = {**result.program.provenance, "die": die_digest(result.die), "calibration": how}
    tuned = dataclasses.replace(result.program, provenance=told)
    save_both(tuned, result.die, output)
    value: dict[str, Any] = {
        "program": str(output),
        "board": options["url"],
        "tag": f"{tuned.tag:08x}",
        "accuracy_before": before,
        "accuracy_before_interval_95": proportion(before, len(test_x)),
        "accuracy_after": after,
        "accuracy_after_interval_95": proportion(after, len(test_x)),
        "measured_on": len(test_x),
        "learned_from": len(x),
        "steps": plan.steps,
        "pulses": result.pulses_total,
        "cross_entropy_first": result.losses[0] if result.losses else None,
        "cross_entropy_last": result.losses[-1] if result.losses else None,
    }
    if options["as_json"]:
        print_json(value)
    else:
        rows = [(k, shown(v)) for k, v in value.items()]
        print_table(f"{program.name} on {options['url']}", ("quantity", "value"), rows)


def _data(program: Program, options: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    from ndrite.labelled import chosen_data_set, data_set, own_labels

    if (options["inputs"] is None) != (options["labels"] is None):
        raise click.UsageError("--inputs and --labels go together")
    count: int = options["measure"]
    if options["inputs"] is None:
        wanted = "--inputs X.npy and --labels Y.npy"
        name = chosen_data_set(program.meaning, program.inputs, options["data"], wanted)
        data = data_set(name, options["folder"])
        found = data.x, data.labels, data.test_x[:count], data.test_labels[:count]
    else:
        x = codes_of(options["inputs"], program, codes=options["codes"])
        y = own_labels(options["labels"], len(x))
        if count >= len(x):
            raise click.UsageError(f"--measure is {count}; accepted: 1..{len(x) - 1}, less than the samples")
        found = x[:-count], y[:-count], x[-count:], y[-count:]
    if found[0].shape[1] != program.inputs:
        raise click.UsageError(
            f"samples have {found[0].shape[1]} inputs; accepted: {program.inputs}, as the program takes"
        )
    if int(np.max(found[1])) >= program.outputs:
        raise click.UsageError(
            f"labels reach {int(np.max(found[1]))}; accepted: 0..{program.outputs - 1}, as the program has "
            f"outputs"
        )
    return found
