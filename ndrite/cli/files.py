"""What commands do with files before the work begins."""

from __future__ import annotations

from pathlib import Path

import click

from emulator.files import check_destination
from ndrite.arrays import STANDARD


def require_folder(*paths: Path | None) -> None:
    """Refuse files that cannot be written, or whose folder does not exist, before the work is done."""
    for path in paths:
        if path is None or str(path) == STANDARD:
            continue
        if not path.parent.is_dir():
            raise click.UsageError(f"{path.parent}: no such folder")
        check_destination(path)
