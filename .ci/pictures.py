"""Pictures for the documentation: ``.venv/bin/python .ci/pictures.py docs/images``
(`make pictures`).

The chip explained, a plan's points, and the terminal cast. What is drawn is
computed here and now.
"""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import cast
import numpy as np

from ndrite.emulator.device.description import load_chip
from ndrite.pages import drawing
from ndrite.pages.drawing import ACCENT, INK, PALE
from ndrite.shell.main import OK, run

PLAN = "chip: dendritic-ndr\ngrid: {readout.adc_bits: [4, 5, 6, 8], input.dac_bits: [1, 2, 8]}\ncount: 1000\n"
STATES = ((1.0, "high"), (0.55, "middle"), (0.1, "low"))
"""Factors on the peak current that the illustrative chip's ECRAM reaches, and
what to call them."""


def draw(into: Path) -> None:
    """Write ``neuron.svg``, ``front.svg`` and ``cast.svg``."""
    figure = drawing.figure(9, 3.2)
    circuit, curves = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _circuit(circuit)
    _curves(curves)
    drawing.save(figure, into / "neuron.svg")
    with contextlib.chdir(tempfile.mkdtemp()):
        Path("plan.yaml").write_text(PLAN)
        assert run(["sweep", "plan.yaml", "-p", str(into / "front.svg")]) == OK
    cast.main(into / "cast.svg")


def _circuit(axes: Any) -> None:
    """A column of cells into an NDR neuron at its foot, and the ECRAM that tunes it."""
    axes.set(xlim=(0, 10), ylim=(0, 10), title="one column of a crossbar, and its neuron")
    axes.axis("off")
    column, foot = 4.0, 3.2
    axes.plot([column, column], [foot, 9.4], color=INK, lw=2)
    for i, name in enumerate(("x0", "x1", "x2")):
        y = 8.6 - 1.7 * i
        axes.plot([1.2, 6.8], [y, y], color=PALE, lw=2)
        axes.text(0.9, y, name, ha="right", va="center")
        axes.add_patch(_box(column - 0.45, y - 0.4, 0.9, 0.8, ACCENT))
        axes.text(column + 0.7, y + 0.25, f"G{i}", color=ACCENT, fontsize=9)
    axes.text(7.1, 6.9, "RRAM cells:\ncurrent = sum of x G", va="center", fontsize=9)
    axes.add_patch(_box(2.6, 1.6, 2.8, 1.6, INK))
    axes.text(4.0, 2.4, "NDR", color="white", ha="center", va="center", weight="bold")
    axes.add_patch(_box(6.6, 1.8, 2.2, 1.2, PALE))
    axes.text(7.7, 2.4, "ECRAM", color="white", ha="center", va="center", weight="bold", fontsize=9)
    axes.annotate("", (5.45, 2.4), (6.55, 2.4), arrowprops={"arrowstyle": "->", "color": INK})
    axes.text(6.0, 2.75, "tunes", ha="center", fontsize=8)
    axes.annotate("", (4.0, 0.3), (4.0, 1.6), arrowprops={"arrowstyle": "->", "color": INK, "lw": 2})
    axes.text(4.3, 0.7, "to the next crossbar", fontsize=9)


def _box(x: float, y: float, width: float, height: float, color: str) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.05", facecolor=color, edgecolor="none")


def _curves(axes: Any) -> None:
    """Current over voltage for some states of the ECRAM of preset ``dendritic-ndr``."""
    device = load_chip("dendritic-ndr").neuron.device
    volts = np.linspace(0, 0.45, 400)
    current = 1e3 * np.asarray(device.current(volts))
    for (factor, name), color in zip(STATES, (INK, ACCENT, PALE), strict=True):
        axes.plot(volts, factor * current, color=color, lw=2, label=f"ECRAM {name}")
    axes.axvspan(device.peak_voltage_V, 0.45, color=PALE, alpha=0.15)
    axes.text(0.3, 0.6 * current.max(), "more voltage,\nless current", va="center", fontsize=9)
    axes.set(xlabel="voltage (V)", ylabel="current (mA)", title="its curve: rise, then fall")
    axes.legend(frameon=False, loc="upper right")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
