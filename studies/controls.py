"""Controls for tuning neurons, at the same cost: digital gain and bias, or output weights.

The controls of ``adaptation``, for a chip with converters and one hidden layer, whose
cells stay. They learn from the same number of batches of the same size as the ECRAMs,
by the same rule (``ndrite.emulator.learning.tuning.calibrate``), each at the best of
three rates. They see more than the ECRAMs do: the exact integers of the die, read noise
off. So they are favoured, if anyone is.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden.neuron import neuron
from ndrite.emulator.learning.labelled import Classes
from ndrite.emulator.learning.tuning import Plan
from ndrite.emulator.learning.tuning.calibrate import Rule, rate_at
from ndrite.emulator.learning.tuning.learner import softmax
from ndrite.emulator.mapping import Mapped
from ndrite.emulator.mapping.ranges import column_sums, int32, partial_sums, scale_and_shift
from ndrite.emulator.mapping.weights import map_weights
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import V_MAX, V_MIN
from studies.runs import Floats

Sums = npt.NDArray[np.int64]

KINDS = ("gain and bias", "output weights")
RATES = (0.005, 0.02, 0.08)
AT_ONCE = 2000


class Seen(NamedTuple):
    """Samples as they leave the frozen hidden crossbar: partial sums ``p`` int64 (n,
    M), and labels (n,)."""

    p: Sums
    labels: Classes

    def part(self, first: int, end: int | None) -> Seen:
        """Return the samples with numbers from ``first`` up to, but not including, ``end``."""
        return Seen(self.p[first:end], self.labels[first:end])


def seen(program: Program, rows: int, x: npt.NDArray[np.uint8], labels: Classes) -> Seen:
    """Compute the partial sums of samples ``x`` uint8 (n, inputs) in the first layer of
    ``program``, for arrays of ``rows`` rows."""
    layer = program.layers[0]
    parts = [
        partial_sums(column_sums(x[i : i + AT_ONCE], layer.weights, rows, layer.dac_bits), layer)
        for i in range(0, len(x), AT_ONCE)
    ]
    return Seen(np.concatenate(parts), labels)


class Control:
    """A method to adapt one die without ECRAM pulses, for comparison with pulses;
    ``kind`` is one of ``KINDS``."""

    def __init__(self, made: Mapped, chip: Chip, kind: str) -> None:
        self.made, self.chip, self.kind = made, chip, kind
        self.first, self.last = first, last = made.program.layers
        if last.readout != "adc" or last.inputs > chip.array.rows:
            raise CompileError(
                f"the output layer has {last.inputs} inputs and {last.readout} readout; accepted: readout "
                f"by converters, at most {chip.array.rows} inputs"
            )
        v = np.repeat(np.arange(V_MIN, V_MAX + 1)[:, None], first.outputs, axis=1)
        curves = made.program.curve_base, made.program.curve_slope
        self.table = neuron(v, first, *curves).astype(np.float64)
        self.log_gain, self.shift = np.zeros(first.outputs), np.zeros(first.outputs)
        window = made.die.arrays[0].window
        assert window is not None
        self.per_peak = window.per_unit
        self.weights, self.gain = last.weights.astype(np.float64), last.gain / 2.0**last.shift

    def hidden(self, p: Sums) -> tuple[Floats, Floats, Floats]:
        """Return, for partial sums ``p``, the hidden neurons' outputs 0..255, the
        slopes of the outputs per voltage code, and the voltage codes before gain and
        shift, each (n, M)."""
        v = (p + self.first.bias) * (self.first.scale / 2.0**self.first.vshift)
        code = np.clip(v * np.exp(self.log_gain) + self.shift * self.per_peak, V_MIN, V_MAX - 1) - V_MIN
        low, columns = code.astype(np.int64), np.arange(self.first.outputs)
        left, right = self.table[low, columns], self.table[low + 1, columns]
        return left + (code - low) * (right - left), right - left, v

    def logits(self, y: Floats) -> Floats:
        """Return the network's outputs (n, outputs) for hidden outputs ``y``, in the
        network's own unit."""
        sums = (y @ self.weights) * self.gain + self.last.offset + self.last.bias
        return np.asarray(sums * (self.made.program.meaning.output_step or 1.0), np.float64)

    def learn(self, data: Seen, plan: Plan, rate: float) -> None:
        """Adapt by ``plan.steps`` gradient steps, each from a batch of
        ``plan.batch`` samples."""
        rng = np.random.default_rng([plan.seed, 1])
        gains, shifts, weights = (Rule(v.size) for v in (self.log_gain, self.shift, self.weights))
        unit = float(np.abs(self.last.weights).max())
        for step in range(plan.steps):
            rows = rng.choice(len(data.p), min(plan.batch, len(data.p)), replace=False)
            y, slope, v = self.hidden(data.p[rows])
            wrong = softmax(self.logits(y))
            wrong[np.arange(len(rows)), data.labels[rows]] -= 1.0
            now = rate_at(rate, step, plan.steps)
            if self.kind == "output weights":
                change = weights.change((y.T @ wrong).ravel(), now).reshape(self.weights.shape)
                self.weights = np.clip(self.weights + change * unit, -unit, unit)
                continue
            back = (wrong * self.gain) @ self.weights.T * slope
            self.log_gain += gains.change((back * v * np.exp(self.log_gain)).sum(axis=0), now)
            self.shift += shifts.change((back * self.per_peak).sum(axis=0), now)

    def accuracy(self, data: Seen) -> float:
        """Return the accuracy on samples ``data``, computed by the method's own
        model of the die."""
        return float((self.logits(self.hidden(data.p)[0]).argmax(axis=1) == data.labels).mean())

    def program(self, data: Seen, seed: int) -> Program:
        """Return the die's program after adaptation. The method "gain and bias" changes
        registers. The method "output weights" programs the cells of the output layer
        anew, with new errors, and corrects their columns' biases on ``data``."""
        first, last = self.first, self.last
        if self.kind == "gain and bias":
            target_gain = first.scale / 2.0**first.vshift * np.exp(self.log_gain)
            scale, vshift = scale_and_shift(target_gain)
            bias = int32("bias", first.bias + self.shift * self.per_peak / target_gain)
            first = dataclasses.replace(first, scale=scale.astype(np.uint16), vshift=vshift, bias=bias)
        else:
            mapped = self.made.die.arrays[1].mapped
            rng = np.random.Generator(np.random.Philox(key=[seed, 1 << 40]))
            fresh = map_weights(self.weights * mapped.unit, self.chip, rng, limits=mapped.limits)
            lacks = (self.hidden(data.p)[0].mean(axis=0) @ (self.weights - fresh.codes)) * self.gain
            last = dataclasses.replace(last, weights=fresh.codes, bias=int32("bias", last.bias + lacks))
        return self.made.program.with_layers([first, last])


def adapted(
    made: Mapped, chip: Chip, kind: str, data: Seen, held_out: Seen, plan: Plan
) -> tuple[Program, float, float]:
    """Adapt a die on ``data`` with each learning rate in ``RATES``; return the program
    with the best accuracy on ``held_out``, its rate, and that accuracy."""
    controls = {rate: Control(made, chip, kind) for rate in RATES}
    for rate, control in controls.items():
        control.learn(data, plan, rate)
    accuracy = {rate: control.accuracy(held_out) for rate, control in controls.items()}
    best = max(RATES, key=accuracy.__getitem__)
    return controls[best].program(held_out, plan.seed), best, accuracy[best]
