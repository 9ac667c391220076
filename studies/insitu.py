"""A whole network trained in the loop from random states, by ECRAM pulses alone.

Weights and neurons are ECRAMs of the linear-step law (Tang 2018's constants, devices that differ, noise in
every pulse) on the dendritic chip's converters and neurons; forward passes run on the golden board with read
noise. ``Manhattan`` gives every device one pulse by the gradient's sign; otherwise at most 20 pulses a step.
"""

from __future__ import annotations

from typing import Any

from boards.golden import GoldenBoard
from emulator.learning.tuning import Plan
from emulator.learning.tuning.insitu import random_start, train_in_situ
from ndrite.intervals import points
from studies import dies, runs, table
from studies.data import data as data_of
from studies.runs import Runs

OVER = "95 %, bootstrap over starts, each with devices of its own, and samples"
NO_RRAM = {
    "cell__levels": 256,
    "cell__error_scale": 0.0,
    "cell__stuck_low_percent": 0.0,
    "cell__stuck_high_percent": 0.0,
    "array__wire_resistance_ohm": 0.0,
    "array__access_resistance_ohm": 0.0,
}
"""The weights are ECRAMs: what the preset says of RRAM cells does not apply."""
FIXED, MANHATTAN, CURVES, OUTPUT, OUTPUT_CURVES, CURVES_ALONE = (
    "weights, fixed curves",
    "weights, fixed curves, Manhattan",
    "weights and curves",
    "output weights, hidden ones random",
    "output weights and curves, hidden weights random",
    "curves, all weights random",
)
CASES: dict[str, tuple[tuple[str, ...], str, int]] = {
    FIXED: (("hidden", "output"), "gradient", 20),
    MANHATTAN: (("hidden", "output"), "sign", 1),
    CURVES: (("hidden", "output", "curves"), "gradient", 20),
    OUTPUT: (("output",), "gradient", 20),
    OUTPUT_CURVES: (("output", "curves"), "gradient", 20),
    CURVES_ALONE: (("curves",), "gradient", 20),
}
"""What is trained, method, most pulses of a device in a step."""
COMPARED = ((CURVES, FIXED), (OUTPUT_CURVES, OUTPUT), (MANHATTAN, FIXED))
"""Cases, and those that they are compared with from the same starts."""
SHAPES = {"digits": (32, 100), "fashion-mnist": (128, 500)}
"""Hidden neurons, and samples of a batch."""
RATE = {"gradient": 0.03, "sign": 0.01}
SEEDS, STEPS, IMAGES = 5, 200, 10_000
"""``IMAGES``: training images, the first of the set."""
LEARNING_SEED = 1 << 32


def grid(smoke: bool) -> Runs:
    """Seed by seed, so that a stopped study has few of everything."""
    if smoke:
        return [{"data": "digits", "case": case, "seed": 0, "steps": 3} for case in tuple(CASES)[:3]]
    return [
        {"data": data, "case": case, "seed": seed, "steps": STEPS}
        for seed in range(SEEDS)
        for data in SHAPES
        for case in CASES
    ]


def run(data: str, case: str, seed: int, steps: int) -> dict[str, Any]:
    """Train from one random start; what is right before and after, pulses a device."""
    found, (hidden, batch), (trains, method, pulses) = data_of(data), SHAPES[data], CASES[case]
    x, labels = found.x[:IMAGES], found.labels[:IMAGES]
    chip = dies.changed(dies.CONVERTERS, **NO_RRAM)
    start = random_start((x.shape[1], hidden, 10), chip, x[-dies.SAMPLES :], seed=seed)
    board = GoldenBoard()

    def infer(some: Any, first: int) -> Any:
        return board.infer(some, seed=seed + LEARNING_SEED, first_index=first)

    plan = Plan(steps=steps, batch=batch, rate=RATE[method], pulses=pulses, method=method, seed=seed)
    result = train_in_situ(start, x, labels, infer=infer, load=board.program, plan=plan, trains=trains)
    right = {
        name: runs.packed(runs.on_die(program, seed, found.test_x, found.test_labels))
        for name, program in (("before", start.program), ("after", result.program))
    }
    return right | {"samples": len(found.test_x), "pulses": result.pulses_total / result.devices}


def tables(found: Runs) -> list[table.Table]:
    """Test accuracy by data set and case."""
    groups = runs.by(sorted(found, key=lambda r: list(SHAPES).index(r["data"])), "data", "case")
    columns = {
        "starts": lambda g: str(len(g)),
        "test accuracy, %": lambda g: points(runs.right(g, "after")),
        "pulses a device": lambda g: f"{sum(r['pulses'] for r in g) / len(g):.0f}",
    }
    pairs = {
        (data, case, other): (groups[data, case], groups[data, other])
        for data in SHAPES
        for case, other in COMPARED
        if (data, case) in groups and len(groups[data, case]) == len(groups.get((data, other), ()))
    }
    difference = {
        "difference, points": lambda pair: points(runs.right(pair[0], "after") - runs.right(pair[1], "after"))
    }
    return [
        table.table("insitu: trained in the loop from random states", ("data", "trained"), groups, columns),
        table.table("from the same starts", ("data", "trained", "against"), pairs, difference),
    ]


def draw(found: Runs, figure: Any) -> None:
    """Accuracy by case."""
    series = {
        data: {case: runs.right(group, "after") for (case,), group in runs.by(mine, "case").items()}
        for (data,), mine in runs.by(found, "data").items()
    }
    table.draw(figure, {"": series}, ylabel="test accuracy, %")
