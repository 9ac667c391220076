"""Calibration with the chip in the loop: forward passes on the board, pulses to the
ECRAMs, weights unchanged."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.learning.tuning.learner import Learner, centred, cross_entropy
from ndrite.emulator.learning.tuning.retune import EcramBank, Tunable, kinds, moved
from ndrite.emulator.mapping import Die
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Codes, Floats, Ints

Infer = Callable[[Codes, int], npt.NDArray[np.int32]]
"""Function ``infer(x, first_index)`` that returns the outputs of the board as
it is programmed."""
Load = Callable[[Program], None]
"""Function ``load(program)`` that programs the board."""

BETA_1, BETA_2, TINY = 0.8, 0.95, 1e-12
"""Decays of the running mean and mean square of the gradient, and the term
that prevents a division by 0, as in Adam. The decays are faster than usual, as
there are few steps."""
PULSES_MAX = 200
"""Largest number of pulses for a device in one step."""
SIGN_PART = 1 / 3
"""Fraction of the rate by which the sign rule moves every device."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a calibration: number and size of the steps, and the method.

    Attributes
    ----------
    steps, batch:
        Updates, and samples of a forward pass each.
    rate:
        Largest change of a state in the first step, falling to a tenth by a cosine.
    method:
        ``gradient``: the model's gradient, normalised per device; ``sign``: one fixed
        number of pulses by its sign (Manhattan); ``perturb``: simultaneous
        perturbation, two forward passes a step, no model at all.
    seed:
        Seed of batches, devices and pulse noise.
    """

    steps: int = 40
    batch: int = 1000
    rate: float = 0.01
    method: str = "gradient"
    seed: int = 0


@dataclass(eq=False)
class CalibrationResult:
    """Result of a calibration: the program and die, the cross entropy of the batch at
    each step, and the number of pulses of every device, by layer and kind of ECRAM."""

    program: Program
    die: Die
    losses: list[float]
    pulses: list[dict[str, Ints]]

    @property
    def pulses_total(self) -> int:
        """Return the number of pulses of all devices together."""
        return int(sum(counts.sum() for layer in self.pulses for counts in layer.values()))


def calibrate(
    tunable: Tunable,
    learner: Learner | None,
    x: Codes,
    labels: npt.NDArray[np.integer],
    *,
    infer: Infer,
    load: Load,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationResult:
    """Tune the ECRAMs at the neurons of a chip that is reached through the functions
    ``infer`` and ``load``.

    Parameters
    ----------
    tunable:
        The chip; its devices move as their physics says, the learner sees their states only.
    learner:
        The model gradients go back through; None only for ``perturb``.
    x, labels:
        Labelled samples, uint8 (n, inputs) and (n,), n at least 1; not the test set.

    Returns
    -------
    The result; the board holds its program at the end. After Ctrl-C the board holds the
    last whole step's program.
    """
    rng, loop = np.random.default_rng([plan.seed, 1]), _Loop(tunable, infer, load, plan)
    rules = [Rule(bank.states.size, sign=plan.method == "sign") for *_, bank in loop.banks]
    losses: list[float] = []
    for step in range(plan.steps):
        rows = rng.choice(len(x), min(plan.batch, len(x)), replace=False)
        rate = rate_at(plan.rate, step, plan.steps)
        if plan.method == "perturb":
            loss, gradients = loop.perturbed(x[rows], labels[rows], rate, rng)
        else:
            assert learner is not None
            loss, knobs = learner.gradient(x[rows], labels[rows], loop.outputs(x[rows]), loop.states)
            loop.used += len(rows)
            gradients = [knobs[i][kind] for i, kind, _ in loop.banks]
        losses.append(loss)
        for (_, kind, bank), gradient, rule in zip(loop.banks, gradients, rules, strict=True):
            change = rule.change(gradient, rate)
            if kind == "current":
                # Only differences between the heights decide the class. Their sum is
                # kept, because the ranges of the output converters are set for it.
                change = change - change.mean()
            bank.pulse(bank.toward(change, PULSES_MAX))
        loop.put()
        if progress is not None:
            progress(step + 1, plan.steps)
    pulses: list[dict[str, Ints]] = [{} for _ in tunable.layers]
    for i, kind, bank in loop.banks:
        pulses[i][kind] = bank.pulses
    return CalibrationResult(loop.program, tunable.die_at(loop.states), losses, pulses)


class _Loop:
    """State of a calibration: the chip's banks of ECRAMs, each with its layer's number
    and the kind of parameter that it sets; the states read from them; and the program
    on the board. ``used`` counts the samples that the board has processed."""

    def __init__(self, tunable: Tunable, infer: Infer, load: Load, plan: Plan) -> None:
        self._tunable, self._infer, self._load = tunable, infer, load
        self.states, self.used, ecram = tunable.states, 0, tunable.chip.ecram
        rng = np.random.default_rng([plan.seed, 2])
        self.banks = [
            (i, kind, EcramBank(ecram, getattr(states, kind), rng))
            for i, states in enumerate(self.states)
            for kind in kinds(ecram.tunes)
        ]
        self.put()

    def put(self) -> None:
        """Read the ECRAM states, and load the program for these states onto the board."""
        for i, kind, bank in self.banks:
            self.states[i] = moved(self._tunable.chip.ecram.tunes, self.states[i], kind, bank.states)
        self.program = self._tunable.program(self.states)
        self._load(self.program)

    def outputs(self, x: Codes) -> npt.NDArray[np.int32]:
        """Return the board's outputs for samples ``x``."""
        return self._infer(x, self.used)

    def perturbed(
        self, x: Codes, labels: npt.NDArray[np.integer], rate: float, rng: np.random.Generator
    ) -> tuple[float, list[Floats]]:
        """Estimate gradients by perturbation (J. Spall's SPSA, 1992): move all states a
        little in a random direction and then in the opposite direction, with a forward
        pass after each move. Return the mean loss and the gradient of each bank."""
        before = [bank.states for *_, bank in self.banks]
        signs = [rng.choice([-1.0, 1.0], states.size) for states in before]
        losses: list[float] = []
        moves: list[list[Floats]] = []
        scale = 0.0
        for direction in (1.0, -2.0):
            for (*_, bank), sign in zip(self.banks, signs, strict=True):
                bank.pulse(bank.toward(direction * rate * sign, 2 * PULSES_MAX))
            self.put()
            logits = centred(self.outputs(x).astype(np.float64))
            scale = scale or 5.0 / max(float(logits.std()), 1e-9)
            losses.append(cross_entropy(logits, labels, scale)[0])
            moves.append([bank.states for *_, bank in self.banks])
        self.used += 2 * len(x)
        gradients = []
        for (*_, bank), was, move, back_move in zip(self.banks, before, *moves, strict=True):
            apart = move - back_move
            gradients.append((losses[0] - losses[1]) / np.where(np.abs(apart) > 1e-6, apart, np.inf))
            # After the measurement, move the devices back to their former states, as
            # closely as pulses can.
            bank.pulse(bank.toward(was - bank.states, 2 * PULSES_MAX))
        return float(np.mean(losses)), gradients


def rate_at(rate: float, step: int, steps: int) -> float:
    """Return the largest state change at step number ``step``. It falls along a cosine,
    from ``rate`` at step 0 to a tenth of ``rate`` at step ``steps``."""
    return float(rate * (0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * step / steps))))


class Rule:
    """Optimiser of one bank of ``count`` ECRAM devices: computes wanted state changes
    from gradients. It keeps running means of the gradients, except with ``sign``
    (Manhattan rule), which needs none."""

    def __init__(self, count: int, *, sign: bool = False) -> None:
        self._mean, self._square = np.zeros(count), np.zeros(count)
        self._sign = sign
        self._steps = 0

    def change(self, gradient: Floats, rate: float) -> Floats:
        """Return the wanted changes of state (n,), each at most ``rate`` in size, for
        the ``gradient`` (n,) with respect to the states."""
        if self._sign:
            return np.asarray(-rate * SIGN_PART * np.sign(gradient), np.float64)
        self._steps += 1
        self._mean = BETA_1 * self._mean + (1 - BETA_1) * gradient
        self._square = BETA_2 * self._square + (1 - BETA_2) * gradient * gradient
        mean = self._mean / (1 - BETA_1**self._steps)
        spread = np.sqrt(self._square / (1 - BETA_2**self._steps))
        return np.asarray(-rate * np.clip(mean / (spread + TINY), -1.0, 1.0), np.float64)
