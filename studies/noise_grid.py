"""Grids of noise in training against noise in the test, as NeuRRAM's authors publish them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from emulator.device.description import Chip
from ndrite.intervals import crossed_of, points
from studies import runs, table
from studies.energy import ranged
from studies.published import Found, Publication, percent
from studies.runs import Floats, Runs

CHIP = "wan2022"
ON_DIES: dict[str, Chip | str] = {"on_dies": CHIP}
COST: dict[str, Callable[[dict[str, Any]], str]] = {
    "energy, nJ (modelled)": lambda cost: ranged(cost["energy_pJ"], 1e-3),
    "TOPS/W (modelled)": lambda cost: ranged(cost["tops_per_W"]),
}
"""What tables show of a cost."""


def cost_of(account: Any) -> dict[str, Any]:
    """What tables show of an account of costs, plain values."""
    found = account.as_dict()
    return {"energy_pJ": found["total"]["energy_pJ"], "tops_per_W": found["tops_per_W"]}


def measured(
    make: Callable[[], Any],
    data: tuple[Any, Any, Any, Any],
    *,
    seed: int,
    dies: int,
    recipe: dict[str, Any],
    chips: Mapping[str, Chip | str] = ON_DIES,
    tested: Sequence[float] = (),
    draws: int = 1,
    fitted: int = 512,
    costed: int = 16,
) -> dict[str, Any]:
    """Train one network; what it gets right in float, at every noise, and on every die; and what that costs.

    Parameters
    ----------
    data:
        Training samples, labels, test samples, labels, as tensors.
    dies:
        Of each of ``chips``. On a die the weights carry the chip's own errors instead of Gaussian noise.
    recipe:
        Of ``noisy.train``.
    tested, draws:
        Levels of noise in the test, and draws of the weights' noise at each.
    fitted, costed:
        Training samples that set converters, and test samples whose mean cost is kept, of the first die.
    """
    from emulator.learning.training.extra import torch
    from ndrite.tiles import analog
    from ndrite.tiles import cost_of as account_of
    from studies import noisy

    x, labels, *test = data
    torch.manual_seed(seed)
    model = make()
    noisy.train(model, x, labels, **recipe)
    found: dict[str, list[Any]] = {}
    own = noisy.right(model, *test)
    for level in tested:
        found[f"test {level:g}"] = [
            noisy.right(model, *test, noise=level) for _ in range(draws if level else 1)
        ]
    cost: dict[str, Any] = {}
    for name, chip in chips.items():
        found[name] = []
        for die in range(dies):
            placed = analog(model, chip, samples=x[:fitted], seed=runs.die_number(seed, die))
            found[name].append(noisy.right(placed, *test))
            cost = cost if die else cost_of(account_of(placed, test[0][:costed]))
    return {**runs.kept(own, found), "cost": cost}


def right(of: Runs, trained: float, tested: float | None) -> Floats:
    """Right answers (networks, draws, n) of networks trained with a noise; None: on dies."""
    what = "on_dies" if tested is None else f"test {tested:g}"
    return runs.right([r for r in runs.where(of, noise=trained) if r[what]], what)


def found(of: Runs, published: Publication) -> dict[str, Found]:
    """Every field of the grid in percent, by "training test"."""
    return {
        f"{noise:g} {level:g}": percent(right(of, noise, level))
        for noise in sorted({r["noise"] for r in of})
        for level in published["tested"]
    }


def share(of: Runs, trained: float, tested: float) -> Found:
    """Percent of what noise in the test takes that training with noise brings back, with its interval over
    networks, draws and samples."""
    bare, with_noise = right(of, 0.0, tested), right(of, trained, tested)
    clean = np.broadcast_to(right(of, 0.0, 0.0), bare.shape)

    def brought(c: float, b: float, w: float) -> float:
        return 100 * (w - b) / (c - b) if c > b else float("nan")

    value = brought(clean.mean(), bare.mean(), with_noise.mean())
    if np.isnan(value):  # the noise took nothing
        return Found(value, value, value)
    return Found(value, *crossed_of(brought, clean, bare, with_noise))


def difference(before: Floats, after: Floats) -> Found:
    """Points from ``before`` to ``after``, (networks, draws, n) each, of the same networks."""
    draws = min(before.shape[1], after.shape[1])
    return percent(before.mean(axis=1, keepdims=True) - after[:, :draws])


def accuracies(of: Runs, published: Publication | None, title: str) -> table.Table:
    """Accuracies, beside the published ones where there are some, and on dies."""
    theirs = {} if published is None else published["grid"]
    levels = [float(key.removeprefix("test ")) for key in of[0] if key.startswith("test ")]

    def at(level: float) -> Callable[[float], str]:
        def said(noise: float) -> str:
            beside = theirs.get(f"{noise:g}", [None] * len(levels))[levels.index(level)]
            return points(right(of, noise, level)) + (f" [{beside:.2f}]" if beside else "")

        return said

    def dies(noise: float) -> str:
        values = right(of, noise, None)
        return points(values) if len(values) else "-"

    groups = {(f"{noise:.0%}",): noise for noise in sorted({r["noise"] for r in of})}
    columns = {f"test noise {level:.0%}": at(level) for level in levels} | {"dies": dies}
    return table.table(title, ("noise in training",), groups, columns)


def costs(of: Runs, title: str) -> table.Table:
    """What one inference costs on the first dies of two networks, modelled."""
    costed = [r for r in of if r["cost"]][:2]
    rows = [(f"{r['noise']:.0%}", *(said(r["cost"]) for said in COST.values())) for r in costed]
    return table.Table(title, ("noise in training", *COST), rows)
