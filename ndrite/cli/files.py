"""What commands do with files before the work begins."""

from __future__ import annotations

from pathlib import Path

import click


def require_folder(*paths: Path | None) -> None:
    """Refuse files to write whose folder does not exist, before the work is done."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise click.UsageError(f"{path.parent}: no such folder")
