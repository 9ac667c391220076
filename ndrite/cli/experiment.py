"""ndrite experiment: the experiments behind the docs."""

from __future__ import annotations

from pathlib import Path

import click

from ndrite.cli.options import json_option, results_option
from ndrite.cli.terminal import print_json, print_table, progress_bar
from ndrite.experiments import NAMES


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@results_option("NAME.json and NAME.svg")
@click.option("--smoke", is_flag=True, help="Seconds instead of minutes; the figures mean nothing.")
@click.option("--resume", is_flag=True, help="Keep the runs that a stopped experiment had finished.")
@click.option("--redraw", is_flag=True, help="Run nothing: table and figure anew of the runs in NAME.json.")
@json_option
def command(name: str, output: Path, smoke: bool, resume: bool, redraw: bool, as_json: bool) -> None:
    """Run experiment NAME: print its table, write its JSON (runs, seeds, intervals) and its figure.

    After Ctrl-C the finished runs lie in the folder; the same command with --resume goes on. Training needs
    ndrite[train], Fashion-MNIST its training files.

    \b
    Example: ndrite experiment loss -o docs/results --resume
    """
    from ndrite.experiments import runner

    if redraw and (smoke or resume):
        raise click.UsageError("--redraw runs nothing, so it takes neither --smoke nor --resume")
    if redraw:
        results, tables = runner.redraw(name, output)
    else:
        line = f"ndrite experiment {name}" + (" --smoke" if smoke else "")
        with progress_bar("runs") as report:
            results, tables = runner.execute(
                name, output, smoke=smoke, resume=resume, command=line, progress=report
            )
    if as_json:
        print_json({"experiment": name, "runs": results})
        return
    for table in tables:
        print_table(table.title, table.header, table.rows)
