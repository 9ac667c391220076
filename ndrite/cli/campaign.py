"""ndrite campaign: many virtual chips of one program."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.files import require_folder
from ndrite.cli.inputs import judged_options
from ndrite.cli.options import board_option, json_option, network_option, noise_option
from ndrite.cli.terminal import print_json, print_table, progress_bar


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
    "--figure",
    "figure_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw it here: .svg, .png, .pdf, or .html, a page to look through.",
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
    from ndrite.api.campaigning import campaign
    from ndrite.campaigns import check_figure

    require_folder(output, figure_path)
    if figure_path is not None:
        check_figure(figure_path, chips)
    state = None if output is None else output.with_name(f".{output.name}.part.npz")
    wafer = campaign(
        program_path,
        inputs_path,
        labels_path,
        board=url,
        chips=chips,
        images=count,
        trials=trials,
        seed=seed,
        threshold=threshold / 100,
        chip=chip,
        network=network_path,
        data=data,
        codes=codes,
        noise=noise,
        state=state,
        progress=progress_bar,
    )
    if figure_path is not None:
        wafer.plot(figure_path)
    if output is not None:
        wafer.save(output, program=str(program_path))
        assert state is not None
        state.unlink(missing_ok=True)
    if as_json:
        print_json({"program": str(program_path), **wafer.as_dict()})
        return
    print_table(f"{wafer.name}: virtual chips on {url}", ("quantity", "value"), wafer.rows())
    worst = [
        (str(w["image"]), str(w["label"]), f"{100 * w['share_correct']:.2f}", str(w["usual_vote"]))
        for w in wafer.summary["worst_images"]
    ]
    print_table("hardest images", ("image", "label", "correct votes, %", "usual vote"), worst)
