"""What tuning a curve's shape is worth: valley, width or second peak, against scale alone and nothing at all.

A neuron's peak voltage and current only scale its weights and those behind it, which are trained anyway; its
valley, width or second peak do what no weight can. Plain float networks of one hidden layer on small digits,
every kind with a learning rate of its own, chosen on held-out training samples over all seeds. The curves are
those of chip descriptions with an ECRAM that sets the parameter (illustrative factors).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from emulator.device.description import Chip, load_chip
from ndrite.intervals import points
from studies import runs, table
from studies.data import data
from studies.runs import Floats, Runs
from studies.training import train

OVER = "95 %, bootstrap over seeds and samples"
DEVICES: dict[str, tuple[dict[str, Any], str, tuple[float, float]]] = {
    "esaki": ({}, "valley", (0.5, 1.2)),
    "bell": ({"width_V": 0.05}, "width", (0.5, 2.0)),
    "double": ({"second_peak_voltage_V": 0.5}, "second_peak", (0.0, 0.9)),
}
"""What an ECRAM sets of each device, and the factors at its ends."""
FIXED, SCALE, BOTH = "fixed", "scale", "shape and scale"
RATES = (1.2e-2, 3.6e-2, 1e-1)
SEEDS, EPOCHS, WIDTH, HELD_OUT = 3, 25, 32, 297


def chip_of(device: str) -> Chip:
    """The chip description whose ECRAM sets the shape of ``device``."""
    base = load_chip("ideal+ecram-linear-ysz")
    fields, tunes, (low, high) = DEVICES[device]
    return dataclasses.replace(
        base,
        neuron=dataclasses.replace(base.neuron, model=device, **fields),
        ecram=dataclasses.replace(base.ecram, tunes=tunes, shape_low_factor=low, shape_high_factor=high),
    )


def grid(smoke: bool) -> Runs:
    """Seed by seed."""
    seeds, rates, epochs = (1, RATES[1:2], 2) if smoke else (SEEDS, RATES, EPOCHS)
    return [
        {"device": device, "trained": trained, "rate": rate, "seed": seed, "epochs": epochs}
        for seed in range(1, seeds + 1)
        for device in DEVICES
        for trained in (FIXED, SCALE, BOTH)
        for rate in rates
    ]


def run(device: str, trained: str, rate: float, seed: int, epochs: int) -> dict[str, Any]:
    """Train one network: what it gets right of the test set, and its accuracy on held-out samples."""
    from emulator.learning.training.view import FLOAT, view_of

    seen = view_of(chip_of(device))
    found = data("digits")
    net, held_out = train(
        found,
        view=dataclasses.replace(FLOAT, curve=seen.curve, family=seen.family if trained == BOTH else None),
        hidden=(WIDTH,),
        neuron="ndr-fixed" if trained == FIXED else "ndr",
        held_out=HELD_OUT,
        recipe={"epochs": epochs, "batch": 64, "learning_rate": rate, "average": 0.97, "seed": seed},
    )
    return {"held_out": held_out} | runs.kept(runs.in_float(net, found.test_x, found.test_labels), {})


def chosen(found: Runs, device: str, trained: str) -> tuple[float, Floats]:
    """The rate that is best on held-out samples, and what its networks get right, (seeds, 1, n)."""
    rate, group = runs.best_held_out(runs.where(found, device=device, trained=trained), "rate")
    return rate, runs.right(group)


def tables(found: Runs) -> list[table.Table]:
    """Accuracy of each at its own rate, and what shape adds to scale on the same seeds and samples."""
    groups = {
        (device, trained.replace("shape", tunes.replace("_", " "))): (device, trained)
        for device, (_, tunes, _) in DEVICES.items()
        for trained in (FIXED, SCALE, BOTH)
    }

    def against_scale(group: tuple[str, str]) -> str:
        if group[1] == SCALE:
            return "-"
        return points(chosen(found, *group)[1] - chosen(found, group[0], SCALE)[1])

    columns = {
        "rate": lambda group: f"{chosen(found, *group)[0]:g}",
        "test accuracy, %": lambda group: points(chosen(found, *group)[1]),
        "against scale alone, points": against_scale,
    }
    title = f"shape of the curve, digits, {SEEDS} seeds x {found[0]['samples']} samples"
    return [table.table(title, ("device", "trained of the curve"), groups, columns)]


def draw(found: Runs, figure: Any) -> None:
    """Curves of five states above, accuracies below."""
    from emulator.mapping.states import family

    u = np.linspace(-1.0, 8.0, 451)
    states = np.linspace(0, 1, 5)
    panels: dict[str, dict[str, Any]] = {
        f"{device}: {tunes.replace('_', ' ')}": {
            f"state {state:g}": (u, curve)
            for state, curve in zip(states, family(chip_of(device), states, u), strict=True)
        }
        for device, (_, tunes, _) in DEVICES.items()
    }
    for device in DEVICES:
        panels[f"{device}, accuracy, %"] = {
            "": {trained: chosen(found, device, trained)[1] for trained in (FIXED, SCALE, BOTH)}
        }
    table.draw(figure, panels, ylabel="", columns=len(DEVICES))
