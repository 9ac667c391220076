"""results: one small Parquet file a point, written whole; joined into one table at the end.

A file a point, not one that is appended to: a crash at any moment leaves whole rows or none, and what is
there says what need not be done again.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emulator.errors import MissingExtraError
from emulator.files import whole_file
from emulator.spec.digest import FIELD, digest
from ndrite.sweeps.plan import SweepError

VOLATILE = ("seconds", "board")
"""Columns that may differ between two runs of the same sweep."""


class Results:
    """The folder of a sweep: ``points/KEY.parquet`` and, when complete, ``results.parquet``.

    Raises ``MissingExtraError`` without PyArrow.
    """

    def __init__(self, folder: Path) -> None:
        _arrow()
        self.folder = folder
        self.points = folder / "points"
        try:
            self.points.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SweepError(
                f"results folder {folder}: {error.strerror}; accepted: a folder to write in"
            ) from None

    def done(self) -> set[str]:
        """Keys of the points whose results are there."""
        return {file.stem for file in self.points.glob("*.parquet")}

    def add(self, row: dict[str, Any]) -> None:
        """Keep one point's row."""
        self._write(self.points / f"{row['key']}.parquet", [row | {FIELD: digest(row)}])

    def rows(self, keys: Iterable[str]) -> list[dict[str, Any]]:
        """The rows of these points, in this order. Raises SweepError naming a damaged file."""
        found = []
        for key in keys:
            path = self.points / f"{key}.parquet"
            try:
                (row,) = _arrow().parquet.read_table(path).to_pylist()
            except (OSError, ValueError) as error:
                raise SweepError(
                    f"{path}: not a sweep's result ({error}); delete it to compute it again"
                ) from None
            if row.pop(FIELD, None) != digest(row) or row.get("key") != key:
                raise SweepError(f"{path}: checksum differs; delete it to compute it again")
            found.append(row)
        return found

    def join(self, keys: Iterable[str]) -> list[dict[str, Any]]:
        """Write ``results.parquet`` of these points; its rows."""
        rows = self.rows(keys)
        self._write(self.folder / "results.parquet", rows)
        return rows

    def _write(self, path: Path, rows: list[dict[str, Any]]) -> None:
        arrow = _arrow()
        buffer = io.BytesIO()
        arrow.parquet.write_table(arrow.Table.from_pylist(rows), buffer)
        with whole_file(path) as file:
            file.write(buffer.getvalue())


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("sweeps need pyarrow; install it with: pip install 'ndrite[sweep]'") from None
    return pyarrow
