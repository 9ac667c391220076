"""NeuRRAM's restricted Boltzmann machine: one array read from both sides repairs pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import CompileWarning
from emulator.golden import Core
from emulator.mapping import map_network, transposed
from emulator.network import Dense, Network
from ndrite.costs import account_of
from studies import boltzmann, runs, table
from studies.boltzmann import Machine, Read
from studies.data import whole_mnist
from studies.noise_grid import CHIP, COST, cost_of
from studies.published import Found, over_seeds
from studies.runs import Runs

OVER = (
    "over machines trained with different seeds (Student's t), each the mean over its pictures and dies, 95 %"
)
TRAINED, TESTED = (0.0, 0.1, 0.2, 0.3), (0.0, 0.05, 0.1, 0.2)
"""Noise in training and in the test: the published grid's."""
ON_CHIP = 0.2
"""Noise in training of the machines that go onto dies."""
KINDS = ("flipped", "occluded")


def grid(smoke: bool) -> Runs:
    """A machine each."""
    if smoke:
        size = {"seed": 1, "train": 2000, "epochs": 1, "samples": 100}
        return [{"noise": noise, **size, "dies": dies} for noise, dies in ((ON_CHIP, 1), (0.0, 0))]
    size = {"train": 60_000, "epochs": 15, "samples": 10_000}
    plan = runs.product(seed=range(1, 4), noise=TRAINED)
    return [{**r, "dies": 3 if r["noise"] == ON_CHIP else 0, **size} for r in plan]


def run(
    folder: Path | None, noise: float, seed: int, train: int, epochs: int, dies: int, samples: int
) -> dict[str, Any]:
    """Train one machine; mean distances in floats by test noise, and on dies; before and after."""
    x, labels, test_x, test_labels = whole_mnist(folder)
    machine = boltzmann.train(
        boltzmann.with_labels(x[:train], labels[:train]), noise=noise, seed=seed, epochs=epochs
    )
    pictures, classes = test_x[:samples].astype(np.float32) / np.float32(255), test_labels[:samples]
    rng = np.random.default_rng(seed)
    result: dict[str, Any] = {"floats": {kind: {} for kind in KINDS}, "on_dies": {kind: [] for kind in KINDS}}
    for kind in KINDS:
        for level in TESTED:
            up, down = in_floats(machine, level, rng)
            before, after = boltzmann.repaired(pictures, classes, kind, up, down, rng)
            result["floats"][kind][f"{level:g}"] = [float(before.mean()), float(after.mean())]
    for die in range(dies):
        up, down, costs = on_die(machine, boltzmann.with_labels(x[:512], labels[:512]), 1000 * seed + die)
        for kind in KINDS:
            before, after = boltzmann.repaired(pictures, classes, kind, up, down, rng)
            result["on_dies"][kind].append([float(before.mean()), float(after.mean())])
        if die == 0:
            result["costs"] = costs
    return result


def in_floats(machine: Machine, level: float, rng: np.random.Generator) -> tuple[Read, Read]:
    """Both reads with weights off by Gaussian noise, drawn once."""
    held = machine.weights + np.float32(level) * rng.standard_normal(machine.weights.shape, dtype=np.float32)
    return (
        lambda v: np.asarray(v @ held + machine.hidden),
        lambda h: np.asarray(h @ held.T + machine.visible),
    )


def on_die(
    machine: Machine, visible: npt.NDArray[np.float32], die: int
) -> tuple[Read, Read, dict[str, dict[str, Any]]]:
    """Both reads of the one array of a die, and what each costs.

    ``visible`` (n, 794) calibrates the converters: of the rows by itself, of the columns by what it draws.
    """
    rng = np.random.default_rng(die)
    weights = machine.weights
    hidden = boltzmann.drawn(boltzmann.sigmoid(visible @ weights + machine.hidden), rng)
    up_net, down_net = (
        Network.chain((Dense(w, bias),), name)
        for w, bias, name in (
            (weights, machine.hidden, "to hidden units"),
            (np.ascontiguousarray(weights.T), machine.visible, "to pixels"),
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)  # single cells beyond the code range
        up = map_network(up_net, CHIP, codes(visible), seed=die, one_limit=True)
        down = map_network(
            down_net,
            CHIP,
            codes(hidden),
            seed=die,
            one_limit=True,
            first_product=1,
            programmed=transposed(up.die.arrays[0].mapped),
        )
    costs = {
        name: cost_of(account_of(m.program, m.die, codes(x[:32])))
        for name, m, x in (("rows to columns", up, visible), ("columns to rows", down, hidden))
    }
    reads = []
    for mapped in (up, down):
        reads.append(_Reads(Core(mapped.program), mapped.die.arrays[0].step, die))
    return reads[0], reads[1], costs


class _Reads:
    """Reads of a program, every one with read noise of its own."""

    def __init__(self, core: Any, step: npt.NDArray[np.float64], seed: int) -> None:
        self._core, self._step, self._seed, self._first = core, step, seed, 0

    def __call__(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        sums = self._core.infer(codes(x), seed=self._seed, first_index=self._first)
        self._first += len(x)
        return np.asarray(sums * self._step, np.float32)


def codes(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """0..1 as input codes."""
    return np.rint(x * 255).astype(np.uint8)


def reduced(pair: list[float]) -> float:
    """Percent of a distance that repair takes away."""
    return 100 * (1 - pair[1] / pair[0])


def found(of: Runs) -> dict[str, Found]:
    """Means over machines."""
    chips = [r["on_dies"]["flipped"] for r in of if r["on_dies"]["flipped"]]
    values = {"flipped": over_seeds(np.array([np.mean([reduced(d) for d in dies]) for dies in chips]))}
    for (train,), same in runs.by(of, "noise").items():
        for test in TESTED:
            after = [r["floats"]["occluded"][f"{test:g}"][1] for r in same]
            values[f"grid {train:g} {test:g}"] = over_seeds(np.array(after))
    return values


def tables(of: Runs) -> list[table.Table]:
    """Reductions in floats and on dies, and what a read costs."""

    def on_dies(group: tuple[str, Runs]) -> str:
        dies = [reduced(d) for r in group[1] for d in r["on_dies"][group[0]]]
        return f"{np.mean(dies):.1f} ({min(dies):.1f} .. {max(dies):.1f})" if dies else "-"

    def in_floats(group: tuple[str, Runs], level: float) -> str:
        return f"{np.mean([reduced(r['floats'][group[0]][f'{level:g}']) for r in group[1]]):.1f}"

    groups = {
        (kind, f"{train:.0%}"): (kind, same)
        for kind in KINDS
        for (train,), same in sorted(runs.by(of, "noise").items())
    }
    columns = {f"floats, noise {t:.0%}": lambda g, t=t: in_floats(g, t) for t in TESTED}
    reads = {(name,): cost for r in reversed(of) for name, cost in r.get("costs", {}).items()}
    keys = ("pictures", "noise in training")
    return [
        table.table(
            "distance to the picture reduced, %",
            keys,
            groups,
            columns | {"dies (lowest .. highest)": on_dies},
        ),
        table.table("one read of the array on the first die", ("read",), reads, COST),
    ]
