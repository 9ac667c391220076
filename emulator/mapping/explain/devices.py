"""Devices with some causes of error on: those of the die or those that were trained, exact or as tables."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ndr.curves import NdrModel, Shaped, peak_of
from emulator.device.ndr.pwl import PwlTable, fit_pwl
from emulator.device.ndr.window import Window
from emulator.mapping.devices import Neurons, curves_of, without_load
from emulator.mapping.die import DieTable
from emulator.mapping.functions import placed
from emulator.mapping.neuron import Shape, heights_and_peaks, trained_outputs, trained_shape
from emulator.network import Activation, Ndr, Table
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN

Floats = npt.NDArray[np.float64]


def neurons_with(
    causes: Collection[str], held: Neurons | None, activation: Activation, outputs: int, chip: Chip
) -> Neurons:
    """The die's devices (``held``, None where there are none), or those the network was trained with, behind
    their resistance or not."""
    if "NDR device" in causes and held is not None:
        return held if "load line" in causes else without_load(held, chip)
    heights, peaks = heights_and_peaks(activation, outputs)
    if held is not None and "load line" in causes:
        shape = shape_with(causes, activation, chip)
        return Neurons(heights, peaks, lambda u: heights * shape(u), False, 0)

    def trained(u: Floats) -> Floats:
        return trained_outputs(activation, u * peaks)

    return Neurons(heights, peaks, trained, False, 0)


def shape_with(causes: Collection[str], activation: Activation, chip: Chip) -> Shape:
    """The trained curve or the nominal device's, as it is or behind the chip's resistance."""
    neuron, shape = chip.neuron, trained_shape(activation)
    if not isinstance(activation, Ndr):
        return shape
    device: NdrModel = neuron.device
    if "NDR device" not in causes:
        device = Shaped(shape, *peak_of(device))
    model = (neuron.in_circuit(device) if "load line" in causes else None) or device
    return lambda u: np.clip(model.shape(u), 0.0, 1.0)


def functions_with(
    causes: Collection[str],
    node: Table,
    held: DieTable | None,
    x: Floats,
    chip: Chip,
    segments: int,
    table_bits: int,
) -> Floats:
    """What a table makes of maps ``x`` (n, C, H, W), not rounded to output codes: (n, E, H, W)."""
    outputs = len(node.channel)
    devices = None if held is None else held.neurons
    neurons = neurons_with(causes, devices, node.activation, outputs, chip)
    table = DieTable(neurons, node.gain.astype(np.float64), node.shift_by.astype(np.float64))
    at = np.moveaxis(x[:, node.channel], 1, -1)
    if "PWL fit" in causes:
        offset, scale, wanted = placed(table.values(), segments)
        fitted = fit_pwl(wanted, segments=segments, table_bits=table_bits)
        y = _looked_up(fitted, np.arange(outputs), (at * INPUT_MAX + offset) * scale, table_bits)
    else:
        y = neurons.curves((at * table.gain + table.shift) / neurons.peaks)
    return np.moveaxis(y, -1, 1)


def table_of_neurons(neurons: Neurons, window: Window, u: Floats, segments: int, table_bits: int) -> Floats:
    """Outputs 0..1 of the neurons' tables at u (n, M), not rounded to output codes."""
    wanted, which = curves_of(neurons, window, u.shape[1])
    table = fit_pwl(wanted, segments=segments, table_bits=table_bits)
    return _looked_up(table, which, u * window.per_unit + window.zero, table_bits)


def _looked_up(table: PwlTable, which: npt.NDArray[np.intp], voltage: Floats, table_bits: int) -> Floats:
    """Outputs 0..1 of curve ``which`` (M,) at voltages in codes (..., M)."""
    v = np.clip(np.floor(voltage + 0.5), V_MIN, V_MAX).astype(np.int64) - V_MIN
    f = table.segment_bits
    q = np.broadcast_to(which, v.shape)
    line = table.base[q, v >> f] + table.slope[q, v >> f] * ((v & ((1 << f) - 1)) / (1 << f))
    y: Floats = np.clip(line / (1 << table_bits), 0.0, INPUT_MAX) / INPUT_MAX
    return y
