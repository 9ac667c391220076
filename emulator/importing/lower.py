"""lower: a chain of steps becomes a network for a chip, with the error of every step that is not exact.

Outputs of a hidden layer are codes 0..255: a function's range is moved and stretched to 0..1, and the next
layer's weights and bias undo it exactly, so tanh and GELU need no second pass for their negative values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.importing.blocks import Block, blocks_of, fold_input
from emulator.importing.chain import Convolve, Read, Step, run
from emulator.importing.function import Stretch, stretch_of
from emulator.importing.quantised import errors_of, quantised
from emulator.network import Conv, ConvNetwork, Dense, InputRange, Network, Sampled
from emulator.spec.brief import brief_repr

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BlockReport:
    """One layer.

    Attributes
    ----------
    node, function:
        The node its weights are of, and what it computes after them.
    inputs, outputs:
        K (of a patch, for a convolution) and M.
    low, high:
        Pre-activations that the table spans; outside, the function is held at its ends.
    step:
        What one code of its outputs stands for, in the model's unit; 0 for the output layer.
    table_error:
        Largest error of the 32-segment table in its span, in the model's unit, its rounding to codes
        included.
    table_error_lsb:
        The same in codes.
    beyond:
        Fraction of the samples' pre-activations outside the span; None without samples.
    """

    node: str
    function: str
    inputs: int
    outputs: int
    low: float
    high: float
    step: float
    table_error: float
    table_error_lsb: float
    beyond: float | None


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """A whole model.

    Attributes
    ----------
    float_error:
        Largest difference of the network's float outputs to the model's on the samples.
    error_rms, error_max:
        With inputs and activations in 8-bit codes and functions as tables, weights exact: root mean square
        and largest difference to the model's outputs on the samples, in the model's unit.
    error_bound:
        What ``error_max`` cannot exceed while pre-activations stay in the tables' spans, whatever the inputs.
    output_rms:
        Root mean square of the model's outputs about their means on the samples, to compare with.
    notes:
        What was left out of the model, one line each.
    """

    __repr__ = brief_repr

    name: str
    shape: tuple[int, ...]
    samples: int
    blocks: tuple[BlockReport, ...]
    float_error: float | None
    error_rms: float | None
    error_max: float | None
    error_bound: float
    output_rms: float | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Imported:
    """The network, the range of its inputs, the report, and the model's own float64 outputs
    (``reference``)."""

    __repr__ = brief_repr

    network: Network | ConvNetwork
    inputs: InputRange
    report: ImportReport
    read: Read

    def reference(self, x: npt.ArrayLike) -> Floats:
        """The model's outputs (n, M), float64, of inputs (n, ...) in its own unit."""
        return run(self.read.steps, self.read.ordered(np.asarray(x, np.float64)))


def lower(
    read: Read,
    *,
    name: str,
    samples: Floats | None = None,
    input_range: InputRange | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Lower a chain.

    Parameters
    ----------
    read:
        The model.
    samples:
        Inputs (n, *shape) in the model's unit, n >= 1; needed where a function is unbounded.
    input_range:
        What input codes stand for; by default what the samples span, or 0..1.

    Raises
    ------
    UnsupportedNodeError
        When a step has no place on a chip, or a function is unbounded and there are no samples.
    NetworkError
        When a weight is not finite.
    """
    steps, shape = read.steps, read.shape
    blocks = blocks_of(steps, shape)
    if input_range is None:
        input_range = (
            InputRange(np.zeros(1), np.ones(1))
            if samples is None
            else InputRange.of_samples(samples, each=len(shape) == 1)
        )
        border = _border(blocks[0])
        if border is not None:  # the border of the first convolution is a code too
            low, high = np.minimum(input_range.low, border), np.maximum(input_range.high, border)
            input_range = InputRange(low, high)
    if read.axes is not None:
        input_range = dataclasses.replace(input_range, axes=read.axes, shape=read.own_shape)
    fold_input(blocks[0], input_range.low, input_range.span)
    x = None
    if samples is not None:
        # The steps' order: axes are those of the model's own samples.
        x = dataclasses.replace(input_range, axes=None).unit(samples).reshape(samples.shape)
    layers: list[Dense | Conv] = []
    stretches: list[Stretch | None] = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        layer, stretch, x = _layer(block, x, _border(after))
        layers.append(layer)
        if progress is not None:
            progress(len(layers), len(blocks) + 1)
        stretches.append(stretch)
        if after is not None and stretch is not None:
            fold_input(after, np.array([stretch.offset]), np.array([stretch.span]))
    convolutions = tuple(layer for layer in layers if isinstance(layer, Conv))
    tail = tuple(layer for layer in layers if isinstance(layer, Dense))
    provenance = {"input": input_range.as_dict(), "imported": {"nodes": [b.node for b in blocks]}}
    network: Network | ConvNetwork = Network.chain(tail, name, provenance)
    if convolutions:
        network = ConvNetwork(convolutions, Network.chain(tail, name), name, provenance)
    bound = errors_of(network, [s.error if s else 0.0 for s in stretches])
    report = ImportReport(
        name=name,
        shape=tuple(shape),
        samples=0 if samples is None else len(samples),
        blocks=tuple(_report(b, d, s) for b, d, s in zip(blocks, layers, stretches, strict=True)),
        error_bound=bound,
        notes=read.notes,
        **_measured(network, input_range, steps, samples),
    )
    if progress is not None:
        progress(len(blocks) + 1, len(blocks) + 1)
    return Imported(network, input_range, report, read)


def _border(block: Block | None) -> float | None:
    """What a padded convolution has around its inputs, in their unit; None: nothing."""
    if block is None or not isinstance(block.product, Convolve) or not any(block.product.patches.padding):
        return None
    return block.product.pad


def _layer(
    block: Block, x: Floats | None, border: float | None = None
) -> tuple[Dense | Conv, Stretch | None, Floats | None]:
    """The layer, its function's stretch, and its outputs 0..1 of inputs ``x`` 0..1."""
    product = block.product
    if not (np.isfinite(product.weights).all() and np.isfinite(product.bias).all()):
        raise NetworkError(f"node {block.node!r} holds a weight that is not finite; accepted: finite numbers")
    if not isinstance(product, Convolve) and x is not None:
        x = x.reshape(len(x), -1)
    z = None if x is None else product(x)
    weights, bias = product.weights.astype(np.float32), product.bias.astype(np.float32)
    if block.function is None:
        return Dense(weights, bias), None, z
    stretch = stretch_of(block.function, z, border)
    if block.swapped and not stretch.rises:
        raise UnsupportedNodeError(
            block.function.node,
            block.function.label,
            "it follows max pooling and does not rise everywhere; put it before the pooling",
        )
    activation = Sampled(block.function.label, stretch.points.astype(np.float32))
    dense = Dense(weights, bias, activation)
    y = None if z is None else activation.shape(z)
    if not isinstance(product, Convolve):
        return dense, stretch, y
    pool = None if block.pool is None else block.pool.pool
    pad = product.pad if any(product.patches.padding) else 0.0
    if not -1e-9 <= pad <= 1 + 1e-9:
        raise UnsupportedNodeError(
            block.node,
            "Conv",
            f"its border of zeros is outside the range of what it pads ({pad:.3g} of 0..1); "
            "widen the input range to hold 0, or use no padding",
        )
    conv = Conv(product.patches, dense, pool, min(max(pad, 0.0), 1.0))
    return conv, stretch, y if y is None or pool is None else pool(y)


def _report(block: Block, layer: Dense | Conv, stretch: Stretch | None) -> BlockReport:
    dense = layer.dense if isinstance(layer, Conv) else layer
    if stretch is None or block.function is None:
        ends, step, error, beyond, label = (0.0, 0.0), 0.0, 0.0, None, "none: outputs"
    else:
        ends, step, error = stretch.ends, stretch.span / 255, stretch.error * 255
        beyond, label = stretch.beyond, block.function.label
    return BlockReport(
        node=block.node,
        function=label,
        inputs=dense.inputs,
        outputs=dense.outputs,
        low=ends[0],
        high=ends[1],
        step=step,
        table_error=error * step,
        table_error_lsb=error,
        beyond=beyond,
    )


def _measured(
    network: Network | ConvNetwork, inputs: InputRange, steps: tuple[Step, ...], samples: Floats | None
) -> dict[str, float | None]:
    if samples is None:
        return {"float_error": None, "error_rms": None, "error_max": None, "output_rms": None}
    wanted = run(steps, samples)
    inputs = dataclasses.replace(inputs, axes=None)
    floats = network.forward(inputs.unit(samples))
    difference = quantised(network, inputs.encode(samples)) - wanted
    return {
        "float_error": float(np.abs(floats - wanted).max()),
        "error_rms": float(np.sqrt(np.square(difference).mean())),
        "error_max": float(np.abs(difference).max()),
        "output_rms": float(np.sqrt(wanted.var(axis=0).mean())),
    }
