"""trained: computes a sweep point that trains in situ: training runs with every
learning rate and seed, of which the best rate is judged."""

import dataclasses
import hashlib
import json
import time
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ndrite.emulator.device.description import parse_chip
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.learning import insitu
from ndrite.emulator.learning.labelled import Classes, Labelled
from ndrite.emulator.mapping.explain import accuracy
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes
from ndrite.host import InputWarning
from ndrite.intervals import mean_interval
from ndrite.runs import File, Row
from ndrite.samples import CALIBRATION_SAMPLES, learning_samples
from ndrite.signature import widths

Right = Callable[[Codes, Classes], float]
"""Function that computes the accuracy (0..1) of a trained network on samples
and their classes."""
STARTS_MAX = 256
"""Largest number of mapped start networks that a process keeps in memory."""


class Parts(NamedTuple):
    """Three disjoint sets of samples: to train (the training samples of ``learned``),
    to choose a learning rate (``held_x``), and to judge the chosen rate (the test
    samples of ``learned``)."""

    learned: Labelled
    held_x: Codes
    held_labels: Classes


@lru_cache(4)
def parts_of(
    inputs: File | None, labels: File | None, data: str | None, samples: int, held_out: int
) -> Parts:
    """Divide samples into training, held-out and test samples. In a data set, training
    and held-out samples are taken from its training samples, and test samples from its
    test samples. The user's own samples are divided in this order.

    Raises EmulatorError where there are too few, and as ``learning_samples``.
    """
    x, y = (None if file is None else file.array() for file in (inputs, labels))
    with warnings.catch_warnings(action="ignore", category=InputWarning):
        labelled = learning_samples(x, y, None if inputs is not None else data or "digits", None)
    end, size = samples + held_out, len(labelled.x)
    size_max = size - 1 if labelled.own else size
    if end > size_max:
        judged_by = (
            f", 1 of {size} to judge by" if labelled.own else f", the training samples of {labelled.name}"
        )
        raise EmulatorError(f"learn.samples + held_out is {end}; accepted: at most {size_max}{judged_by}")
    x, y = labelled.x, labelled.labels
    held_out_part = x[samples:end], y[samples:end]
    test = (x[end:], y[end:]) if labelled.own else (labelled.test_x, labelled.test_labels)
    learned = dataclasses.replace(
        labelled, x=x[:samples], labels=y[:samples], test_x=test[0], test_labels=test[1]
    )
    return Parts(learned, *held_out_part)


def samples_of(given: Row) -> Parts:
    """Return the samples of a sweep point; ``given`` are the parameters of the run
    that computes it."""
    learn = given["learn"]
    return parts_of(given["inputs"], given["labels"], learn["data"], learn["samples"], learn["held_out"])


def prepared(given: Row, rate: float, seed: int) -> insitu.Prepared:
    """Prepare the training of a sweep point; ``given`` are the parameters of the run
    that computes it. Raises the errors of ``insitu.prepare``."""
    learn, learned = given["learn"], samples_of(given).learned
    plan = insitu.Plan(
        widths=(learned.x.shape[1], *widths(learn["hidden"]), learned.outputs),
        rate=rate,
        hidden_rate=learn["hidden_rate"],
        slots=learn["slots"],
        rule=learn["rule"],
        **insitu.fields_of_rule(learn["rule"], **{name: learn[name] for name in insitu.OF_RULES}),
        bound=learn["bound"],
        activation=learn["neuron"],
        seed=seed,
    )
    device = parse_chip(given["device"])
    law, spread = insitu.law_of_weights(device, device.name), device.ecram.spread
    key = json.dumps([given["chip"], plan.widths, plan.activation, seed, learned.digest()], sort_keys=True)
    start = _starts.get(key)
    if start is None:
        if len(_starts) >= STARTS_MAX:
            _starts.clear()
        x = learned.x[:CALIBRATION_SAMPLES]
        start = insitu.prepare(plan, parse_chip(given["chip"]), law, spread, x, learned.meaning)
        _starts[key] = start
    return start.again(plan, law, spread)


_starts: dict[str, insitu.Prepared] = {}
"""Start networks that points share: their mapping depends neither on devices nor on rates."""


def learn_point(
    *, inputs: File | None, labels: File | None, chip: Row, device: Row, learn: Row, seeds: list[int]
) -> Row:
    """Train a device on the golden model with every learning rate and seed. Choose the
    rate with the best held-out accuracy (mean over seeds), and return its row of
    results, judged on the test samples.

    ``states_digest`` is of the states that the chosen rate led to, over all seeds.
    Raises as ``insitu.prepare`` and ``parts_of``.
    """
    parameters = {"inputs": inputs, "labels": labels, "chip": chip, "device": device, "learn": learn}
    digests: dict[float, hashlib._Hash] = {}

    def trained(rate: float, seed: int) -> Right:
        parts, ready = samples_of(parameters), prepared(parameters, rate, seed)
        learner = make_learner(ready.learning, seed=seed)
        insitu.follow(learner, insitu.Course(), parts.learned, epochs=learn["epochs"], seed=seed)
        states = digests.setdefault(rate, hashlib.sha256())
        for layer in learner.states:
            states.update(layer.astype("<i4").tobytes())
        core = Core(learner.program())
        return lambda x, labels: accuracy(core.infer(x, seed=seed), labels)

    rates = learn["rates"][:1] if learn["rule"] == "manhattan" else learn["rates"]
    row = _chosen(parameters, trained, rates, seeds)
    return row | {"states_digest": digests[row["rate"]].hexdigest()[:16]}


def float_point(
    *, inputs: File | None, labels: File | None, chip: Row, device: Row, learn: Row, seeds: list[int]
) -> Row:
    """Train the same networks, from the same initial weights and with the same learning
    rates, by gradient descent in floats. Return the row of the best rate, chosen and
    judged as in ``learn_point``."""
    parameters = {"inputs": inputs, "labels": labels, "chip": chip, "device": device, "learn": learn}

    def trained(rate: float, seed: int) -> Right:
        parts, ready = samples_of(parameters), prepared(parameters, rate, seed)
        x, y = parts.learned.x, parts.learned.labels
        network = insitu.float_network(ready, x, y, epochs=learn["epochs"], seed=seed)
        return lambda x, labels: accuracy(network.forward(x / np.float32(INPUT_MAX)), labels)

    return _chosen(parameters, trained, learn["rates"], seeds)


def _chosen(
    parameters: Row, trained: Callable[[float, int], Right], rates: list[float], seeds: list[int]
) -> Row:
    """Return the row of results of the learning rate with the best mean accuracy on
    held-out samples (the first of equally good rates)."""
    began, parts = time.monotonic(), samples_of(parameters)
    runs = {rate: [trained(rate, seed) for seed in seeds] for rate in rates}
    mean_held_out = {
        rate: float(np.mean([right(parts.held_x, parts.held_labels) for right in of_seeds]))
        for rate, of_seeds in runs.items()
    }
    rate = max(mean_held_out, key=mean_held_out.__getitem__)
    test = parts.learned.test_x, parts.learned.test_labels
    accuracies = np.array([right(*test) for right in runs[rate]])
    mean, half = mean_interval(accuracies)
    return {
        "rate": rate,
        "accuracy_held_out": mean_held_out[rate],
        "accuracy": mean,
        "accuracy_half_interval_95": half,
        "accuracy_min": float(accuracies.min()),
        "accuracy_max": float(accuracies.max()),
        "accuracy_per_seed": accuracies.tolist(),
        "count": len(test[0]),
        "trainings": len(runs) * len(seeds),
        "seconds": time.monotonic() - began,
    }
