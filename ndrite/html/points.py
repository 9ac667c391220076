"""A page of points that needs neither server nor network: axes to choose, hover, a selection as YAML.

The plot is plotly.js (MIT), which stands in the page whole: 5 MB a page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from emulator.errors import EmulatorError, MissingExtraError
from emulator.spec.notebook import text
from ndrite.html.style import STYLE

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

    Attributes
    ----------
    label:
        How the list names it.
    values, halves:
        One for each quantity, in order, numbers or words; and half its 95 % interval, None without one.
    yaml:
        The text that stands for this point alone.
    fields:
        Its part of the text that stands for several: field -> value, or field -> a mapping of such.
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

    Raises
    ------
    MissingExtraError
        Without plotly.
    EmulatorError
        When there are no points, or more than ``POINTS_MAX``.
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
    script = files("ndrite.html").joinpath("points.js").read_text()
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{text(look.title)}</title><style>{STYLE}</style></head>\n'
        f"<body><header><h1>{text(look.title)}</h1><p>{text(look.note)}</p></header>\n<main>"
        '<section><div class="controls">'
        f'<label>across <select id="x">{axes}</select></label>'
        '<label><input type="checkbox" id="log-x"> logarithmic</label>'
        f'<label>up <select id="y">{axes}</select></label>'
        '<label><input type="checkbox" id="log-y"> logarithmic</label>'
        f'<label>colour <select id="colour"><option value="">none</option>{axes}</select></label></div>'
        '<div id="plot" role="img" aria-label="The points; the list below has the same ones"></div></section>'
        '<section class="pair"><div><h2><label for="points">Points</label></h2>'
        "<p>Click in the plot or here, or use the arrow keys; Shift or Ctrl takes several. The plot's box "
        'and lasso take several too.</p><select id="points" multiple size="14"></select></div>'
        '<div><h2><label for="yaml">Selection as YAML</label></h2>'
        '<p id="said" role="status">Nothing is selected.</p>'
        '<textarea id="yaml" rows="12" readonly></textarea>'
        '<div class="controls"><button id="copy">Copy</button><button id="save">Save</button></div>'
        "</div></section></main>\n"
        f'<script type="application/json" id="data">{data}</script>\n'
        f"<script>{_plotly()}</script>\n<script>{script}</script></body></html>\n"
    )


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
