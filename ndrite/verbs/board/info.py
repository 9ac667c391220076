"""info: what a board says it is."""

from __future__ import annotations

from typing import Any

from boards.recognise import is_of_these_sources
from boards.stepped import device_of
from ndrite.bringup.report import versions
from ndrite.results import Found, Table
from ndrite.signature import Board, verb
from ndrite.url import connect


@verb
def info(board: Board = "golden:", /) -> Found:
    """What a board says it is, and versions for an issue.

    Identity, geometry (rows, lanes, memory depths in words), counters (clock cycles, events).

    Parameters
    ----------
    board:
        URL of the board.

    Examples
    --------
    $ ndrite board info --json
    > ndrite board info sim:
    > ndrite board info uart:/dev/ttyUSB0@1000000 --json
    """
    with connect(board) as chosen:
        found: dict[str, Any] = chosen.identity()
        device = device_of(chosen)
        if device is not None:
            found["sources_match"] = is_of_these_sources(device.geometry, device.build_id)
        found["counters"] = chosen.counters()
    found["versions"] = versions(None)
    rows = [(k, str(v)) for k, v in found.items() if not isinstance(v, dict)]
    rows += [
        (f"{part}.{k}", str(v))
        for part in ("geometry", "counters", "versions")
        for k, v in (found[part] or {}).items()
    ]
    return Found(found, (Table(board, ("field", "value"), rows),))
