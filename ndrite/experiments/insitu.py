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
from ndrite.experiments import chips
from ndrite.experiments.runner import Table, mean_interval, percent

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
LARGE_CASES = tuple(case for case, (trains, _, _) in CASES.items() if "curves" not in trains)
SEEDS = {"digits": 5, "fashion-mnist": 2}
STEPS = {"digits": 200, "fashion-mnist": 200}
BATCH = {"digits": 100, "fashion-mnist": 500}
RATE = {"gradient": 0.03, "sign": 0.01}
HIDDEN = {"digits": 32, "fashion-mnist": 128}
IMAGES = 10_000
"""Training images, the first of the set."""
LEARNING_SEED = 1 << 32


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Digits, then Fashion-MNIST; seed by seed."""
    if smoke:
        return [{"data": "digits", "case": case, "seed": 0, "steps": 3} for case in tuple(CASES)[:3]]
    return [
        {"data": data, "case": case, "seed": seed, "steps": STEPS[data]}
        for data in ("digits", "fashion-mnist")
        for seed in range(SEEDS[data])
        for case in (CASES if data == "digits" else LARGE_CASES)
    ]


def run(data: str, case: str, seed: int, steps: int) -> dict[str, Any]:
    """Train from one random start; test accuracy before and after, pulses a device."""
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
    before, after = (
        chips.accuracy(program, found.test_x, found.test_labels, seed)
        for program in (start.program, result.program)
    )
    return {"before": before, "after": after, "pulses": result.pulses_total / result.devices}


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
                        percent([r["after"] for r in group], 1),
                        f"{sum(r['pulses'] for r in group) / len(group):.0f}",
                    )
                )
    header = ("data", "trained", "seeds", "test accuracy, %", "pulses a device")
    return [Table("insitu: trained in the loop from random states", header, rows)]


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Accuracy by case, a panel a data set."""
    names = list(dict.fromkeys(r["data"] for r in results))
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    cases = list(CASES)
    for ax, data in zip(panels, names, strict=True):
        for i, case in enumerate(cases):
            values = [100 * r["after"] for r in results if (r["data"], r["case"]) == (data, case)]
            if values:
                mean, half = mean_interval(values)
                ax.barh(i, mean, xerr=0 if half != half else half, color="#4477aa", capsize=2)
        ax.set(title=data, xlim=(0, 100))
        ax.set_xlabel("test accuracy, %")
    panels[0].set_yticks(range(len(cases)), cases, fontsize=7)
    panels[0].invert_yaxis()
