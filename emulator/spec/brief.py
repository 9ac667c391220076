"""Short display of results at a prompt or in a notebook: a few lines, or a table.

Text in HTML is escaped, since names come from files of other people.
"""

import dataclasses
import html
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, dataclass_transform

import numpy as np

Kind = TypeVar("Kind")
LONGEST = 60
"""Largest number of characters shown of a field's value."""


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(dataclasses.field,))
def record(*, kw_only: bool = False) -> Callable[[type[Kind]], type[Kind]]:
    """Return a class decorator for dataclasses of arrays or large records: frozen,
    equal only to themselves, and with the short ``repr`` of ``brief_repr``."""

    def made(kind: type[Kind]) -> type[Kind]:
        kind.__repr__ = brief_repr  # type: ignore[method-assign]
        return dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=kw_only)(kind)

    return made


def brief_repr(self: Any) -> str:
    """Return ``Class(field=value, ...)`` for a dataclass; arrays are shown as type and
    shape, containers as size, and long text is cut."""
    fields = (f for f in dataclasses.fields(self) if f.repr)
    inside = ", ".join(f"{f.name}={_brief(getattr(self, f.name))}" for f in fields)
    return f"{type(self).__name__}({inside})"


def shown(value: object, most: int = LONGEST) -> str:
    """Return the ``repr`` of a value, cut to ``most`` characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _brief(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    text = repr(value)
    if len(text) <= LONGEST:
        return text
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}(...)"
    if isinstance(value, dict):
        return f"{{{len(value)} entries}}"
    if isinstance(value, list | tuple):
        kinds = {type(entry).__name__ for entry in value}
        return f"[{len(value)} {' or '.join(sorted(kinds))}]"
    return shown(value)


ROWS_MAX = 40
"""Largest number of rows that a notebook shows of a table."""


def text(value: object) -> str:
    """Return ``value`` as text, escaped for HTML."""
    return html.escape(str(value))


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Return an HTML table; every cell is escaped as text."""
    titles = "".join(f"<th>{text(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_breakable(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def titled(title: str, head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Return the HTML for ``_repr_html_``: a title above a table of at most
    ``ROWS_MAX`` rows."""
    all_rows = list(rows)
    hidden_rows = len(all_rows) - ROWS_MAX
    more = f"<p>... and {hidden_rows} more rows</p>" if hidden_rows > 0 else ""
    return f"<p><strong>{text(title)}</strong></p>{table(head, all_rows[:ROWS_MAX])}{more}"


def _breakable(value: str) -> str:
    """Return text as HTML in which long names may be wrapped after a dot or an underscore."""
    return text(value).replace("_", "_<wbr>").replace(".", ".<wbr>") if " " not in value else text(value)
