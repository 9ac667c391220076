"""HTML for notebooks and pages: text is escaped, since names come from files of other people."""

from __future__ import annotations

import html
from collections.abc import Iterable

ROWS_MAX = 40
"""Rows that a notebook shows of one table."""


def text(value: object) -> str:
    """``value`` in words, with what HTML would read as its own escaped."""
    return html.escape(str(value))


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table; every cell is text."""
    titles = "".join(f"<th>{text(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_breakable(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def titled(title: str, head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """What ``_repr_html_`` of a result gives: a title above a table of at most ``ROWS_MAX`` rows."""
    found = list(rows)
    rest = len(found) - ROWS_MAX
    more = f"<p>... and {rest} more rows</p>" if rest > 0 else ""
    return f"<p><strong>{text(title)}</strong></p>{table(head, found[:ROWS_MAX])}{more}"


def _breakable(value: str) -> str:
    """Text whose long names may be broken after a dot or an underscore."""
    return text(value).replace("_", "_<wbr>").replace(".", ".<wbr>") if " " not in value else text(value)
