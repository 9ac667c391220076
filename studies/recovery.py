"""Recovery by tuning the neurons: of what is wrong with a chip (recovery), and by
which ECRAM (ecram).

Dies of the all-hardware chip with one value changed, the same networks and dies in
every case; gradients go back through the cells as read. Cases, and what they change of
the chip description, are data.
"""

from collections.abc import Callable
from typing import Any

from ndrite.emulator.learning.tuning import Plan
from studies import dies, runs, table
from studies.data import learning_data
from studies.published import over_seeds
from studies.runs import Row, Runs
from studies.table import in_points, points
from studies.training import trained

CASES: dict[str, Any] = runs.described("recovery")
"""Study -> its chip, and its axes: the label of each, its cases (value, changed
fields), and the value of the unchanged case."""
STATES = {
    "recovery": ("as programmed", "pulses alone", "corrections alone", "both"),
    "ecram": ("before", "after"),
}
PLANS = (Plan(steps=30, batch=1000, rate=0.02), Plan(steps=20, batch=1000, rate=0.01))
"""Tuning plans without and with corrections of columns."""


def study_of(axis: str) -> str:
    """Return the name of the study in which an axis is varied."""
    return next(name for name, of in CASES.items() if axis in of["axes"])


def run(axis: str, value: float, seed: int, die: int, samples: int, epochs: int) -> Row:
    """Record which test samples one network gets right in floats, and on one die in
    each of the die's states."""
    name = study_of(axis)
    net, _ = trained(dies.ANALOG, seed, epochs)
    data, number, states = learning_data(samples), dies.number_of(seed, die), []
    fields = CASES[name]["always"] | CASES[name]["axes"][axis]["cases"][f"{value:g}"]
    chip = dies.changed(CASES[name]["chip"], **fields)
    for corrected, plan in enumerate(PLANS[: len(STATES[name]) // 2]):
        tuning = dies.Tuning(Plan(steps=1, batch=100) if samples < 1000 else plan, cells=True)
        states += dies.before_and_after(net, chip, number, data, tuning, corrected=bool(corrected))
    return runs.kept(dies.in_float(net, *data[2:]), dict(zip(STATES[name], states, strict=True)))


def along(found: Runs, name: str) -> dict[tuple[str, float], Runs]:
    """Group runs by axis and value. The unchanged case belongs to every axis, at the
    usual value of that axis."""
    groups: dict[tuple[str, float], Runs] = {}
    plain = runs.where(found, **CASES[name]["plain"])
    for axis, of in CASES[name]["axes"].items():
        by_value = {
            value: group for (value,), group in runs.by(runs.where(found, axis=axis), "value").items()
        }
        if "plain" in of and plain:
            by_value[of["plain"]] = plain
        groups |= {(axis, value): by_value[value] for value in sorted(by_value)}
    return groups


def tables(found: Runs) -> list[table.Table]:
    """Return tables of the loss against floats in every state of the die, and of the
    part of the loss that tuning recovers."""
    return [of_ecrams(found) if study_of(found[0]["axis"]) == "ecram" else of_chips(found)]


def of_chips(found: Runs) -> table.Table:
    """Return a table of losses in percentage points, and of the part of the
    loss without correction that is recovered by pulses alone, and by pulses
    with corrections."""
    states, axes = STATES["recovery"], CASES["recovery"]["axes"]

    columns: dict[str, Callable[[Runs], str]] = {f"{s}, points lost": _losing(s) for s in states}
    for column, state in (("recovered by pulses", states[1]), ("by both", states[3])):
        columns[column] = _recovering(states[0], state)
    # Student's t is used here, since bootstrap intervals over few networks are too narrow.
    columns["both, by Student's t over networks"] = lambda g: in_points(
        *over_seeds(runs.lost(g, states[3]).mean(axis=(1, 2)))
    )
    groups = {(f"{a} {v:g} {axes[a]['label']}",): group for (a, v), group in along(found, "recovery").items()}
    return table.table(f"recovery on {dies.ANALOG}: {runs.size(found)}", ("chip",), groups, columns)


def _losing(state: str) -> Callable[[Runs], str]:
    return lambda group: points(runs.lost(group, state))


def _recovering(before: str, after: str) -> Callable[[Runs], str]:
    return lambda group: table.recovered(runs.lost(group, before), runs.lost(group, after))


def of_ecrams(found: Runs) -> table.Table:
    """Return a table of losses before and after tuning, of the gain, and of how much
    smaller the gain is than with the unchanged device."""
    of, plain = CASES["ecram"], runs.where(found, **CASES["ecram"]["plain"])
    groups = {(of["axes"][a]["label"], f"{v:g}"): group for (a, v), group in along(found, "ecram").items()}

    def against_plain(group: Runs) -> str:
        if not plain or group == plain:
            return "-"
        return points(runs.right(group, "after") - runs.right(plain, "after"))

    columns = {
        "loss before, points": lambda g: points(runs.lost(g, "before")),
        "loss after, points": lambda g: points(runs.lost(g, "after")),
        "gain, points": lambda g: points(runs.right(g, "after") - runs.right(g, "before")),
        f"against {of['plain']['value']:g} pulses, points": against_plain,
    }
    title = f"ecram: what it must be, {of['chip']}, {runs.size(found)}"
    return table.table(title, ("ECRAM", "value"), groups, columns)
