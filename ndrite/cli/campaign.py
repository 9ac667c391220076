"""ndrite campaign: many virtual chips of one program."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from emulator.spec import Program
from ndrite.cli.files import require_folder
from ndrite.cli.inputs import judged, judged_options
from ndrite.cli.options import board_option, json_option, network_option, noise_option
from ndrite.cli.terminal import note, print_json, print_table, progress_bar
from ndrite.url import connect


@click.command()
@click.argument("program_path", metavar="PROGRAM", type=click.Path(path_type=Path))
@board_option
@click.option("--chips", default=100, show_default=True, type=click.IntRange(1), help="Virtual chips.")
@click.option(
    "--images", "count", default=1000, show_default=True, type=click.IntRange(1), help="First N test images."
)
@click.option(
    "--trials", default=1, show_default=True, type=click.IntRange(1, 4096), help="Read-noise trials."
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, (1 << 64) - 1),
    help="Which wafer: chips 0, 1, ... of this seed are the same on every board.",
)
@click.option(
    "--threshold",
    default=85.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="Accuracy in percent that a good chip reaches.",
)
@click.option(
    "--chip",
    metavar="NAME",
    help="Chip whose cells' spread to draw from, where PROGRAM was not compiled with --nominal; "
    "default: the chip it was compiled for.",
)
@judged_options
@network_option
@click.option(
    "-o",
    "--output",
    metavar="FILE.json",
    type=click.Path(path_type=Path),
    help="Write the JSON here; work in progress is kept beside it and taken up again.",
)
@click.option(
    "--figure", "figure_path", metavar="FILE.svg", type=click.Path(path_type=Path), help="Draw it here."
)
@noise_option
@json_option
def command(
    program_path: Path,
    url: str,
    chips: int,
    count: int,
    trials: int,
    seed: int,
    threshold: float,
    chip: str | None,
    inputs_path: Path | None,
    labels_path: Path | None,
    data: str | None,
    codes: bool,
    network_path: Path | None,
    output: Path | None,
    figure_path: Path | None,
    noise: bool,
    as_json: bool,
) -> None:
    """Accuracy over many virtual chips of PROGRAM: every cell drawn anew for each, read noise in every trial.

    Votes are the same on every board. Intervals are 95 %. With -o the campaign survives Ctrl-C: run the same
    command again (more --chips may be asked for then).

    \b
    Example: ndrite campaign program.npz --chips 1000 --images 1000 -o campaign.json --figure campaign.svg
    with a program made by: ndrite compile float.npz --chip dendritic-ndr --nominal -o program.npz
    """
    from emulator.files import whole_file
    from emulator.spec.campaign import Campaign
    from ndrite.campaign import figure, run_campaign, summary
    from ndrite.labelled import check_classes
    from ndrite.shipped import network_of

    require_folder(output, figure_path)
    program = _with_variation(Program.load(program_path), chip)
    x, y = judged(
        program.meaning,
        program.inputs,
        inputs_path=inputs_path,
        labels_path=labels_path,
        data=data,
        codes=codes,
    )
    check_classes(y, len(x), program.outputs, str(labels_path))
    if inputs_path is None and count > len(x):
        raise click.UsageError(f"--images is {count}; accepted: 1..{len(x)}")
    x, y = x[:count], y[:count]
    plan = Campaign(chips=chips, trials=trials, seed=seed, noise=noise)
    state = None if output is None else output.with_name(f".{output.name}.part.npz")
    with connect(url) as board:
        with progress_bar("programming") as report:
            board.program(program, progress=report)
        on_host = bool(getattr(board, "campaigns_on_host", False))
        if on_host:
            note(
                "virtual chips are drawn and run on the host, not in gateware: the program is no chain of "
                "full layers that fits"
            )
        with progress_bar("chips") as report:
            result = run_campaign(board, program, x, y, plan, state=state, progress=report)
    found = summary(result, y, threshold=threshold / 100)
    network = network_of(program, network_path)
    found["accuracy_float"] = None if network is None else network.accuracy(x, y)
    value: dict[str, Any] = {
        "program": str(program_path),
        "board": url,
        "on_host": on_host,
        "noise": noise,
        **found,
    }
    if figure_path is not None:
        figure(result, figure_path, threshold=threshold / 100, title=f"{chips} chips, {len(x)} images")
    if output is not None:
        import json

        with whole_file(output) as file:
            file.write(json.dumps(value, indent=1).encode())
        assert state is not None
        state.unlink(missing_ok=True)
    if as_json:
        print_json(value)
    else:
        _table(program, url, found)


def _table(program: Program, url: str, found: dict[str, Any]) -> None:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}"

    def interval(value: list[float] | None) -> str:
        return "-" if value is None else f"{percent(value[0])} .. {percent(value[1])}"

    rows = [
        ("chips x images x trials", f"{found['chips']} x {found['images']} x {found['trials']}"),
        ("float network, accuracy, %", percent(found["accuracy_float"])),
        ("accuracy, mean, %", percent(found["accuracy_mean"])),
        ("its 95 % interval, %", interval(found["accuracy_mean_interval_95"])),
        ("standard deviation over chips, points", percent(found["accuracy_std"])),
        (
            "worst / median / best chip, %",
            " / ".join(percent(found[f"accuracy_{k}"]) for k in ("min", "median", "max")),
        ),
        (f"yield at {100 * found['threshold']:g} %, % of chips", percent(found["yield"])),
        ("its 95 % interval, %", interval(found["yield_interval_95"])),
    ]
    print_table(f"{program.name}: virtual chips on {url}", ("quantity", "value"), rows)
    worst = [
        (str(w["image"]), str(w["label"]), percent(w["share_correct"]), str(w["usual_vote"]))
        for w in found["worst_images"]
    ]
    print_table("hardest images", ("image", "label", "correct votes, %", "usual vote"), worst)


def _with_variation(program: Program, name: str | None) -> Program:
    from emulator.device.description import Chip, load_chip, parse_chip
    from emulator.mapping.variation import variation_of

    if program.variation is not None and name is None:
        return program
    chip: Chip
    if name is not None:
        chip = load_chip(name)
    elif isinstance(program.provenance.get("chip"), dict):
        chip = parse_chip(program.provenance["chip"])
        note(
            "ndrite: warning: this program is of one individual chip of "
            f"{chip.name!r}; its cells, errors included, serve as targets (compile --nominal avoids it)"
        )
    else:
        raise click.UsageError("PROGRAM names no chip; say with --chip whose cells' spread to draw from")
    return dataclasses.replace(program, variation=variation_of(chip))
