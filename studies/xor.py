"""One neuron and XOR: a dendritic (NDR) neuron solves it, a monotonic one cannot.

A neuron sees w1 a + w2 b + c for bits a and b; it fires where its output exceeds half
of its largest. Weights are trained from random starts by gradient descent on the
squared error. A monotonic function of one weighted sum puts the four sums in order, and
XOR wants the middle two alike: at most three of four are right.
"""

from collections.abc import Callable

import numpy as np

from ndrite.emulator.device.ndr.curves import Esaki, tunnel
from ndrite.intervals import wilson
from studies import table
from studies.runs import Floats, Row, Runs

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
WANTED = np.array([0.0, 1.0, 1.0, 0.0])
STEPS, RATE, SLOPE_STEP = 3000, 0.1, 1e-4
CURVES: dict[str, Callable[[Floats], Floats]] = {
    "ndr (tunnel)": tunnel,
    "ndr (esaki, to the valley)": lambda z: Esaki().shape(np.clip(z, 0.0, 4.5)),
    "sigmoid": lambda z: 0.5 + 0.5 * np.tanh(0.5 * z),
    "relu": lambda z: np.maximum(z, 0.0),
}


def run(curve: str, seed: int, starts: int) -> Row:
    """Train one neuron from all initial weights at once; return the number of right
    patterns (0..4) for each start, and the weights of the best."""
    f = CURVES[curve]
    parameters = np.stack([np.random.default_rng(seed + i).uniform(-1.5, 1.5, 3) for i in range(starts)])
    design = np.column_stack([INPUTS, np.ones(4)])
    momentum = np.zeros((starts, 3))
    for _ in range(STEPS):
        z = parameters @ design.T
        slope = (f(z + SLOPE_STEP) - f(z - SLOPE_STEP)) / (2 * SLOPE_STEP)
        gradient = ((f(z) - WANTED) * slope) @ design / 4
        momentum = 0.9 * momentum - RATE * gradient
        parameters = parameters + momentum
    right = ((f(parameters @ design.T) > 0.5) == (WANTED > 0.5)).sum(axis=1)
    return {"right": "".join(map(str, right)), "weights": parameters[right.argmax()].tolist()}


def tables(found: Runs) -> list[table.Table]:
    """Return a table, by curve, of how many starts solve XOR and of the best start."""

    def part(right: list[int]) -> str:
        low, high = wilson(right.count(4), len(right))
        return f"{100 * right.count(4) / len(right):.1f} ({100 * low:.1f} .. {100 * high:.1f})"

    columns = {
        "starts that solve it": lambda right: f"{right.count(4)} of {len(right)}",
        "%": part,
        "best start, patterns right": lambda right: f"{max(right)} of 4",
    }
    groups = {(r["curve"],): [int(digit) for digit in r["right"]] for r in found}
    return [table.table("XOR by one neuron", ("curve",), groups, columns)]
