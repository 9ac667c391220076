"""The page about a PyTorch module on tiles: its loss by cause and by product, what
runs where, its cost."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndrite.costs.account import Account
from ndrite.emulator.device.description import Chip
from ndrite.emulator.spec.files import write_whole
from ndrite.intervals import mean_interval
from ndrite.losses import DIE, ModuleLoss
from ndrite.pages import drawing
from ndrite.pages.report import environment, modelled, versions
from ndrite.results import Result, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRODUCTS_DRAWN = 30
"""Largest number of matrix products that a picture shows."""


@dataclass(frozen=True, eq=False, repr=False)
class ModuleReport(Result):
    """The result of ``ndrite.report`` for a PyTorch module: every number of the page
    about the module.

    Attributes
    ----------
    loss:
        The metric by cause and by product, over dies.
    cost:
        What a sample costs in the products on tiles, modelled, on the first die.
    chip:
        The chip.
    where:
        Table of the products and of what PyTorch computes.
    share:
        Share of the multiplications of products that tiles do, 0..1.
    source:
        Where the module is from.
    """

    loss: ModuleLoss
    cost: Account
    chip: Chip
    where: Table
    share: float
    source: str = ""

    @property
    def name(self) -> str:
        """Return the names of module and chip."""
        return f"{self.loss.name} on {self.loss.chip}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one HTML file that needs no other file. Raises OSError if
        it cannot be written."""
        page = environment().get_template("module.html").render(title=self.name, report=self)
        return write_whole(path, page.lstrip())

    def save_figures(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every figure as SVG and PDF into ``folder``, creating it if necessary."""
        return drawing.save_all(self.figures, Path(folder))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Return the figures by name, drawn on first use."""
        return {"loss": draw(self.loss)}

    @property
    def quantities(self) -> dict[str, str]:
        """Return the headline quantities as text."""
        metric, change = self.loss.words(self.loss.causes[DIE])
        return {
            "metric in floats": f"{self.loss.reference:.5g}",
            "metric on the golden model": metric,
            "change against floats": change,
            "multiplications on tiles": f"{self.share:.1%}",
            **modelled(self.cost, "a sample"),
            "dies": str(len(self.loss.seeds)),
        }

    @property
    def provenance(self) -> dict[str, str]:
        """Return where the module is from, the seeds of its dies, and the
        versions of the software."""
        seeds = ", ".join(map(str, self.loss.seeds))
        return {"module": self.source, "chip seeds": seeds, "versions": versions("numpy", "scipy", "torch")}

    def as_dict(self) -> dict[str, Any]:
        return self.loss.as_dict() | {"multiplications_on_tiles": self.share, "cost": self.cost.as_dict()}

    def tables(self) -> Iterable[Table]:
        yield Table(self.name, ("quantity", "value"), list(self.quantities.items()))


def draw(loss: ModuleLoss) -> Figure:
    """Draw the change of the metric by cause of error (left panel) and by matrix
    product (right panel, at most PRODUCTS_DRAWN, the largest changes); return the
    matplotlib figure."""
    causes = list(loss.causes)
    products = loss.products_in_order()[:PRODUCTS_DRAWN]
    panels = [("cause alone", causes, loss.causes)]
    panels += [("product alone on the die", products, loss.products)] if products else []
    figure = drawing.figure(5.5 * len(panels), 0.3 * max(len(names) for _, names, _ in panels) + 1.2)
    for axes, (title, names, values) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        places = np.arange(len(names))[::-1]
        means = [mean_interval(np.array(values[name])) for name in names]
        halves = [half or 0.0 for _, half in means]
        changes = [mean - loss.reference for mean, _ in means]
        axes.barh(places, changes, xerr=halves if any(halves) else None, color=drawing.INK, ecolor="0.45")
        axes.set_yticks(places, names, fontsize=8)
        axes.axvline(0, color="0.6", lw=0.8)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(f"change of the metric from {loss.reference:.5g}")
    return figure
