"""Tables and text of the page."""

from __future__ import annotations

import html
from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are text."""
    titles = "".join(f"<th>{text(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_breakable(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def _breakable(value: str) -> str:
    """Text whose long names may be broken after a dot or an underscore."""
    return text(value).replace("_", "_<wbr>").replace(".", ".<wbr>") if " " not in value else text(value)


def text(value: str) -> str:
    """Text with what HTML would read as its own escaped."""
    return html.escape(value)
