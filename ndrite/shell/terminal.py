"""Output for people: tables on stdout, progress on stderr."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import click
from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ndrite.results import Table as Shown

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\\\)?")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
WIDE = 10_000
"""Width in columns of tables on an output that is not a terminal: so large that
lines are not broken."""

EVERY_S = 10.0
"""Seconds between two progress lines if stderr is not a terminal."""

quiet = verbose = False
"""Set by ``ndrite --quiet``: nothing on stderr but errors; by ``--verbose``:
where they are from."""


def printable(text: str) -> str:
    """Remove control characters from ``text``, since names come from other people's
    files and could control the terminal."""
    return CONTROLS.sub("\ufffd", ESCAPES.sub("", text))


def say(text: str) -> None:
    """Print a line on stdout."""
    click.echo(printable(text))


def note(text: str) -> None:
    """Print a note for a person on stderr, unless ``--quiet`` is set."""
    if not quiet:
        click.echo(printable(text), err=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr during the block, or a line every ten seconds if
    stderr is not a terminal.

    The function that it yields takes the progress: ``(done, total)``, or in words.
    """
    console, said = Console(stderr=True), what
    over, began = Event(), time.monotonic()

    def told() -> None:
        while not over.wait(EVERY_S):
            left = bar.tasks[0].time_remaining
            more = "" if left is None else f", about {left:.0f} s left"
            note(f"{said}, {time.monotonic() - began:.0f} s so far{more}")

    def report(*at: Any) -> None:
        nonlocal said
        if len(at) == 1:
            said = f"{what}: {at[0]}"
            bar.update(task, description=said)
        else:
            said = f"{what}: {at[0]} of {at[1]}"
            bar.update(task, completed=at[0], total=at[1])

    words, count = bars.TextColumn("{task.description}"), bars.MofNCompleteColumn()
    columns = (words, bars.BarColumn(), count, bars.TimeElapsedColumn(), bars.TimeRemainingColumn())
    hidden = quiet or not console.is_terminal
    try:
        with bars.Progress(*columns, console=console, transient=True, disable=hidden) as bar:
            task = bar.add_task(what, total=None)
            if not quiet and not console.is_terminal:
                Thread(target=told, daemon=True).start()
            yield report
    finally:
        over.set()


def print_table(shown: Shown) -> None:
    """Print a table on stdout. Columns of numbers, except the first column, are right
    aligned; all others left."""
    title, header, rows = shown
    say(title)
    # Cells are Text objects, so that square brackets in a name are not read as markup.
    table = Table()
    for i, name in enumerate(header):
        numbers = i > 0 and any(cell[:1].isdigit() or cell[:1] == "-" for cell in (row[i] for row in rows))
        table.add_column(Text(printable(name)), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
