"""The learner's model of the chip: the float network at the ECRAM states that were
read, and its gradient."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError
from ndrite.emulator.learning.tuning.retune import Tunable, kinds
from ndrite.emulator.mapping.curves import States, heights_at, stretch_at
from ndrite.emulator.mapping.ranges import fitted_gain
from ndrite.emulator.mapping.report import Mitigation
from ndrite.emulator.network import Activation, Ndr, Network
from ndrite.emulator.spec.arithmetic import Array, Codes, Floats

NEWTON_STEPS = 8
SCALE_MAX = 100.0
"""Largest factor on logits of unit deviation; if all samples are classified correctly,
the best factor is infinite."""
SLOPE_STEP = 1e-3
"""Half the distance in u over which a curve's slope is computed as a difference quotient."""

Knobs = dict[str, Floats]
"""Gradient of the loss with respect to the states of one tunable layer, by kind of
ECRAM, each (M,)."""


class Learner:
    """Computes gradients of the cross entropy with respect to ECRAM states, from a
    board's logits and a float model of the chip.

    The forward pass is the chip's; only the way back goes through the model, whose
    weights are the float network's and whose neurons are nominal devices at the states
    as read (physics-aware training: Wright et al., Nature 601, 549 (2022)). What the
    chip's devices really are stays unknown to it, and what its cells are too, unless
    ``cells``: a test read of the cells is known, and gradients go back through the
    effective weights that the program holds, in the float network's units. Raises
    CompileError when ``network``, which the program was compiled from, is no chain.
    """

    def __init__(self, network: Network, tunable: Tunable, *, cells: bool = False) -> None:
        program = tunable.base
        if not network.is_chain:
            raise CompileError(
                f"network {network.name!r} is not a chain of full layers; accepted: a chain, or method "
                f"perturb"
            )
        self.network = network
        self.tunable = tunable
        self._layers = {part: i for i, part in enumerate(tunable.layers)}
        self._weights = [layer.weights.astype(np.float64) for layer in network.layers]
        self._biases = [layer.bias.astype(np.float64) for layer in network.layers]
        if cells:
            read = [layer.weights.astype(np.float64) for layer in program.layers]
            self._weights = [
                codes * weight_of_code(codes, w) for codes, w in zip(read, self._weights, strict=True)
            ]

    def _inputs(self, x: Codes) -> Floats:
        """Return the samples (n, inputs) in 0..1, in the order of the first layer's rows."""
        maps = x.reshape(len(x), *self.network.shape)
        return np.asarray(self.network.products[0].patches.cut(maps)[:, 0] / 255, np.float64)

    def correct(self, x: Codes, chip: Chip, measures: Mitigation) -> None:
        """Set the model's biases and gains so that they compensate the errors of its
        cells on ``x``, as compiling does."""
        h = exact = self._inputs(x)
        for i, layer in enumerate(self.network.layers):
            exact_sums = exact @ layer.weights.astype(np.float64)
            gain_kind = measures.gains(chip, final=layer.activation is None)
            unit = layer.activation.peak if isinstance(layer.activation, Ndr) else np.ones(1)
            gains = fitted_gain(gain_kind, exact_sums, h @ self._weights[i], unit.astype(np.float64))
            self._weights[i] = np.asarray(self._weights[i] * gains, np.float64)
            chip_sums = h @ self._weights[i]
            self._biases[i] = layer.bias + (exact_sums - chip_sums).mean(axis=0)
            if layer.activation is None:
                break
            exact = _activated(layer.activation, exact_sums + layer.bias)
            h = _activated(layer.activation, chip_sums + self._biases[i])

    def gradient(
        self,
        x: Codes,
        labels: npt.NDArray[np.integer],
        outputs: npt.NDArray[np.int32],
        states: Sequence[States],
    ) -> tuple[float, list[Knobs]]:
        """Return two values: the cross entropy of the board's ``outputs`` (n, outputs),
        and its gradient with respect to the states, up to one common factor.

        ``x`` uint8 (n, inputs), ``labels`` (n,). Outputs are taken times the one factor
        with the least cross entropy: the largest output decides, so a step that only
        makes all of them larger is worth nothing, and would drive the output converters
        out of their range.
        """
        signals, slopes = self._forward(x, states)
        logits = centred(outputs.astype(np.float64))
        loss, back = cross_entropy(logits, labels, best_scale(logits, labels))
        back[np.arange(len(labels)), labels] -= 1.0
        back /= len(labels)
        knobs: list[Knobs | None] = [None] * len(self._layers)
        for i in range(len(self.network.layers) - 1, 0, -1):
            back = back @ self._weights[i].T  # gradient for the outputs of layer i - 1
            u, slope = slopes[i - 1]
            place = self._layers.get(i - 1)
            if place is not None:
                knobs[place] = self._knobs(back, signals[i - 1], u, slope, states[place])
            back = back * slope
        return loss, [k for k in knobs if k is not None]

    def _knobs(self, back: Floats, y: Floats, u: Floats, slope: Floats, states: States) -> Knobs:
        """Return the gradient of the loss with respect to a layer's ECRAM states, by
        the chain rule from ``back``, the gradient with respect to the layer's outputs
        ``y``, all (n, M). ``u`` are the pre-activations z, and ``slope`` is dy/dz."""
        ecram = self.tunable.chip.ecram
        by_log_height = (back * y).sum(axis=0)
        # Chain rule: y = h f(z / p) has the derivative dy / d ln p = -z dy/dz with
        # respect to the logarithm of its peak.
        by_log_peak = -(back * slope * u).sum(axis=0)
        low, high = ecram.current_factors
        current = by_log_height * (high - low) / ecram.current(states.current)
        low, high = ecram.voltage_factors
        voltage = by_log_peak * (high - low) / ecram.voltage(states.voltage)
        if ecram.tunes == "both":
            return {"current": current + voltage}
        return {k: {"current": current, "voltage": voltage}[k] for k in kinds(ecram.tunes)}

    def _forward(
        self, x: Codes, states: Sequence[States]
    ) -> tuple[list[Floats], list[tuple[Floats, Floats]]]:
        """Return two lists: the outputs of every layer, and for each hidden layer the
        pair (z, dy/dz), float64 (n, M) each."""
        h = self._inputs(x)
        signals, slopes = [], []
        for i, layer in enumerate(self.network.layers):
            z = h @ self._weights[i] + self._biases[i]
            if layer.activation is None:
                signals.append(z)
                break
            if isinstance(layer.activation, Ndr) and i in self._layers:
                place = self._layers[i]
                state, chip = states[place], self.tunable.chip
                height = heights_at(state, chip)
                peak = layer.activation.peak * stretch_at(state, chip)
                f, df = shape_and_slope(chip.neuron.circuit.shape, z / peak)
                h, slope = height * f, height * df / peak
            else:
                activation = layer.activation
                h, slope = shape_and_slope(activation.__call__, z)
            signals.append(h)
            slopes.append((z, slope))
        return signals, slopes


def _activated(activation: Activation, z: Floats) -> Floats:
    return np.asarray(activation(z.astype(np.float32)), np.float64)


def weight_of_code(codes: Floats, weights: Floats) -> Floats:
    """Return the float weight (M,) that one code represents in each column, where the
    weights ``weights`` (K, M) were programmed as the codes ``codes`` (K, M)."""
    per_weight = (codes * weights).sum(axis=0) / np.maximum(np.square(weights).sum(axis=0), 1e-30)
    return np.asarray(np.where(per_weight > 0, 1 / np.maximum(per_weight, 1e-30), 0.0), np.float64)


def shape_and_slope(shape: Callable[[Any], Array], u: Floats) -> tuple[Floats, Floats]:
    """Return two arrays: the curve ``shape`` at ``u``, clipped to 0..1, and its slope
    there (the difference quotient over 2 ``SLOPE_STEP``)."""
    y, above, below = (
        np.clip(np.asarray(shape(u + d), np.float64), 0.0, 1.0) for d in (0.0, SLOPE_STEP, -SLOPE_STEP)
    )
    return y, (above - below) / (2 * SLOPE_STEP)


def centred(logits: Floats) -> Floats:
    """Return the logits minus their mean over the classes, which does not change a softmax."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True), np.float64)


def softmax(logits: Floats) -> Floats:
    """Return the class probabilities (n, classes) that the softmax function
    computes from ``logits``."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float64)


def cross_entropy(logits: Floats, labels: npt.NDArray[np.integer], scale: float) -> tuple[float, Floats]:
    """Return the cross entropy of the centred ``logits`` (n, classes) times ``scale``,
    and the class probabilities."""
    probability = softmax(logits * scale)
    right = probability[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-12)).mean()), probability


def best_scale(logits: Floats, labels: npt.NDArray[np.integer]) -> float:
    """Return the factor > 0 by which the centred ``logits`` (n, classes) have the
    smallest cross entropy, found by Newton's method."""
    size = max(float(logits.std()), 1e-12)
    unit, rows = logits / size, np.arange(len(labels))
    scale = 3.0
    for _ in range(NEWTON_STEPS):
        probability = softmax(unit * scale)
        mean = (probability * unit).sum(axis=1)
        slope = float((mean - unit[rows, labels]).mean())
        bend = float(((probability * unit * unit).sum(axis=1) - mean**2).mean())
        # Newton's step is limited to a factor of three, because far from the optimum
        # the second derivative is nearly 0 and the step would be too large.
        scale = float(np.clip(scale - slope / max(bend, 1e-9), scale / 3, scale * 3))
    return min(scale, SCALE_MAX) / size
