"""Accuracy lost from float software to the chip, every RRAM preset, before and after tuning the neurons.

Ten virtual chips of each, 10,000 test images, read noise on. A chip is measured as programmed and with its
column corrections (biases and gains, fault-aware mapping: what ``ndrite compile`` does), each before and
after ECRAM pulses. The loss is against the same network in float.
"""

from __future__ import annotations

from typing import Any

from emulator.learning.tuning import Plan
from ndrite.experiments import chips
from ndrite.experiments.runner import Table, percent

DENDRITIC = "dendritic-ndr+ecram-pair"
PRESETS = ("ideal", "ibm-cmo-hfox-0.2", "ibm-cmo-hfox-2", "milo2021", "wan2022")
WORSE = {"cell__error_scale": 2.0, "cell__stuck_low_percent": 0.5, "cell__stuck_high_percent": 0.5}
CHIPS = 10
PLAN = Plan(steps=25, batch=2000, rate=0.01)
PLAN_RAW = Plan(steps=40, batch=2000, rate=0.02)


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Dendritic chips first, each way; then the other presets, with column corrections."""
    count, images = (1, 300) if smoke else (CHIPS, 10_000)
    found = [
        {"chip": DENDRITIC, "worse": worse, "corrected": corrected, "seed": seed, "images": images}
        for worse, corrected in ((False, True), (True, False), (True, True), (False, False))
        for seed in range(count)
    ]
    found += [
        {"chip": f"{p}+ecram-pair", "worse": False, "corrected": True, "seed": seed, "images": images}
        for p in PRESETS
        for seed in range(count)
    ]
    return found[:2] if smoke else found


def run(chip: str, worse: bool, corrected: bool, seed: int, images: int) -> dict[str, Any]:
    """One chip: accuracy in float, before, after."""
    net = chips.network(chips.DENDRITIC if chip.startswith("dendritic") else chips.TUNABLE)
    x, labels, test_x, test_labels = chips.learning_data(images)
    fields = WORSE if worse else {}
    samples = x[-chips.SAMPLES :]
    made = chips.make(net, chips.changed(chip, **fields), seed, samples, corrected=corrected)
    plan = Plan(steps=2, batch=200) if images < 1000 else PLAN if corrected else PLAN_RAW
    after = chips.tuned(made, net, x, labels, seed, plan)
    return chips.before_and_after(net, (made.program, after), test_x, test_labels, seed)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Losses in points by chip, and the part of the loss that tuning took back."""
    rows = []
    for (chip, worse, corrected), group in groups(results).items():
        losses = [[r["float"] - r[k] for r in group] for k in ("before", "after")]
        total = sum(losses[0])
        rows.append(
            (
                chip + (", 2 x error, 1 % stuck" if worse else ""),
                "yes" if corrected else "no",
                f"{100 * group[0]['float']:.2f}",
                percent(losses[0]),
                percent(losses[1]),
                percent([r["after"] - r["before"] for r in group]),
                f"{(total - sum(losses[1])) / total:.0%}" if total > 0 else "-",
            )
        )
    header = (
        "chip",
        "column corrections",
        "float, %",
        "loss before, points",
        "loss after ECRAM pulses, points",
        "gain, points",
        "recovered",
    )
    seeds = len({r["seed"] for r in results})
    return [Table(f"accuracy lost, {seeds} chips, {results[0]['images']} images", header, rows)]


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Bars: loss before and after, chip by chip."""
    ax = figure.subplots()
    names = []
    for i, ((chip, worse, corrected), group) in enumerate(groups(results).items()):
        name = chip.removesuffix("+ecram-pair") + (" (2x)" if worse else "") + ("" if corrected else ", raw")
        names.append(name)
        for offset, key, colour in ((-0.2, "before", "#bbbbbb"), (0.2, "after", "#4477aa")):
            values = [100 * (r["float"] - r[key]) for r in group]
            label = f"{key} ECRAM pulses" if i == 0 else None
            ax.bar(i + offset, sum(values) / len(values), 0.4, color=colour, label=label)
            ax.plot([i + offset] * len(values), values, ".", color="black", markersize=2)
    ax.axhline(1.03, color="#cc3311", linewidth=0.8, label="1.03 points")
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=7)
    ax.set(ylabel="accuracy lost, points")
    ax.legend(fontsize=7)


def groups(results: list[dict[str, Any]]) -> dict[tuple[str, bool, bool], list[dict[str, Any]]]:
    """Results by chip and state."""
    found: dict[tuple[str, bool, bool], list[dict[str, Any]]] = {}
    for r in results:
        found.setdefault((r["chip"], r["worse"], r["corrected"]), []).append(r)
    return found
