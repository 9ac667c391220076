"""Depth, convolutions, other data: what the all-hardware chip loses and how far it
is behind software.

Convolutions have strides and no pooling. A kernel's cells are read patch by patch, so a
chip holds a map's values between its layers; that they are rounded to 8 bits and lose
nothing else is the model's, no circuit's.
"""

from functools import partial
from typing import TYPE_CHECKING

from ndrite.emulator.device.description import load_chip
from ndrite.signature import widths
from studies import dies as on_chip
from studies import runs, table
from studies.data import data as data_of
from studies.dies import ANALOG
from studies.runs import Floats, Row, Runs
from studies.table import behind, in_points, points
from studies.training import HEIGHT, trained

if TYPE_CHECKING:
    from torch import nn

RATES = {"fashion-mnist": 16e-3, "mnist-70000": 32e-3, "digits": 32e-3}
"""Learning rate for each data set: of 4e-3, 8e-3, 16e-3 and 32e-3 the best for software
and for the chip, or within 0.1 points of the best."""
CONVOLUTIONAL = {"software": 2e-3, ANALOG: 16e-3}
"""Learning rate of the convolutional network for each side: the best on the held-out
samples of two other networks. In software 0.5e-3, 1e-3, 2e-3 and 4e-3 reached 87.40,
89.17, 89.59 and 89.06 %, on the chip 8e-3, 16e-3 and 32e-3 89.85, 89.96 and 89.87 %. At
16e-3 some software networks do not learn: ReLUs need a lower rate than NDR neurons."""


def convolutional(chip: str | None) -> "nn.Module":
    """Build the convolutional network for 28 x 28 pixels, with NDR neurons for a chip
    and ReLU for software."""
    from torch import nn

    from ndrite.nn import Ndr

    a, b, c = (nn.ReLU() if chip is None else Ndr(count, height=HEIGHT) for count in (16, 32, 64))
    maps = nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 16, 5, stride=2, padding=2), a
    full = nn.Flatten(), nn.Linear(32 * 7 * 7, 64), c, nn.Linear(64, 10)
    return nn.Sequential(*maps, nn.Conv2d(16, 32, 3, stride=2, padding=1), b, *full)


def run(data: str, hidden: str, on: str, seed: int, epochs: int, dies: int) -> Row:
    """Train one network, and record which test samples it gets right in floats
    and on every die."""
    labelled, chip = data_of(data), None if on == "software" else on
    layers = partial(convolutional, chip) if "conv" in hidden else widths(hidden)
    rate = CONVOLUTIONAL[on] if "conv" in hidden else RATES[data]
    net, held_out = trained(chip, seed, epochs, rate=rate, data=data, layers=layers)
    samples = (labelled.x, labelled.labels, labelled.test_x, labelled.test_labels)
    right = [
        on_chip.before_and_after(net, load_chip(chip), on_chip.number_of(seed, die), samples, None)[0]
        for die in range(dies)
        if chip is not None
    ]
    return {"held_out": held_out} | runs.kept(on_chip.in_float(net, *samples[2:]), {"on_dies": right})


def correct(found: Runs) -> dict[tuple[str, str], tuple[Floats, Floats, Floats]]:
    """Return right answers by data set and hidden layers: of networks trained for the
    chip, in floats (networks, 1, n) and on dies (networks, dies, n), and of the
    software networks (networks, n)."""
    groups = {}
    for (data, hidden), group in runs.by(found, "data", "hidden").items():
        chip, software = runs.where(group, on=ANALOG), runs.where(group, on="software")
        groups[data, hidden] = (runs.right(chip), runs.right(chip, "on_dies"), runs.right(software)[:, 0])
    return groups


def tables(found: Runs) -> list[table.Table]:
    """Return a table with one row per data set and shape of network."""
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
