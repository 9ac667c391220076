"""AnalogNets: what a day of drift costs convolutional networks on phase-change cells."""

from __future__ import annotations

from typing import Any

from emulator.device.description import load_chip
from emulator.device.rram.drift import DAY, PCM_FIRST_S
from ndrite.intervals import points
from studies import noise_grid, runs, table
from studies.dies import at_time
from studies.published import Found, percent
from studies.runs import Runs

OVER = "over networks, each network's dies, and the test samples (bootstrap), 95 %"
CHIP, NOISE = "joshi2020", 0.05
TIMES = {"20 s": PCM_FIRST_S, "1 day": DAY}
SIZES = {
    "kws": {"train": 270, "samples": 370, "epochs": 60, "dies": 3},
    "vww": {"train": 8_000, "samples": 2000, "epochs": 8, "dies": 3},
}
STAND_INS = {"kws": "JapaneseVowels", "vww": "Fashion-MNIST at 14 x 14"}


def grid(smoke: bool) -> Runs:
    """A network each."""
    small = {"train": 400, "samples": 60, "epochs": 1, "dies": 1}
    plan = runs.product(seed=range(1, 2 if smoke else 4), task=SIZES)
    return [{**r, **(small if smoke else SIZES[r["task"]])} for r in plan]


def run(task: str, seed: int, train: int, samples: int, epochs: int, dies: int) -> dict[str, Any]:
    """Train one network; what it gets right in floats and on each die at both times, and what that costs."""
    from studies import networks, neurram_lstm, neurram_resnet

    if task == "kws":
        x, labels, test, test_labels = neurram_lstm.sequences(None, samples)
        x, test = (v.transpose(1, 2).contiguous() for v in (x, test))
    else:
        x, labels, test, test_labels = neurram_resnet.pictures(None, train, samples)
    dimensions, width = (1, 32) if task == "kws" else (2, 16)
    return noise_grid.measured(
        lambda: networks.convolutions(dimensions, x.shape[1], width, int(labels.max()) + 1),
        (x, labels, test, test_labels),
        seed=seed,
        dies=dies,
        recipe={"epochs": epochs, "rate": 8e-3, "noise": NOISE, "batch": 64},
        chips={name: at_time(load_chip(CHIP), time) for name, time in TIMES.items()},
        fitted=256,
    )


def found(of: Runs) -> dict[str, Found]:
    """What is lost after a day, in points."""
    groups = runs.by(of, "task")
    return {
        task: percent(runs.right(group) - runs.right(group, "1 day")) for (task,), group in groups.items()
    }


def tables(of: Runs) -> list[table.Table]:
    """Accuracies at both times, and what one inference costs."""
    groups = {(STAND_INS[task],): group for (task,), group in runs.by(of, "task").items()}
    columns: dict[str, Any] = {
        "float, %": lambda g: points(runs.right(g)),
        **{f"dies after {time}, %": lambda g, time=time: points(runs.right(g, time)) for time in TIMES},
        **{name: lambda g, said=said: said(g[0]["cost"]) for name, said in noise_grid.COST.items()},
    }
    title = "accuracy; costs are of one inference on the first die"
    return [table.table(title, ("stand-in",), groups, columns)]
