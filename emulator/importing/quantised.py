"""What codes and tables cost, the array itself exact: measured on inputs, and bounded for any."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.compile.neuron import Window, window_of
from emulator.compile.pwl import fit_pwl
from emulator.network import Conv, ConvNetwork, Dense, Network, Sampled
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

SEGMENTS = 32


def quantised(network: Network | ConvNetwork, codes: Codes) -> Floats:
    """Outputs float64 (n, M) of input codes (n, K): 8-bit codes between layers, functions as the chip's
    tables."""
    h: Codes = codes
    tail = network
    if isinstance(network, ConvNetwork):
        maps = network.maps(codes)
        for stage in network.stages:
            z = _product(stage.dense, stage.patches.cut(maps, round(stage.pad * INPUT_MAX)))
            maps = stage.patches.place(_codes(stage.dense, z))
            maps = maps if stage.pool is None else stage.pool(maps)
        h = maps.reshape(len(maps), -1)
        tail = network.tail
    assert isinstance(tail, Network)
    for layer in tail.layers[:-1]:
        h = _codes(layer, _product(layer, h))
    return _product(tail.layers[-1], h)


def errors_of(network: Network | ConvNetwork, table_errors: list[float]) -> float:
    """Largest possible error of any output, ``table_errors`` (0..1) of every layer in turn.

    An error of a layer's inputs reaches its outputs through the weights' absolute values and the function's
    steepest slope; the table's own error, and half a voltage code, come on top.
    """
    layers: list[Dense | Conv] = list(network.layers if isinstance(network, Network) else network.stages)
    if isinstance(network, ConvNetwork):
        layers += network.tail.layers
    error: Floats = np.full(1, 0.5 / INPUT_MAX)
    before: tuple[int, ...] | None = None
    for layer, table in zip(layers, table_errors, strict=True):
        if isinstance(layer, Conv):
            channels = layer.patches.shape[0]
            by_input = np.repeat(np.broadcast_to(error, (channels,)), layer.patches.inputs // channels)
            error = _through(layer.dense, by_input, table)
            if layer.pool is not None and layer.pool.kind == "average":
                error = error + 0.5 / INPUT_MAX
            before = layer.shape
            continue
        if before is not None:
            error = np.repeat(error, before[1] * before[2])
            before = None
        error = _through(layer, np.broadcast_to(error, (layer.inputs,)), table)
    return float(error.max())


def _through(dense: Dense, error: Floats, table: float) -> Floats:
    reached: Floats = error @ np.abs(dense.weights.astype(np.float64))
    if not isinstance(dense.activation, Sampled):
        return reached
    points = dense.activation.points.astype(np.float64)
    slope = float(np.abs(np.diff(points[1]) / np.diff(points[0])).max())
    rounding = 0.5 / Window(*dense.activation.ends, SEGMENTS, 0.0).per_unit
    return np.minimum(1.0, slope * (reached + rounding) + table)


def _product(dense: Dense, codes: Codes) -> Floats:
    z: Floats = codes.astype(np.float64) / INPUT_MAX @ dense.weights.astype(np.float64) + dense.bias
    return z


def _codes(dense: Dense, z: Floats) -> Codes:
    activation = dense.activation
    assert isinstance(activation, Sampled)
    shape = activation.shape
    window = window_of(activation, shape, SEGMENTS)
    table = fit_pwl(INPUT_MAX * np.clip(shape(window.values()), 0.0, 1.0), segments=SEGMENTS)
    v = np.clip(np.rint(window.zero + window.per_unit * z), V_MIN, V_MAX).astype(np.int64)
    y: Codes = table.evaluate()[0][v - V_MIN]
    return y
