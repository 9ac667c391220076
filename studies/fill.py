"""``python -m studies --fill``: write the numbers of committed runs into the pages,
between their marks.

A mark names a cell of a study's committed tables,
``<!--STUDY/TABLE/ROW/COLUMN-->text<!--/-->``: the number of the table from 0, the
first cells of its row joined by ``, `` until they are unique, and the header of the
column. After the column ``:value``, ``:interval`` and ``:negated`` take a part of
``1.2 (0.8 .. 1.6)``. ``<!--json/FILE/KEY/..:FORMAT-->`` names a value of a JSON
file under docs/results, ``<!--boards-->`` the table of boards. Text around the
marks is the page's own.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from ndrite.boards.fpga.reports import table as boards_table
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec.files import write_whole

MARK = re.compile(r"<!--((?:[a-z][\w-]*/[^>]*?)|boards)-->(.*?)<!--/-->", re.S)
CELL = re.compile(r"(-?[\d.]+)%? \((-?[\d.]+)%? \.\. (-?[\d.]+)%?\)")


def fill(root: Path) -> list[Path]:
    """Write current values into the marks of every page below ``root``; return the
    pages that changed.

    Raises EmulatorError, naming page and mark, where a mark names nothing.
    """
    changed = []
    for path in sorted([root / "README.md", *(root / "docs").rglob("*.md")]):
        page = path.read_text(encoding="utf-8")

        def filled(mark: re.Match[str], path: Path = path) -> str:
            try:
                return f"<!--{mark[1]}-->{_text(root, mark[1])}<!--/-->"
            except (LookupError, ValueError, OSError) as error:
                raise EmulatorError(f"{path}: mark {mark[1]!r}: {error}") from None

        renewed = MARK.sub(filled, page)
        if renewed != page:
            write_whole(path, renewed)
            changed.append(path)
    return changed


def _text(root: Path, name: str) -> str:
    if name == "boards":
        return f"\n\n{boards_table()}\n\n"
    source, *path = name.split("/")
    if source == "json":
        *keys, last = path[1:]
        last, _, form = last.partition(":")
        value = _json(root / "docs/results" / f"{path[0]}.json")
        for key in (*keys, last):
            value = value[int(key) if isinstance(value, list) else key]
        return format(value, form)
    number, row, column = path[0], "/".join(path[1:-1]), path[-1]
    column, _, part = column.partition(":")
    return part_of(
        _cell(_json(root / "docs/results" / f"{source}.json")["tables"][int(number)], row, column), part
    )


def _cell(table: dict[str, Any], row: str, column: str) -> str:
    rows = [cells for cells in table["rows"] if f"{', '.join(cells)}, ".startswith(f"{row}, ")]
    # Cells of a table may contain commas: prefer rows whose first cells, joined by
    # commas, are exactly the row's name.
    rows = [c for c in rows if any(", ".join(c[:k]) == row for k in range(1, len(c)))] or rows
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} rows begin with {row!r}; accepted: one")
    return str(rows[0][table["header"].index(column)])


def part_of(cell: str, part: str) -> str:
    """Return a table cell, or one part of a cell of the form ``value (low .. high)``:
    the value, the interval, or the whole with the opposite sign."""
    if not part:
        return cell
    numbers = CELL.fullmatch(cell)
    if part == "value":
        return numbers[1] if numbers else cell
    if numbers is None:
        raise ValueError(f"{cell!r} has no interval")
    if part == "interval":
        return f"{numbers[2]} .. {numbers[3]}"
    value, low, high = (text[1:] if text.startswith("-") else f"-{text}" for text in numbers.groups())
    value, low, high = (re.sub(r"^-(0\.?0*)$", r"\1", text) for text in (value, low, high))
    if part == "negated":
        return f"{value} ({high} .. {low})"
    if part == "negated value":
        return value
    if part == "negated interval":
        return f"{high} .. {low}"
    raise ValueError(f"part is {part!r}; accepted: value, interval, negated, negated value, negated interval")


@cache
def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
