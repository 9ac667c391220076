"""Losses of a PyTorch module on tiles: results of ``explain`` and ``place``;
imports no PyTorch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndrite.emulator.mapping.explain import CAUSES
from ndrite.intervals import mean_interval
from ndrite.results import Result, Table

OF_NEURONS = ("NDR device", "load line", "PWL fit", "bias cells", "DAC")
INPUTS = "input codes"
ON_TILES: dict[str, str] = {INPUTS: "inputs outside the samples' range, and their rounding to 8 bits"} | {
    cause: covers for cause, covers in CAUSES.items() if cause not in OF_NEURONS
}
"""Causes of errors of a matrix product on tiles -> what each covers."""
ALL, DIE = "all causes", "die (golden model)"


@dataclass(frozen=True, eq=False, repr=False)
class ModuleLoss(Result):
    """The result of ``ndrite.explain`` for a PyTorch module: the module's metric with
    each cause of error alone, and with each matrix product alone on the die.

    Attributes
    ----------
    name, chip:
        Class of the module, name of the chip.
    reference:
        The metric of the module in floats.
    causes, products:
        The metric on each die by cause (with ``ALL`` and ``DIE`` last), and with a
        single product on the die.
    shares:
        Part of the multiplications on tiles, by product.
    seeds:
        Seeds of the dies.
    """

    name: str
    chip: str
    reference: float
    causes: dict[str, tuple[float, ...]]
    products: dict[str, tuple[float, ...]]
    shares: dict[str, float]
    seeds: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        rows = {"causes": self.causes, "products": self.products}
        return {
            "module": self.name,
            "chip": self.chip,
            "reference": self.reference,
            "dies": list(self.seeds),
            "shares": self.shares,
        } | {
            kind: {name: {"dies": list(values), **_interval(values)} for name, values in of.items()}
            for kind, of in rows.items()
        }

    def tables(self) -> Iterable[Table]:
        """Return two tables of changes of the metric: one by cause of error, and one by
        matrix product with the largest change first."""
        title = f"{self.name} on {self.chip}: float {self.reference:.5g}"
        if len(self.seeds) > 1:
            title += f"; {len(self.seeds)} dies, 95 % by Student's t over dies"
        yield Table(
            f"{title}; each cause alone",
            ("cause", "metric", "change", "covers"),
            [(cause, *self.words(values), ON_TILES.get(cause, "")) for cause, values in self.causes.items()],
        )
        if not self.products:
            return
        yield Table(
            "each product alone on the die",
            ("product", "metric", "change", "multiplications"),
            [
                (name, *self.words(self.products[name]), f"{100 * self.shares.get(name, 0.0):.1f} %")
                for name in self.products_in_order()
            ],
        )

    def products_in_order(self) -> list[str]:
        """Return the names of the matrix products, that with the largest mean change of
        the metric first."""
        return sorted(self.products, key=lambda name: -abs(np.mean(self.products[name]) - self.reference))

    def words(self, values: tuple[float, ...]) -> tuple[str, str]:
        """Format the mean of a metric over dies, and its change against floats
        with its interval."""
        mean, half = mean_interval(np.array(values))
        spread = "" if half is None else f" ± {half:.2g}"
        return f"{mean:.5g}", f"{mean - self.reference:+.3g}{spread}"


@dataclass(frozen=True, eq=False, repr=False)
class Placed(Result):
    """The result of ``ndrite.place``: which matrix products of a module stay digital,
    computed in floats.

    Attributes
    ----------
    module:
        The module on tiles, with the products in ``digital`` in floats.
    digital:
        Names of the products that stay digital.
    curve:
        Rows (number of digital products, share of multiplications on tiles, metric),
        all on tiles first; the last row is the placement.
    reference, limit:
        The metric in floats, and the loss that was asked for.
    harm:
        Loss with a product alone on the die, by product; those that ``minutes`` left no
        time for are missing.
    """

    module: Any
    digital: tuple[str, ...]
    curve: tuple[tuple[int, float, float], ...]
    reference: float
    limit: float
    harm: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        rows = [dict(zip(("digital", "share", "metric"), row, strict=True)) for row in self.curve]
        return {
            "reference": self.reference,
            "loss": self.limit,
            "digital": list(self.digital),
            "curve": rows,
            "alone": self.harm,
        }

    def tables(self) -> Iterable[Table]:
        """Return the table of the metric against the share of multiplications that
        are done on tiles."""
        rows = [(str(n), f"{100 * share:.1f} %", f"{value:.5g}") for n, share, value in self.curve]
        title = f"float {self.reference:.5g}; digital: {', '.join(self.digital) or 'none'}"
        yield Table(title, ("products in floats", "multiplications on tiles", "metric"), rows)

    def lines(self) -> Iterable[str]:
        return (f"{len(self.harm)} products were measured alone",)


def _interval(values: tuple[float, ...]) -> dict[str, float | list[float] | None]:
    mean, half = mean_interval(np.array(values))
    return {"mean": mean, "interval_95": None if half is None else [mean - half, mean + half]}
