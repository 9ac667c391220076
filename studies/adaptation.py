"""Weights frozen in programmed, imperfect RRAM; the inputs or the cells change;
something small is adapted.

The neurons' ECRAMs are adapted by pulses; controls of equal cost adapt the neurons'
digital gains and biases, or the output weights. All see the same samples, each at the
best of three rates by held-out ones.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.ndimage import rotate

from ndrite.emulator.learning.tuning import Plan
from studies import controls, dies, runs, table
from studies.data import learning_data
from studies.dies import CONVERTERS
from studies.runs import FLOAT, Row, Runs
from studies.table import points
from studies.training import trained

DARK, NOISY, TURNED, MOVED, AGED = (
    "half as bright",
    "noise of 40 grey values",
    "rotated by 15 degrees",
    "shifted by 2 pixels",
    "two days after its corrections, 3 x error",
)
PULSES, AS_IT_IS = "ECRAMs of the neurons", "die as it is"
WAYS = (PULSES, *controls.KINDS)
PLAN = Plan(steps=20, batch=2000)
LEARN, HELD = 20_000, 2_000
"""Number of training samples that a die is adapted on (the last ones), and number of
samples before them that choose the rates."""
LATER_S, MORE_ERROR = 172_800.0, 3.0


def changed(images: npt.NDArray[np.uint8], task: str, seed: int) -> npt.NDArray[np.uint8]:
    """Return ``images`` uint8 (n, 784) as they look after the change that ``task`` is
    about: darker, moved, turned or noisy."""
    square = images.reshape(-1, 28, 28)
    if task == DARK:
        return images // 2
    if task == MOVED:
        square = np.pad(square, ((0, 0), (0, 0), (2, 0)))[:, :, :28]
    if task == TURNED:
        square = rotate(square, 15, axes=(2, 1), reshape=False, order=1)
    if task == NOISY:
        noise = np.random.default_rng(seed).normal(0, 40, images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)
    return square.reshape(len(images), -1)


def run(task: str, seed: int, die: int, samples: int, epochs: int) -> Row:
    """Adapt one die of one network to one task by every method. Record for each method
    which test samples the die gets right."""
    net, _ = trained(CONVERTERS, seed, epochs)
    number = dies.number_of(seed, die)
    x, labels, test_x, test_labels = learning_data(samples)
    fit = x[-dies.SAMPLES :]
    chip = dies.changed(CONVERTERS, **({"cell__error_scale": MORE_ERROR} if task == AGED else {}))
    mapped = dies.aged(net, chip, number, fit, LATER_S) if task == AGED else dies.make(net, chip, number, fit)
    plan, learn, held_count = (Plan(steps=2, batch=200), 3000, 500) if samples < 1000 else (PLAN, LEARN, HELD)
    plan = dataclasses.replace(plan, seed=number)
    changed_samples, classes = (
        changed(x[-learn - held_count :], task, 2 * number),
        labels[-learn - held_count :],
    )
    test = (changed(test_x, task, 2 * number + 1), test_labels)

    programs, rates, best = {AS_IT_IS: mapped.program}, {}, -1.0
    for rate in controls.RATES:
        tuning = dies.Tuning(dataclasses.replace(plan, rate=rate))
        pulsed = dies.tuned(mapped, net, changed_samples[held_count:], classes[held_count:], tuning, number)
        accuracy = float(
            dies.on_die(pulsed, number, changed_samples[:held_count], classes[:held_count]).mean()
        )
        if accuracy > best:
            best, programs[PULSES], rates[f"{PULSES}, rate"] = accuracy, pulsed, rate
    for kind in controls.KINDS:
        seen_samples = controls.seen(mapped.program, chip.array.rows, changed_samples, classes)
        adapted_controls = controls.adapted(
            mapped, chip, kind, seen_samples.part(held_count, None), seen_samples.part(0, held_count), plan
        )
        programs[kind], rates[f"{kind}, rate"], _ = adapted_controls
    on_die = {state: dies.on_die(program, number, *test) for state, program in programs.items()}
    return runs.kept(dies.in_float(net, *test), on_die) | rates


def tables(found: Runs) -> list[table.Table]:
    """Return two tables by task: the accuracy of every method, and its gain over the
    die without adaptation."""
    groups = runs.by(found, "task")
    states = {"float, not adapted": FLOAT} | {way_name: way_name for way_name in (AS_IT_IS, *WAYS)}
    accuracies = {
        name: lambda g, what=way_name: f"{100 * runs.right(g, what).mean():.2f}"
        for name, way_name in states.items()
    }
    gains = {way: lambda g, w=way: points(runs.right(g, w) - runs.right(g, AS_IT_IS)) for way in WAYS}
    title = f"adaptation, weights frozen, {runs.size(found)}: accuracy, %"
    return [
        table.table(title, ("inputs or cells",), groups, accuracies),
        table.table("gain over the die as it is, points", ("inputs or cells",), groups, gains),
    ]
