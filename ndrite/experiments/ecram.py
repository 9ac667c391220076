"""Learning against the ECRAM itself: its number of states, its nonlinearity, its noise from pulse to pulse.

The all-hardware chip that has most to learn (twice the error, 1 % stuck cells, nothing corrected) is tuned
with two ECRAMs a neuron of the linear-step law, devices alike, and gradients through the cells as read. One
property is changed at a time, on the same networks and dies.
"""

from __future__ import annotations

from typing import Any

from emulator.learning.tuning import Plan
from ndrite.experiments import chips, crossing
from ndrite.experiments.crossing import FLOAT, crossed_bits
from ndrite.experiments.loss import ANALOG, CHIP_RATE, EPOCHS, WORSE
from ndrite.experiments.runner import Table
from ndrite.experiments.trained import trained
from ndrite.intervals import bars, points

CHIP = f"{ANALOG}+ecram-pair"

AXES: dict[str, tuple[str, tuple[float, ...]]] = {
    "pulses": ("pulses from bound to bound", (8.0, 64.0, 1000.0)),
    "nonlinearity": ("gamma, both ways (1: no step at the bound)", (0.9,)),
    "noise": ("cycle-to-cycle noise, % of a step", (300.0,)),
}
"""Label and values; along ``nonlinearity`` and ``noise``, 0 otherwise, a device has 64 pulses."""
NETWORKS, DIES = 5, 2
PULSES = 64.0
PLAN = Plan(steps=30, batch=1000, rate=0.02)


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Network by network, so that a stopped experiment has few of everything."""
    networks, dies, size = NETWORKS, DIES, {"samples": 10_000, "epochs": EPOCHS}
    if smoke:
        networks, dies, size = 1, 1, {"samples": 300, "epochs": 0}
    found = [
        {"axis": axis, "value": value, "seed": seed, "die": die, **size}
        for seed in range(1, networks + 1)
        for die in range(dies)
        for axis, (_, values) in AXES.items()
        for value in values
    ]
    return [found[0], found[-1]] if smoke else found


def fields(axis: str, value: float) -> dict[str, float]:
    """Changes of the chip description: cells, and an ECRAM between -1 and 1."""
    ecram = {"pulses": PULSES, "nonlinearity": 0.0, "noise": 0.0, axis: value}
    step = 2.0 / ecram["pulses"]
    return {
        **WORSE,
        "ecram__w_min": -1.0,
        "ecram__w_max": 1.0,
        "ecram__step_up": step,
        "ecram__step_down": step,
        "ecram__gamma_up": ecram["nonlinearity"],
        "ecram__gamma_down": ecram["nonlinearity"],
        "ecram__cycle_percent": ecram["noise"],
        "ecram__step_variation_percent": 0.0,
        "ecram__asymmetry_variation_percent": 0.0,
        "ecram__bound_variation_percent": 0.0,
        "ecram__gamma_variation_percent": 0.0,
    }


def run(axis: str, value: float, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """One die of one network: what is right in float, before and after tuning."""
    net, _ = trained(ANALOG, "ndr", seed, epochs, rate=CHIP_RATE, tunable=True)
    x, labels, test_x, test_labels = chips.learning_data(samples)
    chip, number = chips.changed(CHIP, **fields(axis, value)), crossing.die_number(seed, die)
    made = chips.make(net, chip, number, x[-chips.SAMPLES :], corrected=False)
    plan = Plan(steps=1, batch=100) if samples < 1000 else PLAN
    after = chips.tuned(made, net, x, labels, number, plan, cells=True)
    programs = {"before": made.program, "after": after}
    on_die = {
        what: crossing.right_on_die(program, test_x, test_labels, number)
        for what, program in programs.items()
    }
    return crossing.kept(crossing.right_in_float(net, test_x, test_labels), on_die)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Losses before and after, and the gain, by ECRAM; what it gains less than the plain one."""
    plain = _after(along(results, "pulses").get(PULSES))
    rows = []
    for axis, (label, _) in AXES.items():
        for value, group in along(results, axis).items():
            in_float, before, after = (crossed_bits(group, what) for what in (FLOAT, "before", "after"))
            same = plain is not None and plain.shape == after.shape and (axis, value) != ("pulses", PULSES)
            rows.append(
                (
                    label,
                    f"{value:g}",
                    points(in_float - before),
                    points(in_float - after),
                    points(after - before),
                    points(after - plain) if same and plain is not None else "-",
                )
            )
    header = (
        "ECRAM",
        "value",
        "loss before, points",
        "loss after, points",
        "gain, points",
        f"against {PULSES:g} pulses, points",
    )
    return [Table(f"ecram: what it must be, {CHIP}, {crossing.size(results)}", header, rows)]


def _after(group: list[dict[str, Any]] | None) -> Any:
    return None if group is None else crossed_bits(group, "after")


def along(results: list[dict[str, Any]], axis: str) -> dict[float, list[dict[str, Any]]]:
    """Results by value; 0 of nonlinearity and noise is the plain device of 64 pulses."""
    found: dict[float, list[dict[str, Any]]] = {}
    for r in results:
        if r["axis"] == axis:
            found.setdefault(r["value"], []).append(r)
        elif axis != "pulses" and (r["axis"], r["value"]) == ("pulses", PULSES):
            found.setdefault(0.0, []).append(r)
    return dict(sorted(found.items()))


facts = crossing.facts


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Points gained along every axis."""
    panels = figure.subplots(1, len(AXES), sharey=True)
    for ax, (axis, (label, _)) in zip(panels, AXES.items(), strict=True):
        groups = along(results, axis)
        gains = [crossed_bits(g, "after") - crossed_bits(g, "before") for g in groups.values()]
        if gains:
            ax.errorbar(list(groups), *bars(*gains), fmt="o-", color="#4477aa", capsize=2)
        if axis == "pulses":
            ax.set_xscale("log")
        ax.set_xlabel(label, fontsize=6)
    panels[0].set_ylabel("gain by tuning, points")
