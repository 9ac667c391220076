"""Kolmogorov-Arnold networks of splines, or of any functions of single values: fitted by a device's curves.

Functions of edges are read where the samples go, from a pykan model, an ONNX file or a user's own layers.
Each becomes a weighted sum of the same few NDR curves, by least squares. What that loses is in the report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network.activation import Named, Ndr
from emulator.network.dense import Dense
from emulator.network.floats import result
from emulator.network.importing.onnx_edges import onnx_edges
from emulator.network.network import Network
from emulator.network.nodes import Node, Product, Table
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.inputs import InputRange
from emulator.spec.meaning import Meaning
from emulator.spec.patches import Patches

Floats = npt.NDArray[np.float64]
Functions = Callable[[Floats], Floats]
"""Values (n, inputs) to what every edge gives, (n, outputs, inputs)."""

POINTS = 257
"""Where functions are read, evenly over what their input spans."""
SPREAD = 0.5
"""Peak voltages that an input spans, times the number of bases: narrower curves leave ripples."""
WIDER = 0.05
"""Part of a range that is added at either end: the fitted network's sums reach a little further."""
RIDGE = 1e-6
"""Times the mean square of the bases: keeps weights from growing for the last bit of a fit."""
BASES_MAX = 32


@dataclass(frozen=True, kw_only=True)
class KanReport:
    """What fitting lost.

    Attributes
    ----------
    fit_rms:
        Root mean square error of each layer's functions over the ranges of their inputs, in parts of that of
        the functions about their means.
    float_rms, float_max:
        Of the float network's outputs on the samples, in the model's unit.
    error_rms, error_max:
        The same with every map in codes 0..255; tables, cells and converters are left to compiling.
    """

    fit_rms: tuple[float, ...]
    float_rms: float
    float_max: float
    error_rms: float
    error_max: float


class ImportedKan(NamedTuple):
    """The float network, what its input codes stand for, and what fitting lost."""

    network: Network
    inputs: InputRange
    report: KanReport


def import_kan(
    model: Any,
    samples: npt.ArrayLike,
    *,
    bases: int = 8,
    curve: npt.NDArray[np.float32] | None = None,
    at: Sequence[str] | None = None,
    name: str = "kan",
) -> ImportedKan:
    """Fit a KAN by NDR curves.

    Parameters
    ----------
    model:
        A pykan model (``kan.KAN``) without multiplication nodes; the path of an ``.onnx`` file; or a sequence
        of layers: functions of values (n, inputs) that give (n, outputs, inputs), which are summed over
        inputs.
    samples:
        Typical inputs, float (n, inputs): they set every range, and the errors are measured on them.
    bases:
        Curves of every value, 1..32.
    curve:
        The device's shape as ``Ndr.curve``; None: ``x exp(1 - x)``.
    at:
        Of an ONNX file: names of the tensors where layers begin and end, in order; samples are of the first
        one. None: from the input on, each layer as long as it is a sum of functions of single values.

    Raises
    ------
    NetworkError
        When the model is none of these, samples do not fit it, a layer of a file is no sum of functions of
        single values, or a function is not finite on its range.
    MissingExtraError
        For a file, without the package ``onnx``.
    """
    x = np.asarray(samples, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise NetworkError(f"samples are {x.shape}; accepted: (n, inputs), n at least 2, finite")
    if not 1 <= bases <= BASES_MAX:
        raise NetworkError(f"bases is {bases}; accepted: 1..{BASES_MAX}")
    layers = _layers(model, x, at)
    if not layers:
        raise NetworkError("the model has no layer; accepted: at least one")
    inputs = InputRange.of_samples(x)
    nodes: list[Node] = []
    low, span, values, lost = inputs.low, inputs.span, x, []
    for number, functions in enumerate(layers):
        weights, bias, error = _fitted(number, functions, low, span, bases, curve)
        lost.append(error)
        values = _read(number, functions, values).sum(axis=2)
        last = number == len(layers) - 1
        count = len(low)
        if not last:
            low, high = values.min(axis=0), values.max(axis=0)
            room = WIDER * np.where(high > low, high - low, 1.0)
            low, span = low - room, high - low + 2 * room
            weights, bias = weights / span, (bias - low) / span
        source = len(nodes)
        dense = Dense(weights.astype(np.float32), bias.astype(np.float32), None if last else Named("relu"))
        nodes.append(_bases(source, count, bases, curve))
        nodes.append(Product(dense, (source + 1,), Patches.whole((bases * count, 1, 1))))
    network = Network(tuple(nodes), (x.shape[1], 1, 1), name, meaning=Meaning(inputs=inputs))
    exact = network.forward(inputs.unit(x)) - values
    coded = _in_codes(network, inputs.encode(x)) - values
    report = KanReport(
        fit_rms=tuple(lost),
        float_rms=_rms(exact),
        float_max=float(np.abs(exact).max()),
        error_rms=_rms(coded),
        error_max=float(np.abs(coded).max()),
    )
    return ImportedKan(network, inputs, report)


def _layers(model: Any, x: Floats, at: Sequence[str] | None) -> tuple[Functions, ...]:
    if isinstance(model, str | os.PathLike):
        return onnx_edges(Path(model), x, at)
    if at is not None:
        raise NetworkError(f"at is {list(at)}; accepted: none, as the model is no ONNX file")
    return _pykan_layers(model) if hasattr(model, "act_fun") else tuple(model)


def _bases(source: int, channels: int, bases: int, curve: npt.NDArray[np.float32] | None) -> Table:
    """Curves whose peaks are spread evenly over 0..1, basis by basis."""
    gain = np.full(bases * channels, SPREAD * bases, np.float32)
    centres = ((np.arange(bases, dtype=np.float32) + 0.5) / bases).repeat(channels)
    ones = np.ones(len(gain), np.float32)
    channel = np.tile(np.arange(channels, dtype=np.int32), bases)
    shift = (1 - gain * centres).astype(np.float32)
    return Table((source,), channel, gain, shift, Ndr(ones, ones, curve))


def _fitted(
    number: int,
    functions: Functions,
    low: Floats,
    span: Floats,
    bases: int,
    curve: npt.NDArray[np.float32] | None,
) -> tuple[Floats, Floats, float]:
    """Weights (bases * inputs, outputs) and bias (outputs,) of a layer, and what the fit loses."""
    u = np.linspace(0.0, 1.0, POINTS)
    wanted = _read(number, functions, low + span * u[:, None])
    _, outputs, inputs = wanted.shape
    terms = (
        result(_bases(0, 1, bases, curve), [u.astype(np.float32)[:, None, None, None]])
        .reshape(POINTS, bases)
        .astype(np.float64)
    )
    level = terms.mean(axis=0)
    held = wanted.reshape(POINTS, -1)
    middle = held.mean(axis=0)
    # Constants go into the bias, so the curves are fitted about their means.
    about = terms - level
    ridge = RIDGE * POINTS * np.square(about).mean() * np.eye(bases)
    solution = np.linalg.solve(about.T @ about + ridge, about.T @ (held - middle))
    error = _rms(about @ solution - (held - middle)) / max(_rms(held - middle), 1e-30)
    weights = solution.reshape(bases, outputs, inputs).transpose(0, 2, 1).reshape(bases * inputs, outputs)
    bias = (middle - level @ solution).reshape(outputs, inputs).sum(axis=1)
    return weights, bias, float(error)


def _read(number: int, functions: Functions, x: Floats) -> Floats:
    values = np.asarray(functions(x), np.float64)
    if values.ndim != 3 or values.shape[0] != len(x) or values.shape[2] != x.shape[1]:
        raise NetworkError(
            f"layer {number} gives {values.shape} of {x.shape}; accepted: ({len(x)}, outputs, {x.shape[1]})"
        )
    if not np.isfinite(values).all():
        raise NetworkError(f"layer {number} gives a value that is not finite on its range; accepted: numbers")
    return values


def _pykan_layers(model: Any) -> tuple[Functions, ...]:
    """The layers of a pykan model: splines and symbolic functions, scales and biases of nodes."""
    for widths in model.width:
        if not isinstance(widths, int) and widths[1]:
            raise NetworkError(f"width {list(widths)} has multiplication nodes; accepted: nodes that add")
    return tuple(_pykan_layer(model, number) for number in range(len(model.act_fun)))


def _pykan_layer(model: Any, number: int) -> Functions:
    import torch

    def affine(name: str) -> Floats:
        return np.asarray(getattr(model, name)[number].detach().cpu().numpy(), np.float64)

    def functions(x: Floats) -> Floats:
        with torch.no_grad():
            given = torch.from_numpy(x.astype(np.float32))
            values = model.act_fun[number](given)[2].cpu().numpy().astype(np.float64)
            if model.symbolic_enabled:
                values = values + model.symbolic_fun[number](given)[1].cpu().numpy()
        scale = affine("node_scale") * affine("subnode_scale")
        bias = affine("node_scale") * affine("subnode_bias") + affine("node_bias")
        return np.asarray(values * scale[:, None] + bias[:, None] / values.shape[2], np.float64)

    return functions


def _in_codes(network: Network, codes: npt.NDArray[np.uint8]) -> Floats:
    """Outputs (n, M) with every map rounded to 255 steps."""
    steps = np.float32(INPUT_MAX)
    maps: list[npt.NDArray[np.float32]] = [
        codes.reshape(len(codes), *network.shape).astype(np.float32) / steps
    ]
    for node in network.nodes[:-1]:
        maps.append((np.rint(result(node, maps) * steps) / steps).astype(np.float32))
    return result(network.nodes[-1], maps).reshape(len(codes), -1).astype(np.float64)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.square(values).mean()))
