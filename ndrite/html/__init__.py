"""HTML files that need no other: what every page begins and ends with, and a page of points to look through.

Points have axes to choose, hover, and a selection as YAML; neither server nor network is needed. The plot is
plotly.js (MIT), which stands in the page whole: 5 MB a page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError, MissingExtraError
from emulator.spec.brief import text

STYLE = """
:root { color-scheme: light dark; --ink: #1f3a5f; --line: #d9e1ea; --text: #1b2530; --soft: #4a5a6a;
--page: #f4f6f9; --card: #fff; --link: #1d5fa8; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #c5d6ec; --line: #36434f; --text: #dde5ec;
--soft: #a8b6c4; --page: #12181e; --card: #1c252e; --link: #7fb4f0; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--text);
background: var(--page); }
header, main { max-width: 1080px; margin: 0 auto; padding: 0 16px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 24px 0 12px; color: var(--ink); overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 8px; color: var(--ink); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
padding: 10px 12px; }
.figures b { display: block; font-size: 1.3rem; color: var(--ink); }
.figures span { font-size: 0.85rem; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 14px 0; font-size: 0.95rem; }
nav a { color: var(--link); padding: 4px 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
padding: 14px 16px; margin: 0 0 16px; }
figure { margin: 12px 0 0; }
figure img { display: block; width: 100%; max-width: 920px; height: auto; margin: 0 auto; background: #fff;
border-radius: 6px; min-width: 600px; }
#accuracy figure img { max-width: 560px; min-width: 0; }
figcaption { font-size: 0.85rem; color: var(--soft); text-align: center; margin-top: 4px; }
h3 { font-size: 1rem; margin: 8px 0; color: var(--ink); }
header h2 { margin: 14px 0 6px; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 24px; }
.pair > div { min-width: 0; }
.two { max-width: 1500px; }
@media (min-width: 1000px) { .pair figure img { min-width: 0; } }
.wide + .wide { margin-top: 16px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid
var(--line); }
td { min-width: 4em; }
td:first-child { min-width: 6.5em; }
td:last-child { min-width: 9em; }
#provenance td, #chip td:last-child, #difference td { overflow-wrap: anywhere; }
#errors td:last-child { min-width: 14em; }
details { margin-top: 10px; }
summary { cursor: pointer; padding: 6px 0; color: var(--link); }
.controls { display: flex; flex-wrap: wrap; gap: 8px 18px; margin: 6px 0; align-items: center; }
.controls label { max-width: 100%; }
#plot { width: 100%; height: min(70vh, 520px); }
select, textarea, button { font: inherit; color: var(--text); background: var(--page); max-width: 100%;
border: 1px solid var(--line); border-radius: 6px; padding: 4px 8px; }
select[multiple], textarea { width: 100%; font-size: 0.88rem; }
textarea { font-family: ui-monospace, monospace; }
section p { margin: 6px 0; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
@media print { body { background: #fff; } section { break-inside: avoid; } nav { display: none; } }
"""


def document(title: str, header: str, main: str, mark: str = "", after: str = "") -> str:
    """One HTML file: ``title`` as words, the rest as HTML; ``mark``: attributes of header and main."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{text(title)}</title><style>{STYLE}</style></head>\n'
        f"<body><header{mark}><h1>{text(title)}</h1>{header}</header>\n"
        f"<main{mark}>{main}</main>{after}</body></html>\n"
    )


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
    script = files("ndrite.html").joinpath("points.js").read_text()
    main = (
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
        "</div></section>"
    )
    scripts = (
        f'\n<script type="application/json" id="data">{data}</script>\n'
        f"<script>{_plotly()}</script>\n<script>{script}</script>"
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
