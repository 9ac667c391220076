"""The page: one HTML file that needs no other."""

from __future__ import annotations

from emulator.spec.notebook import text
from ndrite.html import STYLE
from ndrite.pages.comparison import difference
from ndrite.pages.figures import Figure
from ndrite.pages.run import Report
from ndrite.pages.sections import Section, sections

Drawn = dict[str, Figure]


def page(report: Report, drawn: Drawn, against: tuple[Report, Drawn] | None = None) -> str:
    """The whole file; with ``against``, both programs beside each other and what differs before them."""
    name = title(report)
    shown = sections(report, drawn)
    headline = _headline(report)
    if against is not None:
        other, of_other = against
        first = ("difference", "Difference", difference(report, other))
        shown = [first, *_beside(shown, sections(other, of_other))]
        headline = f"<h2>A: {text(name)}</h2>{headline}<h2>B: {text(title(other))}</h2>{_headline(other)}"
        name = f"{name} against {title(other)}"
    links = "".join(f'<a href="#{key}">{text(what)}</a>' for key, what, _ in shown)
    body = "".join(
        f'<section id="{key}"><h2>{text(what)}</h2>{content}</section>' for key, what, content in shown
    )
    name = text(name)
    wide = "" if against is None else ' class="two"'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{name}</title><style>{STYLE}</style></head>\n'
        f"<body><header{wide}><h1>{name}</h1>{headline}<nav>{links}</nav></header>\n"
        f"<main{wide}>{body}</main></body></html>\n"
    )


def title(report: Report) -> str:
    """Program and chip."""
    return f"{report.subject.program.name} on {report.subject.die.chip.name}"


def _beside(of_a: list[Section], of_b: list[Section]) -> list[Section]:
    """Sections of both, or one where they say the same."""
    return [
        (
            key,
            what,
            f"<p>The same for both.</p>{a}"
            if a == b
            else f'<div class="pair"><div><h3>A</h3>{a}</div><div><h3>B</h3>{b}</div></div>',
        )
        for (key, what, a), (_, _, b) in zip(of_a, of_b, strict=True)
    ]


def _headline(report: Report) -> str:
    what = "" if report.classes else ", rms error"
    figures = [(score.split(" (")[0], who + what) for who, score in report.scores()]
    figures.append((f"{report.samples:,}", "samples"))
    if report.trace is not None:
        figures.append((f"{report.trace.cycles:,}", "clock cycles an inference (simulated)"))
    cards = "".join(f"<div><b>{text(value)}</b><span>{text(what)}</span></div>" for value, what in figures)
    return f'<div class="figures">{cards}</div>'
