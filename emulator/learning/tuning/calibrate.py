"""Edge learning, chip in the loop: forward passes on the board, pulses to the ECRAMs, weights untouched."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.errors import CompileError
from emulator.learning.tuning.bank import EcramBank
from emulator.learning.tuning.learner import Knobs, Learner, centred, cross_entropy
from emulator.learning.tuning.retune import Tunable, kinds, moved
from emulator.mapping import Die
from emulator.mapping.states import States
from emulator.spec import Program
from emulator.spec.arrays import Codes, Floats, Ints

Infer = Callable[[Codes, int], npt.NDArray[np.int32]]
"""``infer(x, first_index)``: outputs of the board as it is programmed now."""
Load = Callable[[Program], None]
"""``load(program)``: put it on the board."""

METHODS = ("gradient", "sign", "perturb")
BETA_1, BETA_2, TINY = 0.8, 0.95, 1e-12
"""Decay of the gradient's running mean and mean square (Adam's form, shorter as there are few steps)."""
SIGN_PART = 1 / 3
"""Part of the rate that the sign rule moves every device by."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how hard to learn.

    Attributes
    ----------
    steps, batch:
        Updates, and samples of a forward pass each.
    rate:
        Largest change of a state in the first step, falling to a tenth by a cosine.
    pulses:
        Most pulses a device gets in a step.
    method:
        ``gradient``: the model's gradient, normalised per device; ``sign``: one fixed number of pulses by its
        sign (Manhattan); ``perturb``: simultaneous perturbation, two forward passes a step, no model at all.
    seed:
        Of batches, devices and pulse noise.
    """

    steps: int = 40
    batch: int = 1000
    rate: float = 0.01
    pulses: int = 200
    method: str = "gradient"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CompileError(f"method is {self.method!r}; accepted: {', '.join(METHODS)}")
        for name, low, high in (("steps", 0, 1_000_000), ("batch", 1, 1_000_000), ("pulses", 1, 100_000)):
            if not low <= getattr(self, name) <= high:
                raise CompileError(f"{name} is {getattr(self, name)}; accepted: {low}..{high}")
        if not 0 < self.rate <= 1:
            raise CompileError(f"rate is {self.rate}; accepted: above 0, at most 1")


@dataclass(eq=False)
class CalibrationResult:
    """The calibrated program and die, cross entropy of every step's batch, and pulses per device by layer
    and kind."""

    program: Program
    die: Die
    losses: list[float]
    pulses: list[dict[str, Ints]]

    @property
    def pulses_total(self) -> int:
        """Pulses of all devices."""
        return int(sum(counts.sum() for layer in self.pulses for counts in layer.values()))


def calibrate(
    tunable: Tunable,
    learner: Learner | None,
    x: Codes,
    labels: npt.NDArray[np.integer],
    *,
    infer: Infer,
    load: Load,
    plan: Plan | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationResult:
    """Tune the neurons of the chip behind ``infer`` and ``load``.

    Raises CompileError when samples and labels differ in number, or the method needs a learner and there is
    none.

    Parameters
    ----------
    tunable:
        The chip; its devices move as their physics says, the learner sees their states only.
    learner:
        The model gradients go back through; not needed for ``perturb``.
    x, labels:
        Labelled samples, uint8 (n, inputs) and (n,); not the test set.

    Returns
    -------
    The result; the board holds its program at the end. After Ctrl-C the board holds the last whole step's
    program.
    """
    plan = plan or Plan()
    if len(x) != len(labels) or not len(x):
        raise CompileError(f"labels hold {len(labels)} classes; accepted: {len(x)}, one a sample, at least 1")
    if learner is None and plan.method != "perturb":
        raise CompileError(f"method {plan.method!r} needs the float network; accepted without it: perturb")
    rng = np.random.default_rng([plan.seed, 1])
    banks = _banks(tunable, np.random.default_rng([plan.seed, 2]))
    states = _read(tunable, tunable.states, banks)
    program = tunable.program(states)
    load(program)
    sign = plan.method == "sign"
    rules = [{k: Rule(b.states.size, sign=sign) for k, b in bank.items()} for bank in banks]
    losses: list[float] = []
    used = 0
    for step in range(plan.steps):
        rows = rng.choice(len(x), min(plan.batch, len(x)), replace=False)
        rate = rate_at(plan.rate, step, plan.steps)
        if plan.method == "perturb":
            loss, gradients = _perturbed(
                tunable, banks, states, x[rows], labels[rows], infer, load, used, rate, rng, plan
            )
            used += 2 * len(rows)
        else:
            assert learner is not None
            loss, gradients = learner.gradient(x[rows], labels[rows], infer(x[rows], used), states)
            used += len(rows)
        losses.append(loss)
        for bank, gradient, rule in zip(banks, gradients, rules, strict=True):
            for kind, ecram in bank.items():
                change = rule[kind].change(gradient[kind], rate)
                if kind == "current":
                    # The sum of heights stays: output converters are set for it, and the largest output
                    # decides.
                    change = change - change.mean()
                ecram.pulse(ecram.toward(change, plan.pulses))
        states = _read(tunable, states, banks)
        program = tunable.program(states)
        load(program)
        if progress is not None:
            progress(step + 1, plan.steps)
    return CalibrationResult(
        program, tunable.die_at(states), losses, [{k: b.pulses for k, b in bank.items()} for bank in banks]
    )


def _banks(tunable: Tunable, rng: np.random.Generator) -> list[dict[str, EcramBank]]:
    names = kinds(tunable.chip.ecram.tunes)
    return [
        {name: EcramBank(tunable.chip.ecram, getattr(layer.states, name), rng) for name in names}
        for layer in tunable.layers
    ]


def _read(tunable: Tunable, states: list[States], banks: list[dict[str, EcramBank]]) -> list[States]:
    result = []
    for state, bank in zip(states, banks, strict=True):
        for kind, ecram in bank.items():
            state = moved(tunable.chip.ecram.tunes, state, kind, ecram.states)
        result.append(state)
    return result


def _perturbed(
    tunable: Tunable,
    banks: list[dict[str, EcramBank]],
    states: list[States],
    x: Codes,
    labels: npt.NDArray[np.integer],
    infer: Infer,
    load: Load,
    used: int,
    rate: float,
    rng: np.random.Generator,
    plan: Plan,
) -> tuple[float, list[Knobs]]:
    """Two forward passes with all states moved a little one way, then the other (J. Spall's SPSA, 1992)."""
    found: list[float] = []
    before = [{k: b.states for k, b in bank.items()} for bank in banks]
    signs = [{k: rng.choice([-1.0, 1.0], b.states.size) for k, b in bank.items()} for bank in banks]
    moves: list[list[Knobs]] = []
    scale = 0.0
    for direction in (1.0, -2.0):
        for bank, sign in zip(banks, signs, strict=True):
            for kind, ecram in bank.items():
                ecram.pulse(ecram.toward(direction * rate * sign[kind], 2 * plan.pulses))
        load(tunable.program(_read(tunable, states, banks)))
        logits = centred(infer(x, used).astype(np.float64))
        scale = scale or 5.0 / max(float(logits.std()), 1e-9)
        found.append(cross_entropy(logits, labels, scale)[0])
        moves.append([{k: b.states for k, b in bank.items()} for bank in banks])
    difference = found[0] - found[1]
    gradients: list[Knobs] = []
    for i, bank in enumerate(banks):
        gradients.append({})
        for kind in bank:
            apart = moves[0][i][kind] - moves[1][i][kind]
            safe = np.where(np.abs(apart) > 1e-6, apart, np.inf)
            gradients[i][kind] = difference / safe
            # Back to where the devices were, as well as pulses allow.
            ecram = bank[kind]
            ecram.pulse(ecram.toward(before[i][kind] - ecram.states, 2 * plan.pulses))
    return float(np.mean(found)), gradients


def rate_at(rate: float, step: int, steps: int) -> float:
    """The rate of a step: from ``rate`` to a tenth by a cosine."""
    return float(rate * (0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * step / steps))))


class Rule:
    """From a gradient to a wanted change of state: the memory of one bank of ``count`` devices; ``sign``
    (Manhattan) has none."""

    def __init__(self, count: int, *, sign: bool = False) -> None:
        self._mean, self._square = np.zeros(count), np.zeros(count)
        self._sign = sign
        self._steps = 0

    def change(self, gradient: Floats, rate: float) -> Floats:
        """Wanted change of state (n,), each at most ``rate``, of the gradient (n,) by state."""
        if self._sign:
            return np.asarray(-rate * SIGN_PART * np.sign(gradient), np.float64)
        self._steps += 1
        self._mean = BETA_1 * self._mean + (1 - BETA_1) * gradient
        self._square = BETA_2 * self._square + (1 - BETA_2) * gradient * gradient
        mean = self._mean / (1 - BETA_1**self._steps)
        spread = np.sqrt(self._square / (1 - BETA_2**self._steps))
        return np.asarray(-rate * np.clip(mean / (spread + TINY), -1.0, 1.0), np.float64)
