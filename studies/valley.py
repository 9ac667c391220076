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
from studies.runs import FLOAT, Floats, Runs
from studies.training import CHIP_RATE, trained

OVER = "95 %, bootstrap over networks, dies and samples"
PRESET = (0.5, 0.1)
SHAPES = (PRESET, *((valley, excess) for valley in (0.25, 0.35, 0.5, 0.8) for excess in (0.03, 0.3)))
"""Valley voltage in volts and excess current in milliamperes."""


def grid(smoke: bool) -> Runs:
    """Network by network, so that a stopped study has few of everything."""
    networks, count, samples, epochs = (1, 1, 300, 0) if smoke else (3, 2, 10_000, 6)
    return [
        {
            "valley_V": valley,
            "excess_mA": excess,
            "seed": seed,
            "die": die,
            "samples": samples,
            "epochs": epochs,
        }
        for seed in range(1, networks + 1)
        for valley, excess in (SHAPES[:2] if smoke else SHAPES)
        for die in range(count)
    ]


def fields(valley_V: float, excess_mA: float) -> dict[str, float]:
    """Changes of the chip description."""
    return {"neuron__valley_voltage_V": valley_V, "neuron__excess_current_mA": excess_mA}


def run(valley_V: float, excess_mA: float, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """One die of one network of one shape."""
    curve = fields(valley_V, excess_mA)
    net, _ = trained(dies.ANALOG, "ndr", seed, epochs, rate=CHIP_RATE, fields=tuple(curve.items()))
    x, _, *test = learning_data(samples)
    number = runs.die_number(seed, die)
    program = dies.make(net, dies.changed(dies.ANALOG, **curve), number, x[-dies.SAMPLES :]).program
    return runs.kept(runs.in_float(net, *test), {"chip": runs.on_die(program, number, *test)})


def curve_of(shape: tuple[float, float]) -> tuple[Floats, Floats]:
    """Output, of the peak, over voltage, of the peak's."""
    sampled = dies.changed(dies.ANALOG, **fields(*shape)).neuron.sampled
    assert sampled is not None
    return sampled[0], sampled[1]


def valley(shape: tuple[float, float]) -> tuple[str, str]:
    """Where the valley is, in peak voltages, and its current, in percent of the peak."""
    u, y = curve_of(shape)
    deepest = int(np.argmin(np.where(u > 1.0, y, np.inf)))
    return f"{u[deepest]:.1f}", f"{100 * y[deepest]:.0f}"


def of_shapes(found: Runs) -> dict[tuple[Any, ...], Runs]:
    """Runs by valley voltage and excess current."""
    return dict(sorted(runs.by(found, "valley_V", "excess_mA").items()))


def tables(found: Runs) -> list[table.Table]:
    """Accuracy and loss of every shape, and what it is ahead of the preset's."""
    shapes = of_shapes(found)
    preset = shapes.get(PRESET)

    def ahead(group: Runs) -> str:
        if preset is None or group == preset:
            return "-"
        return points(runs.right(group, "chip") - runs.right(preset, "chip"))

    keys = ("valley, V", "excess current, mA", "deepest at, peak voltages", "there, % of the peak")
    groups = {(f"{s[0]:g}", f"{s[1]:g}", *valley((s[0], s[1]))): group for s, group in shapes.items()}
    columns = {
        "in float, %": lambda g: points(runs.right(g)),
        "on dies, %": lambda g: points(runs.right(g, "chip")),
        "loss, points": lambda g: points(runs.right(g, FLOAT) - runs.right(g, "chip")),
        "ahead of the preset's, points": ahead,
    }
    return [table.table(f"valley: which curve, {dies.ANALOG}, {runs.size(found)}", keys, groups, columns)]


def draw(found: Runs, figure: Any) -> None:
    """Curves, and accuracy on dies in the same order."""
    names = {shape: f"{shape[0]:g} V, {shape[1]:g} mA" for shape in of_shapes(found)}
    curves = {}
    for shape, name in names.items():
        u, y = curve_of((shape[0], shape[1]))
        seen = (u >= 0) & (u <= 8)
        curves[name] = (u[seen], y[seen])
    right = {names[shape]: runs.right(group, "chip") for shape, group in of_shapes(found).items()}
    panels: dict[str, Any] = {
        "output over voltage, of the peak's": curves,
        "accuracy on dies, %": {"": right},
    }
    table.draw(figure, panels, ylabel="")
