"""The picture of the demo: a neuron, the confusion matrix, and where the accuracy goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ndr.window import curves
from emulator.golden.neuron import table_of
from emulator.mapping.devices import heights_and_peaks, jumps_of, shape_of, window_of
from emulator.network import Ndr, Network
from emulator.network.datasets.fashion_mnist import CLASSES
from emulator.spec import Program
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK


@dataclass(frozen=True, eq=False)
class NeuronCurve:
    """One hidden neuron over all 4096 voltage codes.

    ``volts`` float64; ``device`` float64 and ``table`` uint8 in output steps (0..255), each (4096,);
    ``ends`` the volts at which a PWL segment begins.
    """

    volts: npt.NDArray[np.float64]
    device: npt.NDArray[np.float64]
    table: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.float64]

    @property
    def error(self) -> npt.NDArray[np.float64]:
        """Table minus device, in output steps (LSB)."""
        return self.table - self.device

    @property
    def max_error_lsb(self) -> float:
        """Largest magnitude of ``error``."""
        return float(np.abs(self.error).max())


def neuron_curve(network: Network, program: Program, chip: Chip) -> NeuronCurve | None:
    """The first hidden layer's neuron of the greatest height; None without NDR neurons."""
    activation = network.layers[0].activation
    if not isinstance(activation, Ndr):
        return None
    layer = program.layers[0]
    m = int(activation.height.argmax())
    segments = program.curve_base.shape[1]
    window = window_of(
        activation, shape_of(activation, chip.neuron), segments, jumps_of(activation, chip.neuron)
    )
    heights, _ = heights_and_peaks(activation, layer.outputs)
    volts = window.values() * chip.neuron.unit_V
    return NeuronCurve(
        volts=volts,
        device=curves(shape_of(activation, chip.neuron), window, heights[[m]])[0],
        table=table_of(program, layer, m),
        ends=volts[:: len(volts) // segments],
    )


def draw(
    confusion: npt.NDArray[np.int64], losses: list[tuple[str, float]], curve: NeuronCurve | None, path: Path
) -> None:
    """Write the picture (PNG, or what the file's suffix says)."""
    figure = drawing.figure(15, 5)
    parts: Any = figure.subfigures(1, 3, width_ratios=(1.0, 1.15, 1.0))
    left, middle, right = parts
    if curve is not None:
        _curve(left, curve)
    axes = middle.subplots()
    drawing.confusion(axes, confusion, CLASSES, 6.5)
    axes.set(title=f"golden, {confusion.sum():,} test samples")
    _losses(right, losses)
    drawing.save(figure, path)


def _curve(figure: Any, curve: NeuronCurve) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot(curve.volts, curve.device, color=INK, lw=3, alpha=0.35, label="device")
    upper.plot(curve.volts, curve.table, color=ACCENT, lw=1, label="table on the chip")
    upper.plot(curve.ends, np.interp(curve.ends, curve.volts, curve.table), ".", color=ACCENT, ms=4)
    upper.set(title=f"NDR neuron, {len(curve.ends)} segments", ylabel="output (0..255)")
    upper.legend(frameon=False)
    lower.plot(curve.volts, curve.error, color=ACCENT, lw=0.8)
    lower.axhline(0, color="0.6", lw=0.8)
    lower.set(xlabel="voltage (V)", ylabel="error (LSB)")
    lower.set_title(f"largest error {curve.max_error_lsb:.2f} LSB", fontsize=9)


def _losses(figure: Any, losses: list[tuple[str, float]]) -> None:
    axes = figure.subplots()
    names = [name for name, _ in losses]
    values = np.array([100 * value for _, value in losses])
    axes.bar(range(len(values)), values, color=[INK] + [ACCENT] * (len(values) - 1), width=0.6)
    for i, value in enumerate(values):
        change = f" ({value - values[i - 1]:+.2f})" if i else ""
        axes.text(i, value + 0.05, f"{value:.2f} %{change}", ha="center", va="bottom", fontsize=8)
    axes.set_ylim(np.floor(values.min() - 2), np.ceil(values.max() + 1))
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
    axes.set(title="where the accuracy goes", ylabel="accuracy (%), axis cut")
