"""The neuron's curve: what the device does, what the table on the chip gives, and the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ndr.window import curves
from emulator.golden.neuron import neuron
from emulator.mapping.neuron import heights_and_peaks, jumps_of, shape_of, window_of
from emulator.network import Ndr, Network
from emulator.spec import Layer, Program
from emulator.spec.arithmetic import V_MAX, V_MIN


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
    codes = np.arange(V_MIN, V_MAX + 1, dtype=np.int64)
    volts = window.values() * chip.neuron.unit_V
    return NeuronCurve(
        volts=volts,
        device=curves(shape_of(activation, chip.neuron), window, heights[[m]])[0],
        table=_table(program, layer, m, codes),
        ends=volts[:: len(codes) // segments],
    )


def _table(program: Program, layer: Layer, m: int, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Output of neuron ``m`` for every code, in the chip's own arithmetic."""
    every = np.repeat(codes[:, None], layer.outputs, axis=1)
    return neuron(every, layer, program.curve_base, program.curve_slope)[:, m]
