"""Depth and data: what the all-hardware chip loses with one to four hidden layers, with convolutions, on
other data.

Networks of ``dendritic-analog`` (column, neuron, next crossbar, nothing digital between) trained for it,
against ReLU networks of the same shape, epochs and data in software, networks x dies x samples. The
learning rate of a data set was the best for each side on held-out training samples, the chip's on dies, by
networks of seeds 11 and up. Convolutions have strides and no pooling. A kernel's cells are read patch by
patch, so a chip holds a map's values between its layers; that they are rounded to 8 bits and lose nothing
else is the model's, not a circuit's.
"""

from __future__ import annotations

from typing import Any

from emulator.device.description import load_chip
from ndrite.intervals import behind, crossed, in_points, points
from studies import runs, table
from studies.data import data as data_of
from studies.dies import ANALOG, SAMPLES, make
from studies.runs import Floats, Runs
from studies.training import trained

OVER = "95 %, bootstrap over networks, dies and samples"
CONVOLUTIONS = "conv 16 5 stride 2, conv 32 3 stride 2, 64"
DEPTHS = {
    "fashion-mnist": [*(", ".join(["128"] * n) for n in range(1, 5)), CONVOLUTIONS],
    "mnist-70000": ["128", "128, 128"],
    "digits": [", ".join(["32"] * n) for n in range(1, 5)],
}
"""Data sets, and hidden layers as ``ndrite train --hidden`` takes them."""
RATES = {"fashion-mnist": 16e-3, "mnist-70000": 32e-3, "digits": 32e-3}
"""Of 4e-3, 8e-3, 16e-3 and 32e-3 the best for software and for the chip alike, or within 0.1 points of it."""
EPOCHS = {"fashion-mnist": 6, "mnist-70000": 6, "digits": 40}
NETWORKS, DIES, CONVOLUTIONAL = 5, 5, 3
"""Of what takes ten times as long to train there are fewer networks."""


def grid(smoke: bool) -> Runs:
    """Seed by seed, so that a stopped study has few of everything."""
    sides = (ANALOG, "software")
    if smoke:
        axes = runs.product(data=["digits"], hidden=DEPTHS["digits"][:2], on=sides, seed=(1, 2))
        return [{**r, "epochs": 1, "dies": 2} for r in axes]
    return [
        {"data": data, "hidden": hidden, "on": on, "seed": seed, "epochs": EPOCHS[data], "dies": DIES}
        for seed in range(1, NETWORKS + 1)
        for data in DEPTHS
        for hidden in DEPTHS[data]
        for on in sides
        if hidden != CONVOLUTIONS or seed <= CONVOLUTIONAL
    ]


def run(data: str, hidden: str, on: str, seed: int, epochs: int, dies: int) -> dict[str, Any]:
    """One network: what it gets right in float, and on every die of the chip."""
    from emulator.learning.training.architecture import read_hidden

    found = data_of(data)
    chip, neuron = (None, "relu") if on == "software" else (on, "ndr")
    net, held_out = trained(
        chip, neuron, seed, epochs, rate=RATES[data], hidden=read_hidden(hidden), data=data
    )
    test, on_dies = (found.test_x, found.test_labels), []
    for die in range(dies) if chip is not None else ():
        number = runs.die_number(seed, die)
        program = make(net, load_chip(ANALOG), number, found.x[-SAMPLES:]).program
        on_dies.append(runs.on_die(program, number, *test))
    return {"held_out": held_out} | runs.kept(runs.in_float(net, *test), {"on_dies": on_dies})


def correct(found: Runs) -> dict[tuple[str, str], tuple[Floats, Floats, Floats]]:
    """By data and hidden layers: what is right of the chip's networks in float (networks, 1, n), on dies
    (networks, dies, n), and of software's networks (networks, n)."""
    groups = {}
    for (data, hidden), group in runs.by(found, "data", "hidden").items():
        chip, beside = runs.where(group, on=ANALOG), runs.where(group, on="software")
        groups[data, hidden] = (runs.right(chip), runs.right(chip, "on_dies"), runs.right(beside)[:, 0])
    return groups


def tables(found: Runs) -> list[table.Table]:
    """A line for each data set and shape."""
    columns = {
        "networks x dies": lambda g: runs.shape(g[1]),
        "ReLU in software, %": lambda g: points(g[2][:, None]),
        "chip's network in float, %": lambda g: points(g[0]),
        "on dies, %": lambda g: points(g[1]),
        "loss, points": lambda g: points(g[0] - g[1]),
        "behind software, points": lambda g: in_points(*behind(g[1], g[2])),
    }
    title = f"depth and data: {ANALOG} against software"
    return [table.table(title, ("data", "hidden layers"), correct(found), columns)]


def draw(found: Runs, figure: Any) -> None:
    """Loss to the network's own float, and distance to software, over depth."""
    panels: dict[str, dict[str, dict[str, Any]]] = {}
    for (data, hidden), (in_float, on_dies, beside) in correct(found).items():
        of = panels.setdefault(data, {"loss to its own float": {}, "behind ReLU in software": {}})
        depth = "conv" if "conv" in hidden else f"{len(hidden.split(','))} layers"
        lost = in_float - on_dies
        of["loss to its own float"][depth] = (float(lost.mean()), *crossed(lost))
        of["behind ReLU in software"][depth] = behind(on_dies, beside)
    table.draw(figure, panels, ylabel="points")
