"""Published numbers, what was found here, and whether the two agree; the page that says so.

What was published, what is accepted here and why stand in ``publications/NAME.yaml``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emulator.errors import EmulatorError
from emulator.yaml_file import read_yaml
from ndrite.intervals import crossed, mean_interval
from studies.runs import Floats, Runs
from studies.table import Table

Publication = dict[str, Any]
FOLDER = Path(__file__).parent / "publications"
WITHIN, EXPLAINED, OUTSIDE = "within", "explained", "outside"
HEAD = """\
# Published chips, run here

`python -m studies NAME` runs one of these publications and writes this page and the study's data anew. A
number is *within* where our 95 % interval and the accepted range have a value in common. The accepted range
and its reason stand beside the publication's number in `studies/publications`. Outside of it a number is
*explained* only as far as the registered reason reaches. Published numbers are quoted; ours are computed, on
the golden model where a die is named, or modelled by the account of costs. Nothing ran on hardware. The
machine was two cores of a shared cloud server (Intel Xeon class).
"""


class Found(NamedTuple):
    """Ours of one quantity, with its interval."""

    value: float
    low: float
    high: float


def percent(values: Floats) -> Found:
    """Mean of (networks, dies or draws, n) in percent, with its crossed interval."""
    low, high = crossed(values)
    return Found(100 * float(values.mean()), 100 * low, 100 * high)


def over_seeds(values: Floats) -> Found:
    """Mean of (n,) and its interval by Student's t."""
    mean, half = mean_interval(values)
    return Found(mean, mean - (half or 0.0), mean + (half or 0.0))


@cache
def publication(name: str) -> Publication | None:
    """What a study's numbers are compared with; None where nothing is published.

    Fields that many numbers share stand once, with the list of those numbers. A number with ``data`` is of
    runs on these data only; ``stand_in`` names the data that stand in for the publication's own.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        return None
    held: Publication = read_yaml(path, EmulatorError)
    numbers = []
    for entry in held["numbers"]:
        numbers += [entry["shared"] | number for number in entry["numbers"]] if "shared" in entry else [entry]
    return held | {"numbers": numbers}


def numbers_of(name: str) -> Publication:
    """What is published of a study that has such numbers."""
    held = publication(name)
    assert held is not None, name
    return held


def verdict(number: dict[str, Any], found: Found) -> str:
    """``within`` where our interval and the accepted range have a value in common; ``explained`` where our
    value lies where the registered reason holds; else ``outside``."""
    if found.low <= number["high"] and number["low"] <= found.high:
        return WITHIN
    reason = number.get("explained")
    if reason is not None and reason["low"] <= found.value <= reason["high"]:
        return EXPLAINED
    return OUTSIDE


def judged(of: Publication, found: dict[str, Found], runs: Runs) -> tuple[list[dict[str, Any]], Table]:
    """Published numbers with ours and their verdicts, plain values; the same as a table."""
    data, numbers, rows = runs[0].get("data"), [], []
    for number in of["numbers"]:
        key = number["key"]
        if key not in found or number.get("data") not in (None, data):  # a smoke run may have fewer
            continue
        stand_in = number.get("stand_in", "")
        if isinstance(stand_in, dict):
            stand_in = stand_in.get(data, "")
        ours, said = found[key], verdict(number, found[key])
        plain = {name: None if np.isnan(v) else float(v) for name, v in ours._asdict().items()}
        numbers.append(
            {"key": key, "what": number["what"], "ours": plain, "stand_in": stand_in, "verdict": said}
        )
        rows.append(
            (
                number["what"] + (f" [stand-in: {stand_in}]" if stand_in else ""),
                f"{number['value']:g} {number['unit']}, {number['how']}",
                f"{number['low']:g} .. {number['high']:g}",
                _ours(plain, of["basis"]),
                said,
            )
        )
    return numbers, Table(of["title"], ("number", "published", "accepted", "here (95 %)", "verdict"), rows)


def _ours(found: dict[str, Any], basis: str) -> str:
    if found["value"] is None:
        return "-"
    return f"{found['value']:.4g} ({found['low']:.4g} .. {found['high']:.4g}), {basis}"


def page(studies: dict[str, dict[str, Any]]) -> str:
    """The page of all studies that have published numbers, by their JSON files."""
    rows = []
    for name, held in studies.items():
        verdicts = [n["verdict"] for n in held["numbers"]]
        data = sorted({n["stand_in"] for n in held["numbers"] if n["stand_in"]})
        counts = (str(verdicts.count(kind)) for kind in (WITHIN, EXPLAINED, OUTSIDE))
        rows.append((f"`{name}`", *counts, ", ".join(data) or "the publication's own"))
    lines = [HEAD, *_markdown(("study", WITHIN, EXPLAINED, OUTSIDE, "data"), rows)]
    for name, held in studies.items():
        of = publication(name)
        assert of is not None
        lines += ["", f"## {of['title']}", "", *_section(name, of, held)]
    return "\n".join(lines) + "\n"


def _section(name: str, of: Publication, held: dict[str, Any]) -> list[str]:
    lines = [
        f"`{held['command'] or 'python -m studies ' + name}` ([runs]({name}.json)). Source: {of['source']}",
        "",
    ]
    if held["smoke"]:
        lines += ["**A smoke run: the numbers mean nothing.**", ""]
    lines += [of["run"], "", f"Intervals: {of['over']}."]
    if "not_run" in of:
        lines += ["", f"**Not run here**: {of['not_run']}"]
    registered = {n["key"]: n for n in of["numbers"]}
    rows, reasons, explained = [], [], []
    for n in held["numbers"]:
        at, said = registered[n["key"]], n["verdict"]
        accepted = f"{at['low']:g} .. {at['high']:g}"
        rows.append(
            (
                n["what"] + (f" (stand-in: {n['stand_in']})" if n["stand_in"] else ""),
                f"{at['value']:g} {at['unit']}",
                f"{at['how']}; {at['where']}",
                accepted,
                _ours(n["ours"], of["basis"]),
                f"**{said}**" if said == OUTSIDE else said,
            )
        )
        reasons.append(f"- {accepted} {at['unit']}: {at['why']}")
        if said == EXPLAINED:
            why = at["explained"]
            reach = f"This reaches from {why['low']:g} to {why['high']:g} {at['unit']}."
            explained.append(f"- {n['what']}: {why['why']} {reach}")
    header = ("number", "published", "where", "accepted", "here", "verdict")
    lines += ["", *_markdown(header, rows), "", "Why so far apart is accepted:", "", *dict.fromkeys(reasons)]
    if explained:
        lines += ["", "What explains the others:", "", *dict.fromkeys(explained)]
    for table in held["tables"]:
        lines += ["", f"{table['title']}:", "", *_markdown(table["header"], table["rows"])]
    return lines


def _markdown(header: Any, rows: Any) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]
