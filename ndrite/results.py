"""Result: what every verb gives, shown alike by a command, its ``--json`` and a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from emulator.spec.notebook import titled


class Table(NamedTuple):
    """A title, a header, and rows of words."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Result:
    """What a verb found. A subclass says its numbers once as plain values and once in words."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        raise NotImplementedError

    def tables(self) -> Iterable[Table]:
        """What a person reads first."""
        return ()

    def lines(self) -> Iterable[str]:
        """What stands below the tables, one line each."""
        return ()

    @property
    def failure(self) -> str | None:
        """Why the work was done and its outcome is bad (exit code 1); None when it is good."""
        return None

    def _repr_html_(self) -> str:
        return "".join(titled(table.title, table.header, table.rows) for table in self.tables())


@dataclass(frozen=True)
class Found(Result):
    """What a verb found, where plain values say it all."""

    values: dict[str, Any]
    shown: tuple[Table, ...] = ()
    said: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def failure(self) -> str | None:
        """Why it is bad."""
        return self.failed

    def as_dict(self) -> dict[str, Any]:
        """The values."""
        return self.values

    def tables(self) -> Iterable[Table]:
        """The values in words."""
        return self.shown

    def lines(self) -> Iterable[str]:
        """What is said below them."""
        return self.said


def shown(value: Any) -> str:
    """A figure in a table: four digits after the point; an interval as its two ends."""
    if isinstance(value, list | tuple):
        return " .. ".join(shown(v) for v in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def percents(value: Any) -> str:
    """A fraction 0..1 in percent, an interval as its two ends; ``-`` for None."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return " .. ".join(percents(v) for v in value)
    return f"{100 * value:.2f}"
