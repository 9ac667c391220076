"""Training a whole network in the loop: weights and neurons are ECRAMs, moved by pulses from a random start.

A weight is one ECRAM read against a fixed reference at the middle of its range: state 0..1 is weight -1..1 of
the column's limit. Forward passes run on the board; the way back goes through nominal devices at the states
as read, as in ``calibrate``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.errors import CompileError
from emulator.learning.tuning.bank import EcramBank
from emulator.learning.tuning.calibrate import Infer, Load, Plan
from emulator.learning.tuning.headroom import with_headroom
from emulator.learning.tuning.learner import Learner
from emulator.learning.tuning.retune import Tunable, kinds, moved
from emulator.learning.tuning.rule import Rule, rate_at
from emulator.mapping import Die, map_network
from emulator.mapping.weights import code_max
from emulator.network import Dense, Ndr, Network
from emulator.spec import Program

Floats = npt.NDArray[np.float64]

TRAINS = ("hidden", "output", "curves")
"""What may be trained: the hidden layers' weights, the output layer's, the neurons' curves."""
HEIGHT, SHIFT = 0.55, 0.3
"""Where neurons start: height, and mean pre-activation in units of its deviation."""
HEADROOM_BITS = 1


@dataclass(frozen=True, eq=False)
class Start:
    """A random network on a chip of ECRAM weights: program, float form, weight of one code (M,) by layer."""

    program: Program
    die: Die
    network: Network
    units: tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class InSituResult:
    """The trained program, cross entropy of every step's batch, pulses of all devices, and devices moved."""

    program: Program
    losses: list[float]
    pulses_total: int
    devices: int


def random_start(
    widths: Sequence[int], chip: Chip, samples: npt.NDArray[np.uint8], *, seed: int = 0
) -> Start:
    """A network of uniform random weights on chip ``seed``.

    Biases and input gains are set once, on ``samples`` uint8 (n, inputs), so that every neuron sees a
    deviation of one peak; converter ranges are twice what the random weights need. Neither is trained.

    Parameters
    ----------
    widths:
        Inputs, hidden layers, outputs.
    chip:
        Its cells should be ideal: the weights are ECRAMs, not its cells.

    Raises
    ------
    CompileError
        When the chip has no ECRAM, or as ``map_network``.
    """
    rng = np.random.default_rng([seed, 3])
    h: Floats = samples.astype(np.float64) / 255
    layers: list[Dense] = []
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        weights = rng.uniform(-1.0, 1.0, (inputs, outputs))
        z = h @ weights
        size = np.maximum(z.std(axis=0), 1e-9)
        if i == len(widths) - 2:
            layers.append(Dense(weights / size.mean(), -z.mean(axis=0) / size.mean()))
            break
        sampled = chip.neuron.sampled
        curve = None if sampled is None else sampled.astype(np.float32)
        activation = Ndr(np.ones(outputs, np.float32), np.full(outputs, HEIGHT, np.float32), curve)
        layers.append(Dense(weights / size, SHIFT - z.mean(axis=0) / size, activation))
        h = np.asarray(activation(z / size + layers[-1].bias), np.float64)
    network = Network.chain(tuple(layers), "in-situ")
    compiled = map_network(network, chip, samples, seed=seed)
    units = tuple(array.mapped.unit for array in compiled.die.arrays)
    return Start(with_headroom(compiled.program, HEADROOM_BITS), compiled.die, network, units)


def train_in_situ(
    start: Start,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    *,
    infer: Infer,
    load: Load,
    plan: Plan,
    trains: Sequence[str] = TRAINS,
    progress: Callable[[int, int], None] | None = None,
) -> InSituResult:
    """Train from ``start`` on labelled samples; the board holds the result's program at the end.

    ``plan.pulses`` limits the pulses a device gets in a step; ``plan.method`` is gradient or sign.

    Raises
    ------
    CompileError
        When ``trains`` names something else, the method is perturb, or samples and labels differ in number.
    """
    if not trains or not set(trains) <= set(TRAINS):
        raise CompileError(f"trains is {list(trains)}; accepted: at least one of {', '.join(TRAINS)}")
    if plan.method == "perturb":
        raise CompileError("method is 'perturb'; accepted: gradient, sign")
    if len(x) != len(labels) or not len(x):
        raise CompileError(f"labels hold {len(labels)} classes; accepted: {len(x)}, one a sample, at least 1")
    chip = _Chip(start, Tunable(start.program, start.die), trains, np.random.default_rng([plan.seed, 2]))
    rng = np.random.default_rng([plan.seed, 1])
    sign = plan.method == "sign"
    weight_rules = {i: Rule(bank.states.size, sign=sign) for i, bank in chip.weights.items()}
    curve_rules = [{k: Rule(b.states.size, sign=sign) for k, b in bank.items()} for bank in chip.curves]
    program = chip.program()
    load(program)
    losses: list[float] = []
    for step in range(plan.steps):
        rows = rng.choice(len(x), min(plan.batch, len(x)), replace=False)
        rate = rate_at(plan.rate, step, plan.steps)
        outputs = infer(x[rows], step * len(rows))
        loss, knobs, by_weight = chip.learner.backward(
            x[rows], labels[rows], outputs, chip.states, weights=tuple(chip.weights)
        )
        losses.append(loss)
        for i, bank in chip.weights.items():
            change = weight_rules[i].change(by_weight[i].ravel(), rate)
            bank.pulse(bank.toward(change, plan.pulses))
        for banks, rules, knob in zip(chip.curves, curve_rules, knobs, strict=True):
            for kind, bank in banks.items():
                change = rules[kind].change(knob.by_kind[kind], rate)
                bank.pulse(bank.toward(change, plan.pulses))
        program = chip.program()
        load(program)
        if progress is not None:
            progress(step + 1, plan.steps)
    moving = [*chip.weights.values(), *(b for bank in chip.curves for b in bank.values())]
    pulses = int(sum(bank.pulses.sum() for bank in moving))
    return InSituResult(program, losses, pulses, sum(bank.states.size for bank in moving))


class _Chip:
    """Banks of the devices that move, and the program and the learner's picture of where they are."""

    def __init__(self, start: Start, form: Tunable, trains: Sequence[str], rng: np.random.Generator) -> None:
        self._form, self._units = form, start.units
        self.states = list(form.states)
        self.learner = Learner(start.network, form)
        last = len(start.network.layers) - 1
        ecram = form.chip.ecram
        top = code_max(form.chip.cell)
        # State 0..1 is code -top..top.
        self._top = top
        self.weights = {
            i: EcramBank(ecram, (layer.weights.ravel() / top + 1) / 2, rng)
            for i, layer in enumerate(start.program.layers)
            if ("output" if i == last else "hidden") in trains
        }
        names = kinds(ecram.tunes) if "curves" in trains else ()
        self.curves = [
            {name: EcramBank(ecram, getattr(layer.states, name), rng) for name in names}
            for layer in form.layers
        ]
        self._plain = form.program(self.states)

    def program(self) -> Program:
        """The program at the present states; the learner sees them too."""
        tunes = self._form.chip.ecram.tunes
        program = self._plain
        if any(self.curves):
            for place, banks in enumerate(self.curves):
                for kind, ecram in banks.items():
                    self.states[place] = moved(tunes, self.states[place], kind, ecram.states)
            program = self._form.program(self.states)
        layers = list(program.layers)
        for i, bank in self.weights.items():
            shape = layers[i].weights.shape
            codes = np.rint(self._top * (2 * bank.states - 1)).astype(np.int16).reshape(shape)
            layers[i] = dataclasses.replace(layers[i], weights=codes)
            self.learner.set_weights(i, codes * self._units[i])
        return program.with_layers(tuple(layers))
