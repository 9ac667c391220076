"""Depth and data: what the all-hardware chip loses with one to four hidden layers, with convolutions, on
other data.

Networks of ``dendritic-analog`` (column, neuron, next crossbar, nothing digital between) trained for it,
against ReLU networks of the same shape, epochs and data in software, networks x dies x samples. The
learning rate of a data set was the best for each side on held-out training samples, the chip's on dies, by
networks of seeds 11 and up. Whole MNIST is read as ``ndrite experiment kan`` reads it. Convolutions have
strides and no pooling. A kernel's cells are read patch by patch, so a chip holds a map's values between its
layers; that they are rounded to 8 bits and lose nothing else is the model's, not a circuit's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import load_chip
from ndrite.experiments import chips
from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.crossing import die_number, right_in_float, right_on_die
from ndrite.experiments.runner import Table
from ndrite.experiments.trained import trained
from ndrite.intervals import CROSSED, behind, bootstrap, crossed, in_points, points

Floats = npt.NDArray[np.float64]

CHIP = "dendritic-analog"
CONVOLUTIONS = "conv 16 5 stride 2, conv 32 3 stride 2, 64"
HIDDEN = {
    "fashion-mnist": ("128", "128, 128", "128, 128, 128", "128, 128, 128, 128", CONVOLUTIONS),
    "mnist-70000": ("128", "128, 128"),
    "digits": ("32", "32, 32", "32, 32, 32", "32, 32, 32, 32"),
}
"""Data sets, and hidden layers as ``ndrite train --hidden`` takes them."""
RATES = {"fashion-mnist": 16e-3, "mnist-70000": 32e-3, "digits": 32e-3}
"""Of 4e-3, 8e-3, 16e-3 and 32e-3 the best for software and for the chip alike, or within 0.1 points of it."""
EPOCHS = {"fashion-mnist": 6, "mnist-70000": 6, "digits": 40}
NETWORKS, DIES = 5, 5
FEWER = {CONVOLUTIONS: 3}
"""Networks of what takes ten times as long to train."""


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Seed by seed, so that a stopped experiment has few of everything."""
    if smoke:
        return [
            {"data": "digits", "hidden": hidden, "on": on, "seed": seed, "epochs": 1, "dies": 2}
            for hidden in HIDDEN["digits"][:2]
            for on in (CHIP, "software")
            for seed in (1, 2)
        ]
    return [
        {"data": data, "hidden": hidden, "on": on, "seed": seed, "epochs": EPOCHS[data], "dies": DIES}
        for seed in range(1, NETWORKS + 1)
        for data in HIDDEN
        for hidden in HIDDEN[data]
        for on in (CHIP, "software")
        if seed <= FEWER.get(hidden, NETWORKS)
    ]


def run(data: str, hidden: str, on: str, seed: int, epochs: int, dies: int) -> dict[str, Any]:
    """One network: what it gets right in float, and on every die of the chip."""
    from emulator.learning.training.architecture import read_hidden

    found = chips.data(data)
    chip, neuron = (None, "relu") if on == "software" else (on, "ndr")
    layers, rate = read_hidden(hidden), RATES[data]
    net, held_out = trained(
        chip, neuron, seed, epochs, rate=rate, hidden=layers, data=data, tunable=chip is not None
    )
    right = right_in_float(net, found.test_x, found.test_labels)
    described, on_dies = load_chip(CHIP), []
    for die in range(dies) if chip is not None else ():
        number = die_number(seed, die)
        program = chips.make(net, described, number, found.x[-chips.SAMPLES :]).program
        on_dies.append(packed(right_on_die(program, found.test_x, found.test_labels, number), right))
    return {"held_out": held_out, "samples": len(right), "right": packed(right), "on_dies": on_dies}


def correct(results: list[dict[str, Any]], data: str, hidden: str) -> tuple[Floats, Floats, Floats]:
    """What is right: of the chip's networks in float (networks, 1, n), on dies (networks, dies, n), and of
    software's (networks, n)."""
    in_float, on_dies, beside = [], [], []
    for r in results:
        if (r["data"], r["hidden"]) == (data, hidden):
            right = unpacked(r["right"], r["samples"])
            if r["on"] == "software":
                beside.append(right)
            else:
                in_float.append(right[None])
                on_dies.append([unpacked(text, r["samples"], right) for text in r["on_dies"]])
    return (
        np.array(in_float, np.float64),
        np.array(on_dies, np.float64),
        np.array(beside, np.float64),
    )


def measured(results: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Data sets and hidden layers, in order."""
    has = {(r["data"], r["hidden"]) for r in results}
    return [(data, hidden) for data in HIDDEN for hidden in HIDDEN[data] if (data, hidden) in has]


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """A line for each data set and shape."""
    rows = []
    for data, hidden in measured(results):
        in_float, on_dies, beside = correct(results, data, hidden)
        rows.append(
            (
                data,
                hidden,
                f"{on_dies.shape[0]} x {on_dies.shape[1]}",
                points(beside[:, None]),
                points(in_float),
                points(on_dies),
                points(in_float - on_dies),
                in_points(*behind(on_dies, beside)),
            )
        )
    header = (
        "data",
        "hidden layers",
        "networks x dies",
        "ReLU in software, %",
        "chip's network in float, %",
        "on dies, %",
        "loss, points",
        "behind software, points",
    )
    return [Table(f"depth and data: {CHIP} against software", header, rows)]


def facts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals are taken over."""
    return {
        "networks": len({r["seed"] for r in results}),
        "dies": max(r["dies"] for r in results),
        "bootstrap": bootstrap(CROSSED),
        "interval": "95 %, bootstrap over networks, dies and samples",
    }


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Loss to the network's own float, and distance to software, over depth."""
    sets = list(dict.fromkeys(data for data, _ in measured(results)))
    panels = figure.subplots(1, len(sets), squeeze=False)[0]
    for ax, data in zip(panels, sets, strict=True):
        shapes = [hidden for of, hidden in measured(results) if of == data]
        for shift, name in ((-0.08, "loss to its own float"), (0.08, "behind ReLU in software")):
            values = []
            for hidden in shapes:
                in_float, on_dies, beside = correct(results, data, hidden)
                lost = in_float - on_dies
                own = (float(lost.mean()), *crossed(lost))
                values.append(own if shift < 0 else behind(on_dies, beside))
            mean, low, high = 100 * np.array(values).T
            where = np.arange(len(shapes)) + shift
            ax.errorbar(where, mean, [mean - low, high - mean], fmt="o", capsize=3, markersize=3, label=name)
        ax.axhline(0, color="#999999", linewidth=0.6)
        ax.set_xticks(range(len(shapes)), ["conv" if "conv" in h else str(len(h.split(","))) for h in shapes])
        ax.set_xlabel("hidden layers")
        ax.set_title(data, fontsize=8)
    panels[0].set_ylabel("points")
    panels[0].legend(fontsize=6)
