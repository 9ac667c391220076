"""A page of points to look through: axes to choose, hover, and a selection as YAML.

Neither server nor network is needed. The plot is plotly.js (MIT), whole in the page: 5 MB.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError, MissingExtraError
from emulator.spec.brief import text
from ndrite.pages.document import document, held

SUFFIXES = (".html", ".svg", ".png", ".pdf")
"""The first is the interactive page, the others are pictures."""
POINTS_MAX = 20_000
"""Points of a page; a browser takes seconds for more."""


@dataclass(frozen=True)
class Quantity:
    """What an axis can show: name with unit; ``better`` is ``high``, ``low`` or None where neither is."""

    label: str
    better: str | None = None


@dataclass(frozen=True)
class Point:
    """One point.

    ``label``: how the list names it; ``values``, ``halves``: one for each quantity, in order, numbers or
    words; and half its 95 % interval, None without one; ``yaml``: the text that stands for this point alone;
    ``fields``: its part of the text that stands for several: field -> value, or field -> a mapping of such.
    """

    label: str
    values: tuple[Any, ...]
    halves: tuple[float | None, ...]
    yaml: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What a page says and shows at first: quantities by number; ``head`` begins the text for several."""

    title: str
    note: str
    x: int
    y: int
    colour: int | None
    head: str


def points_page(look: Look, quantities: Sequence[Quantity], points: Sequence[Point]) -> str:
    """The whole file.

    Raises MissingExtraError: without plotly. Raises EmulatorError when there are no points, or more than
    ``POINTS_MAX``.
    """
    check_page(len(points))
    content = {
        **asdict(look),
        "quantities": [asdict(q) for q in quantities],
        "points": [asdict(p) | {"values": [_finite(v) for v in p.values]} for p in points],
    }
    # A "<" in the data could end the element that holds it.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    axes = "".join(f'<option value="{i}">{text(q.label)}</option>' for i, q in enumerate(quantities))
    main = held("points.html").replace("{axes}", axes)
    scripts = (
        f'\n<script type="application/json" id="data">{data}</script>\n'
        f"<script>{_plotly()}</script>\n<script>{held('points.js')}</script>"
    )
    return document(look.title, f"<p>{text(look.note)}</p>", main, after=scripts)


def check_picture(path: Path, points: int) -> bool:
    """Whether a name is a page's; EmulatorError unless it ends as a page or picture of so many points can."""
    if path.suffix.lower() not in SUFFIXES:
        raise EmulatorError(f"picture is {path}; accepted: a name that ends in {', '.join(SUFFIXES)}")
    page = path.suffix.lower() == ".html"
    if page:
        check_page(points)
    return page


def check_page(points: int) -> None:
    """Raise what ``points_page`` would raise of so many points, before they are computed."""
    if not 1 <= points <= POINTS_MAX:
        raise EmulatorError(
            f"page has {points} points; accepted: 1..{POINTS_MAX} (a picture takes more: name it .svg)"
        )
    _plotly()


def _finite(value: Any) -> Any:
    """JSON has no infinity: no value."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError(
            "interactive pages need plotly; install it with: pip install 'ndrite[sweep]'"
        ) from None
    return str(get_plotlyjs())
