"""Published numbers, what the studies find for them, and whether the two agree; writes
the page that says so.

``publications/NAME.yaml`` has the published numbers, the accepted ranges and the reasons.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.yaml_file import read_yaml
from ndrite.intervals import crossed, mean_interval
from ndrite.results import Table
from studies.runs import Floats

Publication = dict[str, Any]
FOLDER = Path(__file__).parent / "publications"
WITHIN, MISSED = "within", "not reproduced"
HEAD = """\
# Published chips, run here

`python -m studies NAME` runs one of these publications, prints its tables, and writes this page and the
study's data anew; with `--redraw` it runs nothing. A number is *within* where our 95 % interval and the
accepted range have a value in common, else it is *not reproduced*. Ranges and their reasons are data in
`studies/publications`, fixed before the run by the commit that a section names. Published numbers are quoted;
ours are computed, on the golden model where a die is named, or modelled by the account. Nothing ran on
hardware. The machine was two cores of a shared cloud server (Intel Xeon class)."""
COLUMNS = ("number", "published", "accepted", "here (95 %)", "verdict")


class Found(NamedTuple):
    """The value that a study found for a published quantity, with its interval."""

    value: float
    low: float
    high: float


def percent(values: Floats) -> Found:
    """Return the mean of ``values`` (networks, dies or noise samples, n) in percent,
    with its interval by ``crossed``."""
    low, high = crossed(values)
    return Found(100 * float(values.mean()), 100 * low, 100 * high)


def over_seeds(values: Floats) -> Found:
    """Return the mean of ``values`` (n,), one per seed, and its interval by Student's t."""
    mean, half = mean_interval(values)
    return Found(mean, mean - (half or 0.0), mean + (half or 0.0))


@cache
def publication(name: str) -> Publication | None:
    """Return the publication that the study called ``name`` is compared with, or None.

    Fields that many numbers share stand once, with the list of those numbers.
    ``computed_on`` says what ours is of, where that is no die; ``missed`` what we take
    for the reason of a number that is not reproduced. ``registered`` is the commit that
    first held the ranges.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        return None
    content: Publication = read_yaml(path, EmulatorError)
    numbers = []
    for entry in content["numbers"]:
        numbers += [entry["shared"] | number for number in entry["numbers"]] if "shared" in entry else [entry]
    everywhere = {"computed_on": content.get("computed_on", "dies")}
    return content | {"numbers": {number["key"]: everywhere | number for number in numbers}}


def verdict(number: dict[str, Any], found: Found) -> str:
    """Say whether the interval that a study found overlaps the range that is accepted
    for the published number."""
    return WITHIN if found.low <= number["high"] and number["low"] <= found.high else MISSED


def judged(of: Publication, found: dict[str, Found]) -> tuple[list[dict[str, Any]], list[Table]]:
    """Compare the values that a study found with the published numbers. Return numbers,
    values and verdicts as plain values and as a table."""
    numbers = []
    for key, number in of["numbers"].items():
        if key in found:  # a smoke run may lack some values
            computed = {name: None if np.isnan(v) else float(v) for name, v in found[key]._asdict().items()}
            judgement = verdict(number, found[key])
            numbers.append({"key": key, "what": number["what"], "ours": computed, "verdict": judgement})
    return numbers, [Table(of["title"], COLUMNS, [_row(of, number) for number in numbers])]


def _row(of: Publication, number: dict[str, Any]) -> tuple[str, ...]:
    entry, computed, text = of["numbers"][number["key"]], number["ours"], "-"
    value = entry["value"] if isinstance(entry["value"], str) else f"{entry['value']:g} {entry['unit']}"
    if computed["value"] is not None:
        text = f"{computed['value']:.4g} ({computed['low']:.4g} .. {computed['high']:.4g})"
    return (
        number["what"],
        f"{value}, {entry['how']}; {entry['where']}",
        f"{entry['low']:g} .. {entry['high']:g}",
        f"{text}, {of['basis']}, {entry['computed_on']}",
        number["verdict"],
    )


def page(studies: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown text of the page of published numbers, from the JSON files of
    all studies that have such numbers."""
    lines = [HEAD]
    for name, value in studies.items():
        of = publication(name)
        assert of is not None, name
        lines += [f"## {of['title']}", f"`{value['command']}` ([runs]({name}.json)). Source: {of['source']}"]
        lines += ["**A smoke run: the numbers mean nothing.**"] * value["smoke"]
        lines += [f"{of['run']} Intervals: {value['interval']}. Ranges fixed in {of['registered']}."]
        lines += [Table("", COLUMNS, [_row(of, number) for number in value["numbers"]]).markdown()]
        numbers = [of["numbers"][number["key"]] | number for number in value["numbers"]]
        reasons = [f"- Accepted: {number['why']}." for number in numbers]
        missed = [
            number["missed"] for number in numbers if number["verdict"] == MISSED and "missed" in number
        ]
        reasons += [f"- Why we think it is not reproduced: {why}" for why in missed]
        lines += ["\n".join(dict.fromkeys(reasons))]
    return "\n\n".join(lines) + "\n"
