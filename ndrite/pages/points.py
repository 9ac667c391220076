"""A page of points to look through: axes to choose, hover, and a selection as YAML.

Neither server nor network is needed. The plot is plotly.js (MIT), whole in the page: 5 MB.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

from emulator.errors import EmulatorError
from emulator.network.importing.files import extra
from ndrite.pages.template import rendered

SUFFIXES = (".html", ".svg", ".png", ".pdf")
"""The first is the interactive page, the others are pictures."""
POINTS_MAX = 20_000
"""Points of a page; a browser takes seconds for more."""


class Point(NamedTuple):
    """One point.

    ``label``: how the list names it; ``values``: one for each quantity, numbers or words; ``half``: half
    the 95 % interval of the first, 0 without one; ``yaml``: the text that stands for this point alone;
    ``fields``: its part of the text that stands for several: field -> value, or field -> a mapping of such.
    """

    label: str
    values: tuple[Any, ...]
    half: float
    yaml: str
    fields: dict[str, Any]


def points_page(title: str, points: list[Point], **page: Any) -> str:
    """The whole file of a page, where ``is_page`` says that there can be one.

    What is there to look at besides: ``note``; ``quantities``: name with unit, and which is better, ``high``,
    ``low`` or None; ``x``, ``y``, ``colour``: those shown at first, by number; ``head`` begins the text for
    several points.
    """
    # JSON has no infinity: no value.
    page["points"] = [
        p._asdict()
        | {"values": [None if isinstance(v, float) and not math.isfinite(v) else v for v in p.values]}
        for p in points
    ]
    return rendered("points.html", title=title, page=page | {"title": title}, plotly=_plotly())


def is_page(path: Path, points: int) -> bool:
    """Whether a file's name is a page's; that it can be one is known before the points are computed.

    Raises EmulatorError unless it ends as a page or a picture of so many points can, MissingExtraError of a
    page without plotly.
    """
    page = path.suffix.lower() == SUFFIXES[0]
    if path.suffix.lower() not in SUFFIXES:
        raise EmulatorError(f"picture is {path}; accepted: a name that ends in {', '.join(SUFFIXES)}")
    if page and not 1 <= points <= POINTS_MAX:
        raise EmulatorError(
            f"page has {points} points; accepted: 1..{POINTS_MAX} (a picture takes more: name it .svg)"
        )
    if page:
        _plotly()
    return page


def _plotly() -> str:
    offline = extra("plotly.offline", "interactive pages need plotly; install it with", "sweep")
    return str(offline.get_plotlyjs())
