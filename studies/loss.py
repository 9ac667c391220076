"""Accuracy lost from float software to the chip, crossed: networks x dies x samples,
and software beside it.

Learning rates of both sides were chosen on held-out training samples, none on a test sample.
"""

from ndrite.emulator.learning.tuning import Plan
from studies import runs, table
from studies.data import learning_data
from studies.dies import ANALOG, CONVERTERS, WORSE, Tuning, before_and_after, changed, in_float, number_of
from studies.runs import Bools, Floats, Row, Runs
from studies.table import behind, in_points, points
from studies.training import CHIP_RATE, trained

FIRST, LAST, TUNED = "as compiled", "2 x error, 1 % stuck, as programmed", ", tuned"
STATES = {FIRST: (False, True), "2 x error, 1 % stuck, as compiled": (True, True), LAST: (True, False)}
"""Name of a state of a die -> whether its cells are worse, and whether its
columns are corrected."""
PLAN = Plan(steps=15, batch=2000, rate=0.01)


def run(
    on: str, seed: int, dies: int, worse: int, tuned: int, samples: int, epochs: int, rate: float = CHIP_RATE
) -> Row:
    """Train one network, and record which test samples it gets right in floats and on
    every die in every state."""
    data, chip = learning_data(samples), None if on == "software" else on
    net, held_out = trained(chip, seed, epochs, rate=rate)
    right_by_state: dict[str, list[Bools]] = {}
    for state, (bad, corrected) in STATES.items() if chip is not None else ():
        described = changed(on, **(WORSE if bad else {}))
        for die in range(worse if bad else dies):
            tuning = None
            if die < tuned and state in (FIRST, LAST):
                tuning = Tuning(Plan(steps=1, batch=100) if samples < 1000 else PLAN)
            number = number_of(seed, die)
            right = before_and_after(net, described, number, data, tuning, corrected=corrected)
            for name, value in zip((state, state + TUNED), right, strict=False):
                right_by_state.setdefault(name, []).append(value)
    return {"held_out": held_out} | runs.kept(in_float(net, *data[2:]), right_by_state)


def correct(found: Runs, suffix: str = "") -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Return right answers by chip and state: of networks in floats
    (networks, 1, n) and on dies (networks, dies, n). ``suffix`` selects the
    states before or after tuning."""
    return {
        (chip, state): (runs.right(mine), runs.right(mine, state + suffix))
        for chip in (ANALOG, CONVERTERS)
        for state in STATES
        if (mine := [r for r in runs.where(found, on=chip) if state + suffix in r])
    }


def tables(found: Runs) -> list[table.Table]:
    """Return tables of the loss against the same network in floats, of the difference
    to the best software network, and of the gain by tuning pulses."""
    measured, tuned = correct(found), correct(found, TUNED)
    losses = {
        "networks x dies": lambda pair: runs.shape(pair[1]),
        "float, %": lambda pair: f"{100 * pair[0].mean():.2f}",
        "chip, %": lambda pair: points(pair[1]),
        "loss, points": lambda pair: points(pair[0] - pair[1]),
    }
    software = runs.where(found, on="software")
    rate, best = runs.best_held_out(software, "rate")
    right = runs.right(best)[:, 0]
    of_rates = sorted(runs.by(software, "rate").items())
    line = ", ".join(f"{value:g}: {100 * runs.held_out(group):.2f} %" for (value,), group in of_rates)
    rows = [(f"ReLU in software, rate {rate:g}", str(len(right)), points(right[:, None]), "-")]
    for chip in (ANALOG, CONVERTERS):
        for name, groups in ((chip, measured), (f"{chip}, after ECRAM pulses", tuned)):
            if (chip, FIRST) in groups:
                on_dies = groups[chip, FIRST][1]
                rows.append((name, runs.shape(on_dies), points(on_dies), in_points(*behind(on_dies, right))))
    before_after = {
        key: (in_float - measured[key][1][:, : after.shape[1]], in_float - after)
        for key, (in_float, after) in tuned.items()
    }
    gains = {
        "networks x dies": lambda lost: runs.shape(lost[1]),
        "loss before, points": lambda lost: points(lost[0]),
        "loss after ECRAM pulses, points": lambda lost: points(lost[1]),
        "gain, points": lambda lost: points(lost[0] - lost[1]),
        "recovered": lambda lost: table.recovered(*lost),
    }
    keys, size = ("chip", "cells"), runs.size([r for r in found if r["on"] != "software"])
    title = f"against the best software network of equal size and epochs; held-out accuracy by rate: {line}"
    header = ("network", "networks x dies", "accuracy, %", "behind software, points")
    return [
        table.table(f"accuracy lost, {size}", keys, measured, losses),
        table.Table(title, header, rows),
        table.table("ECRAM pulses, on the first dies of every network", keys, before_after, gains),
    ]
