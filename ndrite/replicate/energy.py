"""TOPS/W of published chips beside the account of costs: what their replications share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndrite.costs import ACCOUNTINGS, load_constants
from ndrite.costs.published import chips, compare
from ndrite.experiments.runner import Table
from ndrite.replicate.published import Explained, Found, Published

OVER = "no interval of a sample: the range of the account's constants, low to high"
RUN = (
    "The account of `ndrite cost` for one product of a whole core at the chip's node, its cells, read time "
    "and bits ([what is counted](../cost.md#against-published-chips)); converters and drivers have the "
    "account's constants. Modelled, nothing is measured here."
)


@dataclass(frozen=True)
class Cores:
    """The replication of one chip's points: what ``Replication`` asks of a module.

    ``where``: their place in the source; ``explained``: of a published figure, what explains ours outside.
    """

    chip: str
    where: str
    explained: Callable[[float], Explained | None]

    def published(self, folder: Path | None) -> dict[str, Published]:
        """Every point; accepted is the published figure alone, as ours is a range."""
        return {
            point["name"]: Published(
                what=f"efficiency of a core, {point['name']}",
                unit="TOPS/W",
                value=point["tops_per_W"],
                how="measured",
                where=self.where,
                low=point["tops_per_W"],
                high=point["tops_per_W"],
                why="the published figure itself has to lie in the modelled range",
                explained=self.explained(point["tops_per_W"]),
            )
            for point in chips()[self.chip]["points"]
        }

    def runs(self, quick: bool, folder: Path | None) -> list[dict[str, Any]]:
        """A point each."""
        return [{"point": i} for i in range(len(chips()[self.chip]["points"]))]

    def run(self, folder: Path | None, point: int) -> dict[str, Any]:
        """One point's account."""
        return {
            f"account_{key}" if key == "point" else key: v
            for key, v in compare(self.chip, point, load_constants()).items()
        }

    def found(self, results: list[dict[str, Any]]) -> dict[str, Found]:
        """The modelled ranges."""
        values = {}
        for r in results:
            low, typical, high = (r["tops_per_W"][a] for a in ACCOUNTINGS)
            values[r["account_point"]] = Found(typical, low, high, r["basis"])
        return values

    def tables(self, results: list[dict[str, Any]]) -> list[Table]:
        """What the energy is made of."""
        rows = [
            (
                r["account_point"],
                f"{r['factor']:.2f}",
                ", ".join(f"{c} {s:.0%}" for c, s in r["shares"].items() if s >= 0.005),
            )
            for r in results
        ]
        return [
            Table("the account", ("point", "modelled / published", "energy by component, modelled"), rows)
        ]
