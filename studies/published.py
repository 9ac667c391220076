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
WITHIN, MISSED = "within", "not reproduced"
HEAD = """\
# Published chips, run here

`python -m studies NAME` runs one of these publications and writes this page and the study's data anew. A
number is *within* where our 95 % interval and the accepted range have a value in common, else it is
*not reproduced*. Accepted ranges and their reasons are data in `studies/publications`; each section names the
commit that fixed them before the run. A range that was set or changed after a run says *post hoc*. Numbers
that no die has a part in (floats, single cells, the account of costs) are counted apart. Published numbers
are quoted; ours are computed, on the golden model where a die is named, or modelled by the account. Nothing
ran on hardware. The machine was two cores of a shared cloud server (Intel Xeon class).
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
    runs on these data only; ``stand_in`` names the data that stand in for the publication's own;
    ``computed_on`` what ours is of, where that is no die; ``post_hoc`` why its range was set after a run;
    ``missed`` what we take for the reason of a number that is not reproduced. ``registered`` is the commit
    that first held the ranges.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        return None
    held: Publication = read_yaml(path, EmulatorError)
    numbers = []
    for entry in held["numbers"]:
        numbers += [entry["shared"] | number for number in entry["numbers"]] if "shared" in entry else [entry]
    if "computed_on" in held:
        numbers = [{"computed_on": held["computed_on"]} | number for number in numbers]
    return held | {"numbers": numbers}


def numbers_of(name: str) -> Publication:
    """What is published of a study that has such numbers."""
    held = publication(name)
    assert held is not None, name
    return held


def verdict(number: dict[str, Any], found: Found) -> str:
    """Whether our interval and the accepted range have a value in common."""
    return WITHIN if found.low <= number["high"] and number["low"] <= found.high else MISSED


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
                accepted(number),
                _ours(plain, of["basis"]),
                said,
            )
        )
    return numbers, Table(of["title"], ("number", "published", "accepted", "here (95 %)", "verdict"), rows)


def accepted(number: dict[str, Any]) -> str:
    """The range, and whether it was set after a run."""
    return f"{number['low']:g} .. {number['high']:g}" + (", post hoc" if "post_hoc" in number else "")


def _ours(found: dict[str, Any], basis: str) -> str:
    if found["value"] is None:
        return "-"
    return f"{found['value']:.4g} ({found['low']:.4g} .. {found['high']:.4g}), {basis}"


def page(studies: dict[str, dict[str, Any]]) -> str:
    """The page of all studies that have published numbers, by their JSON files."""
    rows = []
    for name, held in studies.items():
        registered = {n["key"]: n for n in numbers_of(name)["numbers"]}
        of_dies = ["computed_on" not in registered[n["key"]] for n in held["numbers"]]
        verdicts = [n["verdict"] for n in held["numbers"]]
        data = sorted({n["stand_in"] for n in held["numbers"] if n["stand_in"]})
        counts = (
            str(sum(pair == (v, on) for pair in zip(verdicts, of_dies, strict=True)))
            for v, on in ((WITHIN, True), (WITHIN, False), (MISSED, True), (MISSED, False))
        )
        late = str(sum("post_hoc" in registered[n["key"]] for n in held["numbers"]))
        rows.append((f"`{name}`", *counts, late, ", ".join(data) or "the publication's own"))
    header = (
        "study",
        "within, of dies",
        "within, no die",
        f"{MISSED}, of dies",
        f"{MISSED}, no die",
        "post hoc",
    )
    lines = [HEAD, *_markdown((*header, "data"), rows)]
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
    lines += [of["run"], "", f"Intervals: {of['over']}. Ranges fixed in {of['registered']}."]
    if "not_run" in of:
        lines += ["", f"**Not run here**: {of['not_run']}"]
    registered = {n["key"]: n for n in of["numbers"]}
    rows, reasons, missed = [], [], []
    for n in held["numbers"]:
        at, said = registered[n["key"]], n["verdict"]
        rows.append(
            (
                n["what"] + (f" (stand-in: {n['stand_in']})" if n["stand_in"] else ""),
                f"{at['value']:g} {at['unit']}",
                f"{at['how']}; {at['where']}",
                accepted(at),
                f"{_ours(n['ours'], of['basis'])}, {at.get('computed_on', 'dies')}",
                f"**{said}**" if said == MISSED else said,
            )
        )
        late = f" Post hoc: {at['post_hoc']}." if "post_hoc" in at else ""
        reasons.append(f"- {at['low']:g} .. {at['high']:g} {at['unit']}: {at['why']}.{late}")
        if said == MISSED and "missed" in at:
            missed.append(f"- {n['what']}: {at['missed']}")
    header = ("number", "published", "where", "accepted", "here", "verdict")
    lines += ["", *_markdown(header, rows), "", "Why so far apart is accepted:", "", *dict.fromkeys(reasons)]
    if missed:
        lines += ["", "What we take for the reason of what is not reproduced:", "", *dict.fromkeys(missed)]
    for table in held["tables"]:
        lines += ["", f"{table['title']}:", "", *_markdown(table["header"], table["rows"])]
    return lines


def _markdown(header: Any, rows: Any) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]
