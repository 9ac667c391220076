"""Which curve a device should have: networks trained anew for each valley, on the all-hardware chip.

The Esaki device of ``dendritic-analog`` with its valley nearer or farther and its excess current, which fills
the valley, smaller or larger. For every shape networks 784-128-10 are trained for that chip and put on dies
of it, all 10,000 test samples of Fashion-MNIST, read noise on. All have the recipe of ``ndrite experiment
depth``. Shapes are compared with the preset's, whose networks start from the same seeds.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip, load_chip
from ndrite.experiments import chips, crossing
from ndrite.experiments.crossing import FLOAT, crossed_bits
from ndrite.experiments.loss import ANALOG
from ndrite.experiments.runner import Table
from ndrite.experiments.trained import trained
from ndrite.intervals import bars, points

Floats = npt.NDArray[np.float64]

PRESET = (0.5, 0.1)
SHAPES = (PRESET, *((valley, excess) for valley in (0.25, 0.35, 0.5, 0.8) for excess in (0.03, 0.3)))
"""Valley voltage in volts and excess current in milliamperes."""
RATE, EPOCHS = 16e-3, 6
NETWORKS, DIES = 3, 2


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Network by network, so that a stopped experiment has few of everything."""
    networks, dies, size, shapes = NETWORKS, DIES, {"samples": 10_000, "epochs": EPOCHS}, SHAPES
    if smoke:
        networks, dies, size, shapes = 1, 1, {"samples": 300, "epochs": 0}, SHAPES[:2]
    return [
        {"valley_V": valley, "excess_mA": excess, "seed": seed, "die": die, **size}
        for seed in range(1, networks + 1)
        for valley, excess in shapes
        for die in range(dies)
    ]


@cache
def chip_of(valley_V: float, excess_mA: float) -> tuple[str, Chip, Any]:
    """Text of a chip description whose device has this valley, for training; the chip; and the folder that
    the text names, which is gone with the last who holds it."""
    source = "illustrative: a point of the grid"
    fields = {"valley_voltage_V": valley_V, "excess_current_mA": excess_mA}
    lines = [f'  {name}: {{value: {value}, source: "{source}"}}' for name, value in fields.items()]
    folder = tempfile.TemporaryDirectory(prefix="ndrite-valley-")
    part = Path(folder.name) / f"valley-{valley_V:g}-{excess_mA:g}.yaml"
    part.write_text("\n".join([f"name: {part.stem}", "description: a valley", "neuron:", *lines]) + "\n")
    text = f"{ANALOG}+{part}"
    return text, load_chip(text), folder


def curve_of(shape: tuple[float, float]) -> tuple[Floats, Floats]:
    """Output, of the peak, over voltage, of the peak's."""
    sampled = chip_of(*shape)[1].neuron.sampled
    assert sampled is not None
    return sampled[0], sampled[1]


def run(valley_V: float, excess_mA: float, seed: int, die: int, samples: int, epochs: int) -> dict[str, Any]:
    """One die of one network of one shape."""
    text, chip, _ = chip_of(valley_V, excess_mA)
    net, _ = trained(text, "ndr", seed, epochs, rate=RATE, tunable=True)
    x, _, test_x, test_labels = chips.learning_data(samples)
    number = crossing.die_number(seed, die)
    program = chips.make(net, chip, number, x[-chips.SAMPLES :]).program
    on_die = {"chip": crossing.right_on_die(program, test_x, test_labels, number)}
    return crossing.kept(crossing.right_in_float(net, test_x, test_labels), on_die)


def of_shape(results: list[dict[str, Any]], shape: tuple[float, float]) -> list[dict[str, Any]]:
    """Runs of one valley and excess current."""
    return [r for r in results if (r["valley_V"], r["excess_mA"]) == shape]


def shapes_of(results: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Shapes that were run, in order."""
    return sorted({(r["valley_V"], r["excess_mA"]) for r in results})


def valley(shape: tuple[float, float]) -> tuple[float, float]:
    """Where the valley is, in peak voltages, and its current, in peak currents."""
    u, y = curve_of(shape)
    beyond = u > 1.0
    deepest = int(np.argmin(np.where(beyond, y, np.inf)))
    return float(u[deepest]), float(y[deepest])


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Accuracy and loss of every shape, and what it is ahead of the preset's."""
    preset = of_shape(results, PRESET)
    rows = []
    for shape in shapes_of(results):
        group = of_shape(results, shape)
        in_float, on_dies = crossed_bits(group, FLOAT), crossed_bits(group, "chip")
        at, depth = valley(shape)
        ahead = "-" if shape == PRESET or not preset else points(on_dies - crossed_bits(preset, "chip"))
        rows.append(
            (
                f"{shape[0]:g}",
                f"{shape[1]:g}",
                f"{at:.1f}",
                f"{100 * depth:.0f}",
                points(in_float),
                points(on_dies),
                points(in_float - on_dies),
                ahead,
            )
        )
    header = (
        "valley, V",
        "excess current, mA",
        "deepest at, peak voltages",
        "there, % of the peak",
        "in float, %",
        "on dies, %",
        "loss, points",
        "ahead of the preset's, points",
    )
    return [Table(f"valley: which curve, {ANALOG}, {crossing.size(results)}", header, rows)]


facts = crossing.facts


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Curves on the left, accuracy on dies on the right, in the same colours."""
    left, right = figure.subplots(1, 2)
    for i, shape in enumerate(shapes_of(results)):
        u, y = curve_of(shape)
        seen = (u >= 0) & (u <= 8)
        name = f"{shape[0]:g} V, {shape[1]:g} mA"
        left.plot(u[seen], y[seen], color=f"C{i}", linewidth=0.9, label=name)
        on_dies = crossed_bits(of_shape(results, shape), "chip")
        right.errorbar(i, *bars(on_dies), fmt="o", capsize=3, color=f"C{i}")
    left.set(xlabel="voltage, of the peak's", ylabel="output")
    left.legend(fontsize=5)
    right.set_xticks([])
    right.set_ylabel("accuracy on dies, %")
