"""Learning in situ from random states, by pulses alone: weights, neurons, or both.

Weights are ECRAMs of Tang 2018's constants, and so are the neurons' of the dendritic chip.
"""

import dataclasses
from typing import Any

import numpy as np

import ndrite
from studies import runs, table
from studies.data import data as data_of
from studies.dies import changed, on_die
from studies.runs import Row, Runs
from studies.table import points

HELD = runs.described("insitu")
SAMPLES = 10_000
"""Largest number of training samples, the first ones of the data set."""


def run(data: str, case: str, seed: int, epochs: int) -> Row:
    """Train in situ from one set of random initial weights; return which test samples
    are right afterwards, and the number of pulses per device."""
    name, _, kind = data.partition(", ")
    recipe = HELD["data"][data] | HELD["cases"][case]
    if kind:
        recipe["device"] = dataclasses.replace(changed("ideal+ecram-tang2018", **HELD["soft"]), name="soft")
    test = data_of(name)
    recipe["data"] = name
    recipe["samples"] = min(SAMPLES, len(test.x))
    learned: Any = ndrite.learn(chip="dendritic-ndr", epochs=epochs, seed=seed, learning_seed=seed, **recipe)
    program = learned.compiled.program
    right = on_die(program, seed, test.test_x, test.test_labels)
    devices = [(layer.inputs + 1) * layer.outputs for layer in program.layers]
    pulses = float(np.average(learned.summary["pulses_a_device"], weights=devices))
    return {"after": runs.packed(right), "samples": len(right), "pulses": pulses}


def tables(found: Runs) -> list[table.Table]:
    """Return a table of test accuracies by data set and case."""
    groups = runs.by(sorted(found, key=lambda r: list(HELD["data"]).index(r["data"])), "data", "case")
    columns = {
        "starts": lambda g: str(len(g)),
        "test accuracy, %": lambda g: points(runs.right(g, "after")),
        "pulses a device": lambda g: f"{sum(r['pulses'] for r in g) / len(g):.0f}",
    }
    pairs = {
        (data, case, reference): (groups[data, case], groups[data, reference])
        for data in HELD["data"]
        for case, reference in HELD["compared"]
        if (data, case) in groups and len(groups[data, case]) == len(groups.get((data, reference), ()))
    }
    difference = {
        "difference, points": lambda pair: points(runs.right(pair[0], "after") - runs.right(pair[1], "after"))
    }
    return [
        table.table("insitu: learned in situ from random states", ("data", "trained"), groups, columns),
        table.table("from the same starts", ("data", "trained", "against"), pairs, difference),
    ]
