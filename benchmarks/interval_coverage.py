"""How often intervals of ``ndrite.intervals`` hold the truth, in simulated experiments
of the sizes in use.

Every answer is right where a normal score is above zero. The score has a part of the
network, of the die and of the sample, and a rest, so that the true mean over all
networks, dies and samples is a normal integral.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ndrite.emulator.spec.arithmetic import Floats
from ndrite.intervals import crossed, crossed_of, mean_interval, paired, wilson
from studies.table import behind

Interval = tuple[float, float]
RIGHT = 0.9
"""Accuracy of the software network, over all samples."""
MIXES = {
    "networks": (0.12, 0.03, 1.0),
    "dies": (0.03, 0.12, 1.0),
    "samples": (0.02, 0.02, 1.0),
    "dies alone": (0.0, 0.12, 1.0),
}
"""Deviations of the score between networks, dies and samples, by the factor that
differs most. 0.12 is 1.5 points of accuracy, more than networks of one recipe and dies
of one chip differ by in docs/results."""


@dataclass(frozen=True)
class Experiment:
    """Size and standard deviations of an experiment that compares software networks
    with the same networks on dies."""

    networks: int
    dies: int
    n: int
    mix: str
    same_dies: bool = False

    @property
    def total(self) -> float:
        """Standard deviation of a whole score; its part per sample, network and
        die has deviation 1."""
        return math.sqrt(1 + sum(part**2 for part in MIXES[self.mix]))

    def answers(self, rng: np.random.Generator, *losses: float) -> list[Floats]:
        """Of each loss of mean score, in deviations, whether a sample is right:
        (networks, dies, n)."""
        of_network, of_die, of_sample = MIXES[self.mix]
        score = of_network * rng.standard_normal((self.networks, 1, 1))
        score = score + of_sample * rng.standard_normal((1, 1, self.n))
        own_dies = 1 if self.same_dies else self.networks
        score = score + of_die * rng.standard_normal((own_dies, self.dies, 1))
        shape, centre = (self.networks, self.dies, self.n), float(norm.ppf(RIGHT))
        return [
            ((centre - loss) * self.total + score + rng.standard_normal(shape) > 0).astype(np.float64)
            for loss in losses
        ]


def accuracy(loss: float) -> float:
    """Return the true accuracy if the mean score is lower by ``loss`` standard deviations."""
    return float(norm.cdf(norm.ppf(RIGHT) - loss))


def of_mean(n: int) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for Student's interval of the mean of ``n`` normal numbers."""

    def once(rng: np.random.Generator) -> tuple[Interval, float]:
        mean, half = mean_interval(rng.standard_normal(n))
        assert half is not None
        return (mean - half, mean + half), 0.0

    return once


def of_proportion(n: int, p: float) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for Wilson's interval of an accuracy ``p`` on ``n`` samples."""
    return lambda rng: (wilson(int(rng.binomial(n, p)), n), p)


def of_pair(n: int, lost: float, won: float) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for the interval of a loss on the same ``n`` samples: the
    share ``lost`` of them becomes wrong, the share ``won`` becomes right."""

    def once(rng: np.random.Generator) -> tuple[Interval, float]:
        drawn = rng.multinomial(n, [lost, won, 1 - lost - won])
        return paired(int(drawn[0]), int(drawn[1]), n), lost - won

    return once


def of_accuracy(size: Experiment) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for the crossed interval of an accuracy on dies."""
    return lambda rng: (crossed(size.answers(rng, 0.3)[0], same_dies=size.same_dies), accuracy(0.3))


def of_loss(size: Experiment) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for the crossed interval of the loss on dies against the
    same networks in software."""

    def once(rng: np.random.Generator) -> tuple[Interval, float]:
        software, analog = size.answers(rng, 0.0, 0.3)
        return crossed(software - analog, same_dies=size.same_dies), accuracy(0.0) - accuracy(0.3)

    return once


def of_recovery(size: Experiment) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for the crossed interval of the share of a loss that a
    countermeasure recovers."""

    def once(rng: np.random.Generator) -> tuple[Interval, float]:
        software, before, after = size.answers(rng, 0.0, 0.5, 0.2)
        found = crossed_of(lambda b, a: 1.0 - a / b if b > 0 else np.nan, software - before, software - after)
        return found, 1 - (accuracy(0.0) - accuracy(0.2)) / (accuracy(0.0) - accuracy(0.5))

    return once


def of_others(size: Experiment, others: int) -> Callable[[np.random.Generator], tuple[Interval, float]]:
    """Return an experiment for the crossed interval of the loss of networks on dies
    against other networks in software, on the same samples."""

    def once(rng: np.random.Generator) -> tuple[Interval, float]:
        of_network, of_die, of_sample = MIXES[size.mix]
        samples = of_sample * rng.standard_normal(size.n)
        on_dies = of_network * rng.standard_normal((size.networks, 1, 1)) + samples
        on_dies = on_dies + of_die * rng.standard_normal((size.networks, size.dies, 1))
        on_dies = on_dies + rng.standard_normal((size.networks, size.dies, size.n))
        beside = math.hypot(of_network, of_die) * rng.standard_normal((others, 1)) + samples
        beside = beside + rng.standard_normal((others, size.n))
        centre = float(norm.ppf(RIGHT)) * size.total
        right = (on_dies + centre - 0.3 * size.total > 0).astype(float), (beside + centre > 0).astype(float)
        _, low, high = behind(*right)
        return (low, high), accuracy(0.0) - accuracy(0.3)

    return once


def kinds() -> Iterator[tuple[str, Callable[[np.random.Generator], tuple[Interval, float]]]]:
    """Yield every kind of interval by name, at the sizes that verbs and studies use,
    with its experiment."""
    for n in (2, 3, 5, 10, 20):
        yield f"mean of {n} (Student)", of_mean(n)
    for n, p in ((100, 0.9), (297, 0.97), (1000, 0.85), (10_000, 0.98)):
        yield f"accuracy {p:.0%} of {n:,} samples (Wilson)", of_proportion(n, p)
    for n, lost, won in ((297, 0.02, 0.01), (1000, 0.03, 0.03), (10_000, 0.01, 0.004)):
        yield f"loss on {n:,} samples, {lost:.1%} lost, {won:.1%} won (paired)", of_pair(n, lost, won)
    for mix in ("networks", "dies", "samples"):
        size = Experiment(5, 3, 1000, mix)
        yield f"accuracy, 5 networks x 3 dies, {mix} differ most (crossed)", of_accuracy(size)
        yield (
            f"loss, 5 networks x 10 dies, {mix} differ most (crossed)",
            of_loss(Experiment(5, 10, 1000, mix)),
        )
        yield f"loss, 3 networks x 5 dies, {mix} differ most (crossed)", of_loss(Experiment(3, 5, 1000, mix))
        same = Experiment(5, 5, 1000, mix, same_dies=True)
        yield f"loss, 5 networks on the same 5 dies, {mix} differ most (crossed)", of_loss(same)
        yield (
            f"recovery, 5 networks x 5 dies, {mix} differ most (crossed)",
            of_recovery(Experiment(5, 5, 1000, mix)),
        )
        yield (
            f"behind 5 others, 5 networks x 5 dies, {mix} differ most (crossed)",
            of_others(Experiment(5, 5, 1000, mix), 5),
        )
    yield (
        "accuracy, 1 network x 5 dies, dies differ most (crossed)",
        of_accuracy(Experiment(1, 5, 1000, "dies alone")),
    )


def coverage(experiments: int, seed: int, only: str = "") -> dict[str, float]:
    """Return, for each kind whose name contains ``only``, the share of the experiments
    whose interval contains the true value."""
    parts = {}
    for index, (name, once) in enumerate(kinds()):
        if only not in name:
            continue
        rng = np.random.default_rng([seed, index])
        inside = 0
        for _ in range(experiments):
            (low, high), truth = once(rng)
            inside += low <= truth <= high
        parts[name] = inside / experiments
        print(f"{parts[name]:6.1%}  {name}", flush=True)
    return parts


def ranges(table: dict[str, float]) -> dict[str, list[float]]:
    """Return the least and the largest part among plain intervals, crossed intervals of
    accuracies, and crossed intervals of differences."""
    parts_of: dict[str, list[float]] = {}
    for name, part in table.items():
        crossed_kind = "crossed_accuracy" if name.startswith("accuracy") else "crossed_difference"
        parts_of.setdefault(crossed_kind if "crossed" in name else "simple", []).append(part)
    return {kind: [min(parts), max(parts)] for kind, parts in parts_of.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiments", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--json", help="file to write the parts to")
    options = parser.parse_args()
    table = coverage(options.experiments, options.seed, options.only)
    if options.json:
        content = {
            "command": f"python benchmarks/interval_coverage.py --experiments {options.experiments} "
            f"--seed {options.seed}",
            "experiments": options.experiments,
            "seed": options.seed,
            "ranges": ranges(table),
            "coverage": table,
        }
        with open(options.json, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1)
            stream.write("\n")
