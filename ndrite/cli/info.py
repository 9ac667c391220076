"""ndrite info: what a board says it is."""

from __future__ import annotations

from typing import Any

import click

from boards.recognise import is_of_these_sources
from boards.stepped import device_of
from ndrite.bringup.report import versions
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table
from ndrite.url import connect


@click.command()
@click.argument("url", default="golden:")
@json_option
def command(url: str, as_json: bool) -> None:
    """Print what board and machine are: identity, geometry (rows, lanes, memory depths in words), counters
    (clock cycles, events), and the versions that an issue wants to know. URL is golden: by default.

    \b
    Example: ndrite info --json
             ndrite info sim:
             ndrite info uart:/dev/ttyUSB0@1000000 --json
    """
    with connect(url) as board:
        report: dict[str, Any] = board.identity()
        device = device_of(board)
        if device is not None:
            report["sources_match"] = is_of_these_sources(device.geometry, device.build_id)
        report["counters"] = board.counters()
    report["versions"] = versions(None)
    if as_json:
        print_json(report)
        return
    rows = [(k, str(v)) for k, v in report.items() if not isinstance(v, dict)]
    rows += [
        (f"{part}.{k}", str(v))
        for part in ("geometry", "counters", "versions")
        for k, v in (report[part] or {}).items()
    ]
    print_table(url, ("field", "value"), rows)
