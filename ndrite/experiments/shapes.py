"""What tuning a curve's shape is worth: valley, width or second peak, against scale alone and nothing at all.

A neuron's peak voltage and current only scale its weights and those behind it, which are trained anyway; its
valley, width or second peak do what no weight can. Plain float networks of one hidden layer on small digits,
every kind with a learning rate of its own, chosen on held-out training samples over all seeds. The curves are
those of chip descriptions with an ECRAM that sets the parameter (illustrative factors).
"""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip, load_chip
from ndrite.experiments import chips
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.runner import Table
from ndrite.intervals import bars, bootstrap, points

Floats = npt.NDArray[np.float64]

DEVICES: dict[str, dict[str, Any]] = {
    "esaki": {"model": "esaki"},
    "bell": {"model": "bell", "width_V": 0.05},
    "double": {"model": "double", "second_peak_voltage_V": 0.5},
}
SHAPES: dict[str, tuple[str, tuple[float, float]]] = {
    "esaki": ("valley", (0.5, 1.2)),
    "bell": ("width", (0.5, 2.0)),
    "double": ("second_peak", (0.0, 0.9)),
}
"""What an ECRAM sets of each device, and the factors at its ends."""
TRAINED = ("fixed", "scale", "shape and scale")
RATES = (1.2e-2, 3.6e-2, 1e-1)
SEEDS, EPOCHS, WIDTH, HELD_OUT = 3, 25, 32, 297


def chip_of(device: str) -> Chip:
    """The chip description whose ECRAM sets the shape of ``device``."""
    base = load_chip("ideal+ecram-linear-ysz")
    tunes, (low, high) = SHAPES[device]
    return dataclasses.replace(
        base,
        neuron=dataclasses.replace(base.neuron, **DEVICES[device]),
        ecram=dataclasses.replace(base.ecram, tunes=tunes, shape_low_factor=low, shape_high_factor=high),
    )


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Seed by seed."""
    seeds, rates, epochs = (1, RATES[1:2], 2) if smoke else (SEEDS, RATES, EPOCHS)
    return [
        {"device": device, "trained": trained, "rate": rate, "seed": seed, "epochs": epochs}
        for seed in range(1, seeds + 1)
        for device in DEVICES
        for trained in TRAINED
        for rate in rates
    ]


def run(device: str, trained: str, rate: float, seed: int, epochs: int) -> dict[str, Any]:
    """Train one network: what it gets right of the test set, and its accuracy on held-out samples."""
    from emulator.learning.training.job import Job, Samples, run_job
    from emulator.learning.training.loop import Recipe
    from emulator.learning.training.view import FLOAT, ChipView, view_of

    @dataclass(frozen=True, kw_only=True)
    class Shaped(Job):
        """A job that sees the curves of a device and nothing else of its chip."""

        def view(self) -> ChipView:
            seen = view_of(chip_of(device))
            family = seen.family if trained == TRAINED[2] else None
            return dataclasses.replace(FLOAT, curve=seen.curve, family=family)

    found = chips.data("digits")
    job = Shaped(
        hidden=(WIDTH,),
        neuron="ndr-fixed" if trained == TRAINED[0] else "ndr",
        held_out=HELD_OUT,
        recipe=Recipe(epochs=epochs, batch=64, learning_rate=rate, average=0.97, seed=seed),
    )
    samples = Samples(found.x, found.labels, found.name)
    with tempfile.TemporaryDirectory() as folder:
        net = run_job(job, samples, Path(folder) / "n.npz", name="n", progress=lambda *a: None)
    right = net.forward(found.test_x / np.float32(255)).argmax(axis=1) == found.test_labels
    held_out = float(net.provenance["held_out_accuracy"])
    return {"held_out": held_out, "right": packed(right), "samples": len(right)}


def chosen(results: list[dict[str, Any]], device: str, trained: str) -> tuple[float, Floats]:
    """The rate that is best on held-out samples, and what its networks get right, (seeds, 1, n)."""
    of_rate: dict[float, list[dict[str, Any]]] = {}
    for r in results:
        if (r["device"], r["trained"]) == (device, trained):
            of_rate.setdefault(r["rate"], []).append(r)
    best = max(of_rate, key=lambda rate: float(np.mean([r["held_out"] for r in of_rate[rate]])))
    right = [unpacked(r["right"], r["samples"])[None] for r in of_rate[best]]
    return best, np.array(right, np.float64)


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracy of each at its own rate, and what shape adds to scale on the same seeds and samples."""
    rows = []
    for device in DEVICES:
        scale = chosen(results, device, TRAINED[1])[1]
        for trained in TRAINED:
            rate, right = chosen(results, device, trained)
            what = trained.replace("shape", SHAPES[device][0].replace("_", " "))
            gain = "-" if trained == TRAINED[1] else points(right - scale)
            rows.append((device, what, f"{rate:g}", points(right), gain))
    header = ("device", "trained of the curve", "rate", "test accuracy, %", "against scale alone, points")
    held = facts(results)
    title = f"shape of the curve, digits, {held['networks']} seeds x {held['samples']} samples"
    return [Table(title, header, rows)]


def facts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals are taken over."""
    return {
        "interval": "95 %, bootstrap over seeds and samples",
        "networks": len({r["seed"] for r in results}),
        "samples": results[0]["samples"],
        "bootstrap": bootstrap("seeds, and samples for all of them"),
    }


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Curves of the states above, accuracies below."""
    from emulator.mapping.shapes import family

    panels = figure.subplots(2, len(DEVICES), sharey="row")
    u = np.linspace(-1.0, 8.0, 451)
    for column, device in enumerate(DEVICES):
        above, below = panels[0][column], panels[1][column]
        for curve, state in zip(family(chip_of(device), np.linspace(0, 1, 5), u), range(5), strict=True):
            above.plot(u, curve, color=f"C{state}", linewidth=0.8)
        above.set_title(f"{device}: {SHAPES[device][0].replace('_', ' ')}", fontsize=7)
        for i, trained in enumerate(TRAINED):
            right = chosen(results, device, trained)[1]
            below.errorbar(i, *bars(right), fmt="o", capsize=3)
        below.set_xticks(range(len(TRAINED)), [t.replace(" and ", "\nand ") for t in TRAINED], fontsize=6)
        above.tick_params(labelsize=6)
    panels[0][0].set_ylabel("output", fontsize=7)
    panels[1][0].set_ylabel("accuracy, %", fontsize=7)
