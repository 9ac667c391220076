"""Learning in situ from random states, by pulses alone: weights, neurons, or both.

Weights are ECRAMs of Tang 2018's constants (devices that differ, noise in every pulse), and so are the
neurons' of the dendritic chip, whose converters and read noise there are: ``ndrite.learn``, a sample at a
time. ``Manhattan`` gives every device one pulse by the signs of input and error.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import ndrite
from ndrite.intervals import points
from studies import runs, table
from studies.data import data as data_of
from studies.runs import Runs

OVER = "95 %, bootstrap over starts, each with devices of its own, and samples"
FIXED, MANHATTAN, TIKI, CURVES, OUTPUT, OUTPUT_CURVES, CURVES_ALONE = (
    "weights, fixed curves",
    "weights, fixed curves, Manhattan",
    "weights, fixed curves, Tiki-Taka",
    "weights and curves",
    "output weights, hidden ones random",
    "output weights and curves, hidden weights random",
    "curves, all weights random",
)
NEURON_RATE = 0.003
"""The best of 0.0003, 0.001 and 0.003 on the same two seeds."""
CASES: dict[str, dict[str, Any]] = {
    FIXED: {},
    MANHATTAN: {"rule": "manhattan"},
    TIKI: {"rule": "tiki-taka", "rate": 0.05},
    CURVES: {"neuron_rate": NEURON_RATE},
    OUTPUT: {"hidden_rate": 0.0},
    OUTPUT_CURVES: {"hidden_rate": 0.0, "neuron_rate": NEURON_RATE},
    CURVES_ALONE: {"rate": 0.0, "neuron_rate": NEURON_RATE},
}
"""What differs from ``SETTINGS``."""
COMPARED = ((CURVES, FIXED), (OUTPUT_CURVES, OUTPUT), (MANHATTAN, FIXED), (TIKI, FIXED))
"""Cases, and those that they are compared with from the same starts."""
SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {"hidden": "32", "rate": 0.004, "hidden_rate": 1.0},
    "digits, soft bounds": {"hidden": "32", "rate": 0.005, "hidden_rate": 1.0},
    "fashion-mnist": {"hidden": "128", "rate": 0.002, "hidden_rate": 1.0},
}
"""Rates: the best of 0.001 to 0.008, and 1, 2 and 4 times that for hidden weights, on seeds 98 and 99; with
soft bounds the best of 0.002 to 0.02 on these seeds, and Tiki-Taka's of 0.02 to 0.1, post hoc."""
SOFT_CASES = (FIXED, TIKI)
SEEDS, EPOCHS, SAMPLES = 5, {"digits": 40, "digits, soft bounds": 40, "fashion-mnist": 10}, 10_000
"""``SAMPLES``: training samples, the first of the set."""


def grid(smoke: bool) -> Runs:
    """Seed by seed, so that a stopped study has few of everything."""
    if smoke:
        return [{"data": "digits", "case": case, "seed": 0, "epochs": 1} for case in tuple(CASES)[:3]]
    return [
        {"data": data, "case": case, "seed": seed, "epochs": EPOCHS[data]}
        for seed in range(SEEDS)
        for data in SETTINGS
        for case in CASES
        if (case in SOFT_CASES if data.endswith("bounds") else case != TIKI)
    ]


def soft() -> Any:
    """Devices of 500 steps that fall to 0 at the bounds, and differ up and down: illustrative."""
    chip = ndrite.load_chip("ideal+ecram-tang2018")
    law: dict[str, Any] = {
        "step_up": 0.004,
        "step_down": 0.004,
        "w_min": -1.0,
        "w_max": 1.0,
        "gamma_up": 1.0,
        "gamma_down": 1.0,
    }
    spread: dict[str, Any] = {
        "step_variation_percent": 30.0,
        "asymmetry_variation_percent": 20.0,
        "cycle_percent": 30.0,
    }
    return dataclasses.replace(chip, name="soft", ecram=dataclasses.replace(chip.ecram, **law, **spread))


def run(data: str, case: str, seed: int, epochs: int) -> dict[str, Any]:
    """Learn from one random start; what is right afterwards, pulses a device."""
    name, _, kind = data.partition(", ")
    how: dict[str, Any] = (
        {"data": name, "epochs": epochs, "seed": seed, "learning_seed": seed} | SETTINGS[data] | CASES[case]
    )
    how |= {"device": soft()} if kind else {}
    found = ndrite.learn(samples=SAMPLES, chip="dendritic-ndr", **how)
    test = data_of(name)
    program = found.compiled.program
    right = runs.on_die(program, seed, test.test_x, test.test_labels)
    devices = [(layer.inputs + 1) * layer.outputs for layer in program.layers]
    pulses = float(np.average(found.summary["pulses_a_device"], weights=devices))
    return {"after": runs.packed(right), "samples": len(right), "pulses": pulses}


def tables(found: Runs) -> list[table.Table]:
    """Test accuracy by data set and case."""
    groups = runs.by(sorted(found, key=lambda r: list(SETTINGS).index(r["data"])), "data", "case")
    columns = {
        "starts": lambda g: str(len(g)),
        "test accuracy, %": lambda g: points(runs.right(g, "after")),
        "pulses a device": lambda g: f"{sum(r['pulses'] for r in g) / len(g):.0f}",
    }
    pairs = {
        (data, case, other): (groups[data, case], groups[data, other])
        for data in SETTINGS
        for case, other in COMPARED
        if (data, case) in groups and len(groups[data, case]) == len(groups.get((data, other), ()))
    }
    difference = {
        "difference, points": lambda pair: points(runs.right(pair[0], "after") - runs.right(pair[1], "after"))
    }
    return [
        table.table("insitu: learned in situ from random states", ("data", "trained"), groups, columns),
        table.table("from the same starts", ("data", "trained", "against"), pairs, difference),
    ]


def draw(found: Runs, figure: Any) -> None:
    """Accuracy by case."""
    series = {
        data: {case: runs.right(group, "after") for (case,), group in runs.by(mine, "case").items()}
        for (data,), mine in runs.by(found, "data").items()
    }
    table.draw(figure, {"": series}, ylabel="test accuracy, %")
