"""Learning against the ECRAM itself: its number of states, its nonlinearity, its noise from pulse to pulse.

The all-hardware chip that has most to learn (twice the error, 1 % stuck cells, nothing corrected) is tuned
with two ECRAMs a neuron of the linear-step law, devices alike, and gradients through the cells as read. One
property is changed at a time, on the same networks and dies.
"""

from __future__ import annotations

from typing import Any

from emulator.learning.tuning import Plan
from ndrite.intervals import points
from studies import dies, runs, table
from studies.data import learning_data
from studies.runs import FLOAT, Runs
from studies.training import CHIP_RATE, EPOCHS, trained

OVER = "95 %, bootstrap over networks, dies and samples"
CHIP = f"{dies.ANALOG}+ecram-pair"
AXES = {
    "pulses": ("pulses from bound to bound", (8.0, 64.0, 1000.0)),
    "nonlinearity": ("gamma, both ways (1: no step at the bound)", (0.9,)),
    "noise": ("cycle-to-cycle noise, % of a step", (300.0,)),
}
"""Label and values; along ``nonlinearity`` and ``noise``, 0 otherwise, a device has 64 pulses."""
PULSES = 64.0
PLAN = Plan(steps=30, batch=1000, rate=0.02)
ALIKE = ("step", "asymmetry", "bound", "gamma")


def grid(smoke: bool) -> Runs:
    """Network by network, so that a stopped study has few of everything."""
    networks, count, samples, epochs = (1, 1, 300, 0) if smoke else (5, 2, 10_000, EPOCHS)
    found = [
        {"axis": axis, "value": value, **network, "samples": samples, "epochs": epochs}
        for network in runs.product(seed=range(1, networks + 1), die=range(count))
        for axis, (_, values) in AXES.items()
        for value in values
    ]
    return [found[0], found[-1]] if smoke else found


def fields(axis: str, value: float) -> dict[str, float]:
    """Changes of the chip description: cells, and an ECRAM between -1 and 1."""
    ecram = {"pulses": PULSES, "nonlinearity": 0.0, "noise": 0.0, axis: value}
    step = 2.0 / ecram["pulses"]
    return {
        **dies.WORSE,
        "ecram__w_min": -1.0,
        "ecram__w_max": 1.0,
        "ecram__step_up": step,
        "ecram__step_down": step,
        "ecram__gamma_up": ecram["nonlinearity"],
        "ecram__gamma_down": ecram["nonlinearity"],
        "ecram__cycle_percent": ecram["noise"],
        **{f"ecram__{what}_variation_percent": 0.0 for what in ALIKE},
    }


def run(axis: str, value: float, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """One die of one network: what is right in float, before and after tuning."""
    net, _ = trained(dies.ANALOG, "ndr", seed, epochs, rate=CHIP_RATE)
    x, labels, *test = learning_data(samples)
    chip, number = dies.changed(CHIP, **fields(axis, value)), runs.die_number(seed, die)
    made = dies.make(net, chip, number, x[-dies.SAMPLES :], corrected=False)
    plan = Plan(steps=1, batch=100) if samples < 1000 else PLAN
    after = dies.tuned(made, net, x, labels, number, plan, cells=True)
    states = {"before": made.program, "after": after}
    on_die = {what: runs.on_die(program, number, *test) for what, program in states.items()}
    return runs.kept(runs.in_float(net, *test), on_die)


def along(found: Runs, axis: str) -> dict[float, Runs]:
    """Runs by value; 0 of nonlinearity and noise is the plain device of 64 pulses."""
    groups = {value: group for (value,), group in runs.by(runs.where(found, axis=axis), "value").items()}
    if axis != "pulses" and (plain := runs.where(found, axis="pulses", value=PULSES)):
        groups[0.0] = plain
    return dict(sorted(groups.items()))


def gain(group: Runs) -> runs.Floats:
    """What tuning brings, (networks, dies, n)."""
    return runs.right(group, "after") - runs.right(group, "before")


def tables(found: Runs) -> list[table.Table]:
    """Losses before and after, and the gain, by ECRAM; what it gains less than the plain one."""
    plain = runs.where(found, axis="pulses", value=PULSES)

    def against_plain(group: Runs) -> str:
        return "-" if group == plain else points(runs.right(group, "after") - runs.right(plain, "after"))

    groups = {
        (label, f"{value:g}"): group
        for axis, (label, _) in AXES.items()
        for value, group in along(found, axis).items()
    }
    columns = {
        "loss before, points": lambda g: points(runs.right(g, FLOAT) - runs.right(g, "before")),
        "loss after, points": lambda g: points(runs.right(g, FLOAT) - runs.right(g, "after")),
        "gain, points": lambda g: points(gain(g)),
        f"against {PULSES:g} pulses, points": against_plain if plain else lambda _: "-",
    }
    title = f"ecram: what it must be, {CHIP}, {runs.size(found)}"
    return [table.table(title, ("ECRAM", "value"), groups, columns)]


def draw(found: Runs, figure: Any) -> None:
    """Points gained along every axis."""
    panels = {
        label: {"gain": {v: gain(g) for v, g in along(found, axis).items()}}
        for axis, (label, _) in AXES.items()
    }
    table.draw(figure, panels, ylabel="gain by tuning, points", alike=True, log=[AXES["pulses"][0]])
