"""Result: the result of every verb, shown alike by a command, its ``--json`` and a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ndrite.emulator.spec.brief import brief_repr, titled

if TYPE_CHECKING:  # every command imports this module; few commands need a board
    from ndrite.boards.selftest import Check


class Table(NamedTuple):
    """A table for people: a title, a header, and rows of text."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """Format header and rows as Markdown."""
        cells = [
            [cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (self.header, *self.rows)
        ]
        lines = [f"| {' | '.join(row)} |" for row in cells]
        lines.insert(1, "|---" * len(self.header) + "|")
        return "\n".join(lines)


class Result:
    """Base class of the results of verbs (ndrite's commands). A subclass provides its
    numbers as plain values and as text."""

    __repr__ = brief_repr
    values: dict[str, Any]
    shown: tuple[Table, ...] = ()
    said: tuple[str, ...] = ()
    failed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result's plain values by name, for JSON."""
        return self.values

    def tables(self) -> Iterable[Table]:
        """Return the tables to show to people."""
        return self.shown

    def details(self) -> Iterable[Table]:
        """Return further tables, shown with ``-v``."""
        return ()

    def lines(self) -> Iterable[str]:
        """Return the lines to show below the tables."""
        return self.said

    @property
    def failure(self) -> str | None:
        """Explain why the result is bad although the verb did its work (exit code
        1), or return None."""
        return self.failed

    def _repr_html_(self) -> str:
        return "".join(titled(table.title, table.header, table.rows) for table in self.tables())


class Summary(Result):
    """A result that consists of plain values by name, in ``summary``. ``heading``, the
    table's title, may name fields of the subclass in braces; the table omits the values
    that ``left_out`` lists."""

    summary: dict[str, Any]
    heading: str
    left_out: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values by name."""
        return self.summary

    def tables(self) -> Iterable[Table]:
        """Return one table of the plain values as text."""
        shown_values = {name: value for name, value in self.as_dict().items() if name not in self.left_out}
        rows = [(name, said(name, value)) for name, value in shown_values.items()]
        yield Table(self.heading.format_map(vars(self)), ("quantity", "value"), rows)


@dataclass(frozen=True)
class Found(Result):
    """A result of a verb that has its plain values, tables and lines as fields."""

    values: dict[str, Any]
    shown: tuple[Table, ...] = ()
    said: tuple[str, ...] = ()
    failed: str | None = None


def share_done(share: tuple[int, int] | None) -> Found:
    """Return the result of a command that has done its share of a job array while runs
    of other shares are missing."""
    text = "" if share is None else f"{share[0]}/{share[1]}"
    line = f"share {text} is done; without shard the same command joins all shares"
    return Found({"shard": text}, said=(line,))


def plain(value: object) -> str:
    """Format a value as text: a number with five digits, a range or interval by its two
    ends, a long list by its first and last value."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        if len(value) > 8:
            return f"{plain(value[0])} .. {plain(value[-1])} ({len(value)} values)"
        return (" .. " if len(value) == 2 else ", ").join(map(plain, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def said(name: str, value: object) -> str:
    """Format the value of a quantity according to its name: accuracy and yield in
    percent, a shape as 64-16-10, other lists number by number."""
    if value is None:
        return "not known"
    if "accuracy" in name or "yield" in name:
        return percents(value) + " %"
    if isinstance(value, list | tuple):
        only_integers = all(isinstance(v, int) for v in value)
        return "-".join(map(str, value)) if only_integers else ", ".join(f"{v:.1f}" for v in value)
    return plain(value)


def percents(value: Any) -> str:
    """Format a fraction 0..1 in percent, an interval by its two ends, and None as ``-``."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return " .. ".join(percents(v) for v in value)
    return f"{100 * value:.2f}"


def judged(title: str, checks: Iterable[Check], announce: Callable[[str], None], **said: object) -> Found:
    """Run all ``checks`` and announce each; return a table of the checks and the number
    of failed checks. ``said`` are further values for the table."""
    rows, done = [], []
    for check in checks:
        result = "ok" if check.passed else "FAIL"
        announce(f"{result:4} {check.stage}: {check.name}: {check.seen}")
        rows.append((check.stage, check.name, result, check.seen))
        done.append(check)
    failed = sum(not check.passed for check in done)
    return Found(
        {**said, "failed": failed, "checks": [vars(check) for check in done]},
        (Table(title, ("stage", "check", "result", "seen"), rows),),
        failed=f"{failed} of {len(done)} checks failed" if failed else None,
    )
