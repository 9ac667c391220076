"""The chip in floating point with any set of causes of error switched on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.chips import Chip
from emulator.compile.converters import column_gain
from emulator.compile.devices import Neurons, curves_of
from emulator.compile.layer import LayerDetail
from emulator.compile.neuron import Window, heights_and_peaks, trained_outputs, trained_shape, window_of
from emulator.compile.pwl import fit_pwl
from emulator.explain.causes import weight_changes
from emulator.network import Activation, Network
from emulator.spec import Layer
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, slices

Floats = npt.NDArray[np.float64]

CONVERTING = {"ADC clipping", "ADC rounding", "converter mismatch", "read noise"}


@dataclass(frozen=True, eq=False)
class Stage:
    """One layer of the chip: its integers, its float detail, what each cause adds to the weights."""

    layer: Layer
    detail: LayerDetail
    weights: Floats
    bias: Floats
    activation: Activation | None
    changes: dict[str, Floats]


def stages(
    network: Network, chip: Chip, layers: Collection[Layer], details: Collection[LayerDetail]
) -> list[Stage]:
    """What ``logits`` needs of a compiled network."""
    return [
        Stage(
            layer,
            detail,
            dense.weights.astype(np.float64),
            dense.bias.astype(np.float64),
            dense.activation,
            weight_changes(dense, detail, chip),
        )
        for dense, layer, detail in zip(network.layers, layers, details, strict=True)
    ]


def logits(
    built: list[Stage],
    chip: Chip,
    x: npt.NDArray[np.uint8],
    causes: Collection[str],
    *,
    corrected: int = 0,
    segments: int = 32,
    table_bits: int = 6,
    seed: int = 0,
) -> Floats:
    """Outputs (n, M) in the float network's unit, with the named causes on and all others off.

    Parameters
    ----------
    x:
        Input codes, uint8 (n, inputs).
    corrected:
        When not 0, gains (where the chip can set them) and biases are corrected on the first so many rows.
    segments, table_bits:
        Of the neuron's tables.
    seed:
        Of the read noise; this model's draws are not the golden model's.
    """
    h = x.astype(np.float64) / INPUT_MAX
    exact = h
    for i, stage in enumerate(built):
        rng = np.random.Generator(np.random.Philox(key=[seed, i]))
        weights = stage.weights + sum((stage.changes[c] for c in causes if c in stage.changes), np.zeros(1))
        z = _converted(stage, chip, h, weights, causes, rng) if CONVERTING & set(causes) else h @ weights
        if corrected:
            wanted = exact @ stage.weights
            if chip.readout.kind == "adc" or stage.activation is not None:
                z = z * column_gain(wanted[:corrected], z[:corrected])
            z = z + (wanted - z)[:corrected].mean(axis=0)
            after = wanted + stage.bias
            exact = after if stage.activation is None else trained_outputs(stage.activation, after)
        z = z + stage.bias
        h = _activated(stage, chip, z, causes, segments, table_bits)
    return h


def _converted(
    stage: Stage,
    chip: Chip,
    h: Floats,
    weights: Floats,
    causes: Collection[str],
    rng: np.random.Generator,
) -> Floats:
    """Pre-activations without bias, through tiles, slices, noise and converters."""
    layer, detail = stage.layer, stage.detail
    adc, bits = layer.readout == "adc", layer.dac_bits
    rows = layer.tile_rows(chip.array.rows)
    half = float(1 << (layer.adc_bits - 1))
    built = detail.built if "converter mismatch" in causes else detail.designed
    total = np.zeros((len(h), layer.outputs))
    for k in range(0, layer.inputs, rows):
        w = weights[k : k + rows] / detail.mapped.unit
        for j, part in enumerate(_sliced(h[:, k : k + rows] * INPUT_MAX, bits)):
            a = part @ w
            if "read noise" in causes:
                variance = layer.sigma_out**2 + layer.var_cell / 256 * np.square(part).sum(axis=1)
                a = a + np.sqrt(variance)[:, None] * rng.standard_normal(a.shape)
            if adc:
                c = a / built.lsb + built.offset
                if "ADC rounding" in causes:
                    c = np.floor(c + 0.5)
                if "ADC clipping" in causes:
                    edge = 0.0 if "ADC rounding" in causes else 0.5
                    c = np.clip(c, -half - edge, half - 1 + edge)
                a = (c - detail.designed.offset) * detail.designed.lsb
            total += a * float(1 << (j * bits))
    return total * detail.mapped.unit / INPUT_MAX


def _sliced(x: Floats, bits: int) -> list[Floats]:
    """Slices of inputs in code units; what is below one code goes with slice 0."""
    if bits == 8:
        return [x]
    whole = np.floor(x).astype(np.int64)
    parts = [((whole >> (j * bits)) & ((1 << bits) - 1)).astype(np.float64) for j in range(slices(bits))]
    parts[0] = parts[0] + (x - whole)
    return parts


def _activated(
    stage: Stage, chip: Chip, z: Floats, causes: Collection[str], segments: int, table_bits: int
) -> Floats:
    if stage.activation is None:
        return z
    neurons = _neurons(stage, chip, causes)
    if "PWL fit" in causes:
        window = stage.detail.window
        if "NDR device" not in causes or window is None:
            window = window_of(stage.activation, trained_shape(stage.activation), segments)
        y = _table(neurons, window, z / neurons.peaks, segments, table_bits)
    else:
        y = neurons.curves(z / neurons.peaks)
    return np.floor(y * INPUT_MAX + 0.5) / INPUT_MAX if "DAC" in causes else y


def _neurons(stage: Stage, chip: Chip, causes: Collection[str]) -> Neurons:
    """The chip's neurons, or those the network was trained with."""
    assert stage.activation is not None
    if "NDR device" in causes and stage.detail.neurons is not None:
        return stage.detail.neurons
    activation, outputs = stage.activation, stage.layer.outputs
    heights, peaks = heights_and_peaks(activation, outputs)

    def trained(u: Floats) -> Floats:
        return trained_outputs(activation, u * peaks)

    return Neurons(heights, peaks, trained, trained, False, 0)


def _table(neurons: Neurons, window: Window, u: Floats, segments: int, table_bits: int) -> Floats:
    """Outputs 0..1 of the neurons' tables at u, not rounded to output codes."""
    wanted, which = curves_of(neurons, window, u.shape[1])
    table = fit_pwl(wanted, segments=segments, table_bits=table_bits)
    v = np.clip(np.floor(u * window.per_unit + window.zero + 0.5), V_MIN, V_MAX).astype(np.int64) - V_MIN
    f = table.segment_bits
    q = np.broadcast_to(which, v.shape)
    line = table.base[q, v >> f] + table.slope[q, v >> f] * ((v & ((1 << f) - 1)) / (1 << f))
    y: Floats = np.clip(line / (1 << table_bits), 0.0, INPUT_MAX) / INPUT_MAX
    return y
