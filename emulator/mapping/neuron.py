"""Neurons: the curve that an activation asks for, and the one that the chip's device has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emulator.device.description import Neuron
from emulator.device.ndr.circuit import Circuit
from emulator.device.ndr.window import Window, choose_window
from emulator.network.activation import NAMED, Activation, Ndr, Sampled

Floats = npt.NDArray[np.float64]
Shape = Callable[[Floats], Floats]


def shape_of(activation: Activation, neuron: Neuron) -> Shape:
    """The curve in its own unit, outputs 0..1: the chip's neuron for NDR, the function for a named one."""
    if isinstance(activation, Ndr):
        circuit = neuron.circuit
        return lambda u: np.clip(circuit.shape(u), 0.0, 1.0)
    return trained_shape(activation)


def heights_and_peaks(activation: Activation, outputs: int) -> tuple[Floats, Floats]:
    """Output at the peak and unit of u per neuron, both float64 (M,)."""
    if isinstance(activation, Ndr):
        return activation.height.astype(np.float64), activation.peak.astype(np.float64)
    return np.ones(outputs), np.ones(outputs)


def trained_shape(activation: Activation) -> Shape:
    """The curve the network was trained with, in its own unit, outputs 0..1."""
    function = activation.shape if isinstance(activation, Ndr | Sampled) else NAMED[activation.name]
    return lambda u: np.clip(np.asarray(function(u), np.float64), 0.0, 1.0)


def trained_outputs(activation: Activation, z: Floats) -> Floats:
    """The float network's outputs (n, M) in 0..1 of pre-activations ``z``, whatever the chip's device."""
    heights, peaks = heights_and_peaks(activation, z.shape[1])
    return heights * trained_shape(activation)(z / peaks)


def jumps_of(activation: Activation, neuron: Neuron) -> tuple[float, ...]:
    """Where the curve of ``shape_of`` jumps, in its own unit: a bistable neuron's."""
    circuit = neuron.circuit
    if not isinstance(activation, Ndr) or not isinstance(circuit, Circuit) or circuit.read_time_s:
        return ()
    return tuple(v / circuit.unit_V for v in circuit.jumps_up_V)


def window_of(activation: Activation, shape: Shape, segments: int, jumps: tuple[float, ...] = ()) -> Window:
    """The window for a layer: a sampled function's own ends, else the best of ``choose_window``."""
    if isinstance(activation, Sampled):
        return Window(*activation.ends, segments, 0.0)
    return choose_window(shape, segments, jumps)
