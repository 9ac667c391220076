"""The page of all replications, made from their JSON."""

from __future__ import annotations

from typing import Any

from ndrite.replicate.published import EXPLAINED, OUTSIDE, WITHIN

HEAD = """\
# Published chips, run here

`ndrite replicate` lists the publications, `ndrite replicate NAME` runs one and writes this page and its
data ([runs](replicate.json)) anew. A number is *within* where our 95 % interval and the accepted range have
a value in common. The accepted range and its reason are in the registry (`ndrite/replicate`), beside the
publication's number. Outside of it a number is *explained* only as far as the registered reason reaches.
Published numbers are quoted; ours are computed, on the golden model where a die is named, or modelled by the
account of costs. Nothing ran on hardware. The machine was two cores of a shared cloud server (Intel Xeon
class).
"""


def page(replications: dict[str, Any]) -> str:
    """The page as text; ``replications`` as in the JSON file."""
    lines = [HEAD, *_summary(replications)]
    for name, of in replications.items():
        lines += ["", f"## {of['title']}", "", *_section(name, of)]
    return "\n".join(lines) + "\n"


def _summary(replications: dict[str, Any]) -> list[str]:
    rows = []
    for name, of in replications.items():
        counts = [sum(n["verdict"] == kind for n in of["numbers"]) for kind in (WITHIN, EXPLAINED, OUTSIDE)]
        data = sorted({n["stand_in"] for n in of["numbers"] if n["stand_in"]})
        rows.append((f"`{name}`", *map(str, counts), ", ".join(data) or "the publication's own"))
    return _table(("replication", WITHIN, EXPLAINED, OUTSIDE, "data"), rows)


def _section(name: str, of: dict[str, Any]) -> list[str]:
    lines = [f"`{of['command'] or 'ndrite replicate ' + name}`. Source: {of['source']}", ""]
    if of["quick"]:
        lines += ["**A quick run: the numbers mean nothing.**", ""]
    lines += [of["run"], "", f"Intervals: {of['interval']}."]
    if of["not_run"]:
        lines += ["", f"**Not run here**: {of['not_run']}"]
    rows = [
        (
            n["what"] + (f" (stand-in: {n['stand_in']})" if n["stand_in"] else ""),
            f"{n['value']:g} {n['unit']}",
            f"{n['how']}; {n['where']}",
            f"{n['low']:g} .. {n['high']:g}",
            f"{_said(n['ours'])}",
            f"**{n['verdict']}**" if n["verdict"] == OUTSIDE else n["verdict"],
        )
        for n in of["numbers"]
    ]
    header = ("number", "published", "where", "accepted", "here", "verdict")
    lines += ["", *_table(header, rows), "", "Why so far apart is accepted:", ""]
    lines += [f"- {why}" for why in dict.fromkeys(_reason(n) for n in of["numbers"])]
    explained = dict.fromkeys(
        f"- {n['what']}: {n['explained']['why']} This reaches from {n['explained']['low']:g} to "
        f"{n['explained']['high']:g} {n['unit']}."
        for n in of["numbers"]
        if n["verdict"] == EXPLAINED
    )
    if explained:
        lines += ["", "What explains the others:", "", *explained]
    for table in of["tables"]:
        lines += ["", f"{table['title']}:", "", *_table(table["header"], table["rows"])]
    return lines


def _reason(number: dict[str, Any]) -> str:
    return f"{number['low']:g} .. {number['high']:g} {number['unit']}: {number['why']}"


def _said(ours: dict[str, Any]) -> str:
    if ours["value"] is None:
        return "-"
    return f"{ours['value']:.4g} ({ours['low']:.4g} .. {ours['high']:.4g}), {ours['basis']}"


def _table(header: Any, rows: Any) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]
