"""A whole network trained in the loop from random states, by ECRAM pulses alone.

Weights and neurons are ECRAMs of the linear-step law (Tang 2018's constants, devices that differ, noise in
every pulse) on the dendritic chip's converters and neurons; forward passes run on the golden board with read
noise. ``Manhattan`` gives every device one pulse by the gradient's sign; otherwise at most 20 pulses a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boards.golden import GoldenBoard
from emulator.learning.tuning import Plan
from emulator.learning.tuning.insitu import random_start, train_in_situ
from ndrite.experiments import chips
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.crossing import right_on_die
from ndrite.experiments.runner import Table
from ndrite.intervals import bars, bootstrap, points

CHIP = "dendritic-ndr+ecram-pair"
NO_RRAM = {
    "cell__levels": 256,
    "cell__error_scale": 0.0,
    "cell__stuck_low_percent": 0.0,
    "cell__stuck_high_percent": 0.0,
    "array__wire_resistance_ohm": 0.0,
    "array__access_resistance_ohm": 0.0,
}
"""The weights are ECRAMs: what the preset says of RRAM cells does not apply."""
CASES: dict[str, tuple[tuple[str, ...], str, int]] = {
    "weights, fixed curves": (("hidden", "output"), "gradient", 20),
    "weights, fixed curves, Manhattan": (("hidden", "output"), "sign", 1),
    "weights and curves": (("hidden", "output", "curves"), "gradient", 20),
    "output weights, hidden ones random": (("output",), "gradient", 20),
    "output weights and curves, hidden weights random": (("output", "curves"), "gradient", 20),
    "curves, all weights random": (("curves",), "gradient", 20),
}
"""What is trained, method, most pulses of a device in a step."""
COMPARED = (
    ("weights and curves", "weights, fixed curves"),
    ("output weights and curves, hidden weights random", "output weights, hidden ones random"),
    ("weights, fixed curves, Manhattan", "weights, fixed curves"),
)
"""Cases, and those that they are compared with from the same starts."""
SEEDS = 5
STEPS = {"digits": 200, "fashion-mnist": 200}
BATCH = {"digits": 100, "fashion-mnist": 500}
RATE = {"gradient": 0.03, "sign": 0.01}
HIDDEN = {"digits": 32, "fashion-mnist": 128}
IMAGES = 10_000
"""Training images, the first of the set."""
LEARNING_SEED = 1 << 32


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Seed by seed, so that a stopped experiment has few of everything."""
    if smoke:
        return [{"data": "digits", "case": case, "seed": 0, "steps": 3} for case in tuple(CASES)[:3]]
    return [
        {"data": data, "case": case, "seed": seed, "steps": STEPS[data]}
        for seed in range(SEEDS)
        for data in HIDDEN
        for case in CASES
    ]


def run(data: str, case: str, seed: int, steps: int) -> dict[str, Any]:
    """Train from one random start; what is right before and after, pulses a device."""
    found = chips.data(data)
    x, labels = found.x[:IMAGES], found.labels[:IMAGES]
    trains, method, pulses = CASES[case]
    chip = chips.changed(CHIP, **NO_RRAM)
    start = random_start((x.shape[1], HIDDEN[data], 10), chip, x[-chips.SAMPLES :], seed=seed)
    board = GoldenBoard()

    def infer(batch: Any, first: int) -> Any:
        return board.infer(batch, seed=seed + LEARNING_SEED, first_index=first)

    plan = Plan(steps=steps, batch=BATCH[data], rate=RATE[method], pulses=pulses, method=method, seed=seed)
    result = train_in_situ(start, x, labels, infer=infer, load=board.program, plan=plan, trains=trains)
    right = {
        name: packed(right_on_die(program, found.test_x, found.test_labels, seed))
        for name, program in (("before", start.program), ("after", result.program))
    }
    return right | {"samples": len(found.test_x), "pulses": result.pulses_total / result.devices}


def correct(results: list[dict[str, Any]], data: str, case: str) -> npt.NDArray[np.float64]:
    """What is right after training, (starts, 1, n)."""
    group = [r for r in results if (r["data"], r["case"]) == (data, case)]
    return np.array([unpacked(r["after"], r["samples"])[None] for r in group], np.float64)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Test accuracy by data set and case."""
    rows = []
    for data in dict.fromkeys(r["data"] for r in results):
        for case in CASES:
            group = [r for r in results if (r["data"], r["case"]) == (data, case)]
            if group:
                rows.append(
                    (
                        data,
                        case,
                        str(len(group)),
                        points(correct(results, data, case)),
                        f"{sum(r['pulses'] for r in group) / len(group):.0f}",
                    )
                )
    header = ("data", "trained", "starts", "test accuracy, %", "pulses a device")
    return [Table("insitu: trained in the loop from random states", header, rows), _compared(results)]


def _compared(results: list[dict[str, Any]]) -> Table:
    rows = []
    for data in dict.fromkeys(r["data"] for r in results):
        for case, other in COMPARED:
            ours, others = correct(results, data, case), correct(results, data, other)
            if len(ours) and ours.shape == others.shape:
                rows.append((data, case, other, points(ours - others)))
    return Table("from the same starts", ("data", "trained", "against", "difference, points"), rows)


def facts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals are taken over."""
    return {
        "interval": "95 %, bootstrap over starts and samples",
        "starts": len({r["seed"] for r in results}),
        "bootstrap": bootstrap("starts, each with devices of its own, and samples for all of them"),
    }


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Accuracy by case, a panel a data set."""
    names = list(dict.fromkeys(r["data"] for r in results))
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    cases = list(CASES)
    for ax, data in zip(panels, names, strict=True):
        for i, case in enumerate(cases):
            right = correct(results, data, case)
            if len(right):
                mean, error = bars(right)
                ax.barh(i, mean, xerr=error, color="#4477aa", capsize=2)
        ax.set(title=data, xlim=(0, 100))
        ax.set_xlabel("test accuracy, %")
    panels[0].set_yticks(range(len(cases)), cases, fontsize=7)
    panels[0].invert_yaxis()
