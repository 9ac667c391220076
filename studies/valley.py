"""Which curve a device should have: networks trained anew for each valley, on the all-hardware chip.

The Esaki device of ``dendritic-analog`` with its valley nearer or farther and its excess current, which fills
the valley, smaller or larger. For every shape networks 784-128-10 are trained for that chip and put on dies
of it, all 10,000 test samples of Fashion-MNIST, read noise on. All have the recipe of ``depth``. Shapes are
compared with the preset's, whose networks start from the same seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndrite.intervals import points
from studies import dies, runs, table
from studies.data import learning_data
from studies.runs import Runs
from studies.training import trained

PRESET = (0.5, 0.1)
"""Valley voltage in volts and excess current in milliamperes."""
KEYS = ("valley, V", "excess current, mA", "deepest at, peak voltages", "there, % of the peak")


def fields(valley_V: float, excess_mA: float) -> dict[str, float]:
    """Changes of the chip description."""
    return {"neuron__valley_voltage_V": valley_V, "neuron__excess_current_mA": excess_mA}


def run(valley_V: float, excess_mA: float, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """One die of one network of one shape."""
    curve = fields(valley_V, excess_mA)
    net, _ = trained(dies.ANALOG, seed, epochs, fields=tuple(curve.items()))
    data, chip = learning_data(samples), dies.changed(dies.ANALOG, **curve)
    (right,) = dies.before_and_after(net, chip, dies.number_of(seed, die), data, None)
    return runs.kept(dies.in_float(net, *data[2:]), {"chip": right})


def valley(*shape: float) -> tuple[str, str]:
    """Where the valley is, in peak voltages, and its current, in percent of the peak."""
    sampled = dies.changed(dies.ANALOG, **fields(*shape)).neuron.sampled
    assert sampled is not None
    u, y = sampled[0], sampled[1]
    deepest = int(np.argmin(np.where(u > 1.0, y, np.inf)))
    return f"{u[deepest]:.1f}", f"{100 * y[deepest]:.0f}"


def tables(found: Runs) -> list[table.Table]:
    """Accuracy and loss of every shape, and what it is ahead of the preset's."""
    shapes = dict(sorted(runs.by(found, "valley_V", "excess_mA").items()))
    preset = shapes.get(PRESET)

    def ahead(group: Runs) -> str:
        if preset is None or group == preset:
            return "-"
        return points(runs.right(group, "chip") - runs.right(preset, "chip"))

    groups = {(f"{s[0]:g}", f"{s[1]:g}", *valley(*s)): group for s, group in shapes.items()}
    columns = {
        "in float, %": lambda g: points(runs.right(g)),
        "on dies, %": lambda g: points(runs.right(g, "chip")),
        "loss, points": lambda g: points(runs.lost(g, "chip")),
        "ahead of the preset's, points": ahead,
    }
    return [table.table(f"valley: which curve, {dies.ANALOG}, {runs.size(found)}", KEYS, groups, columns)]
