"""Grids of noise in training against noise in the test, as NeuRRAM's authors publish them: runs and shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.experiments.bits import packed, unpacked
from ndrite.experiments.runner import Table
from ndrite.intervals import crossed_of, points
from ndrite.replicate.cost import HEADER, cells, cost_of
from ndrite.replicate.published import Found, percent

Floats = npt.NDArray[np.float64]
Grid = dict[float, dict[float, float]]
"""Accuracy in percent by noise in training, then in the test."""


def published_grid(tested: tuple[float, ...], rows: dict[float, tuple[float, ...]]) -> Grid:
    """A published table: accuracies at the ``tested`` noises, a row for each noise in training."""
    return {trained: dict(zip(tested, row, strict=True)) for trained, row in rows.items()}


def share(grid: Grid, trained: float, tested: float) -> float:
    """Percent of what noise in the test takes that training with noise brings back, of means."""
    return 100 * (grid[trained][tested] - grid[0.0][tested]) / (grid[0.0][0.0] - grid[0.0][tested])


def measured(
    make: Callable[[], Any],
    data: tuple[Any, Any, Any, Any],
    chip: str,
    *,
    seed: int,
    noise: float,
    tested: tuple[float, ...],
    draws: int,
    dies: int,
    epochs: int,
    rate: float,
    batch: int,
) -> dict[str, Any]:
    """Train one network with noise; what it gets right at every noise and on every die.

    ``data``: training samples, labels, test samples, labels, as tensors; ``draws``: of the weights' noise at
    each level. On the die the weights carry the chip's own errors instead.
    """
    from emulator.learning.training.extra import torch
    from ndrite.replicate import noisy
    from ndrite.tiles import analog

    x, labels, test, test_labels = data
    torch.manual_seed(seed)
    model = make()
    noisy.train(model, x, labels, epochs=epochs, rate=rate, noise=noise, batch=batch)
    at = {
        f"{level:g}": [
            packed(noisy.right(model, test, test_labels, noise=level)) for _ in range(draws if level else 1)
        ]
        for level in tested
    }
    on_dies, cost = [], {}
    for die in range(dies):
        placed = analog(model, chip, samples=x[:512], seed=1000 * seed + die)
        on_dies.append(packed(noisy.right(placed, test, test_labels)))
        if die == 0:
            cost = cost_of(placed, test[:16])
    return {"at": at, "on_dies": on_dies, "cost": cost, "samples": len(test)}


def right(results: list[dict[str, Any]], noise: float, tested: float) -> Floats:
    """Right answers (networks, draws, n) of networks trained with ``noise``."""
    mine = [r for r in results if r["noise"] == noise]
    return np.array(
        [[unpacked(text, r["samples"]) for text in r["at"][f"{tested:g}"]] for r in mine], np.float64
    )


def on_dies(results: list[dict[str, Any]], noise: float) -> Floats:
    """The same on dies, (networks, dies, n)."""
    mine = [r for r in results if r["noise"] == noise and r["on_dies"]]
    return np.array([[unpacked(text, r["samples"]) for text in r["on_dies"]] for r in mine], np.float64)


def found_share(results: list[dict[str, Any]], trained: float, tested: float) -> Found:
    """``share`` with its interval over networks, draws and samples."""
    clean, bare, with_noise = (
        right(results, 0.0, 0.0),
        right(results, 0.0, tested),
        right(results, trained, tested),
    )
    clean = np.broadcast_to(clean, bare.shape)

    def of(c: float, b: float, w: float) -> float:
        return 100 * (w - b) / (c - b) if c > b else float("nan")

    value = of(clean.mean(), bare.mean(), with_noise.mean())
    if np.isnan(value):  # the noise took nothing
        return Found(value, value, value)
    return Found(value, *crossed_of(of, clean, bare, with_noise))


def found_accuracies(results: list[dict[str, Any]]) -> dict[str, Found]:
    """Every field of the grid in percent, by "training test"."""
    values = {}
    for noise in sorted({r["noise"] for r in results}):
        for level in results[0]["at"]:
            values[f"{noise:g} {level}"] = percent(right(results, noise, float(level)))
    return values


def found_difference(before: Floats, after: Floats) -> Found:
    """Points from ``before`` to ``after``, (networks, draws, n) each, of the same networks."""
    draws = min(before.shape[1], after.shape[1])
    return percent(before.mean(axis=1, keepdims=True) - after[:, :draws])


def costs(results: list[dict[str, Any]], title: str) -> Table:
    """What one inference costs on the first dies of two networks, modelled."""
    rows = [(f"{r['noise']:.0%}", *cells(r["cost"])) for r in results if r["cost"]][:2]
    return Table(title, ("noise in training", *HEADER), rows)


def table(results: list[dict[str, Any]], grid: Grid | None, title: str) -> Table:
    """Accuracies, beside the published ones where there are some, and on dies."""
    tested = sorted(float(level) for level in results[0]["at"])
    rows = []
    for noise in sorted({r["noise"] for r in results}):
        fields = []
        for level in tested:
            theirs = (grid or {}).get(noise, {}).get(level)
            fields.append(points(right(results, noise, level)) + (f" [{theirs:.2f}]" if theirs else ""))
        dies = on_dies(results, noise)
        rows.append((f"{noise:.0%}", *fields, points(dies) if len(dies) else "-"))
    header = ("noise in training", *(f"test noise {t:.0%}" for t in tested), "dies")
    return Table(title, header, rows)
