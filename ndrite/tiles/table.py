"""What of a module runs where, and its share of all multiplications."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One product of a matrix.

    ``name``: of the module, or of PyTorch's operator; ``where``: "die", "host" or "torch"; ``inputs``,
    ``outputs``, ``tiles``: K, M and row tiles, 0 where the product is not on the die; ``macs``:
    multiplications a sample.
    """

    name: str
    where: str
    macs: float
    inputs: int = 0
    outputs: int = 0
    tiles: int = 0

    @property
    def weights(self) -> int:
        """Weights on tiles."""
        return self.inputs * self.outputs


@dataclass(frozen=True)
class Table:
    """Products, then what PyTorch computes besides: ``others`` are module classes and how many there are."""

    rows: tuple[Row, ...]
    others: tuple[tuple[str, int], ...] = ()

    @property
    def macs(self) -> float:
        """Multiplications of all products a sample."""
        return sum(row.macs for row in self.rows)

    @property
    def share(self) -> float:
        """Part of them that tiles do, 0..1."""
        return sum(row.macs for row in self.rows if row.where == "die") / max(self.macs, 1)

    @property
    def weights(self) -> int:
        """Weights on tiles."""
        return sum(row.weights for row in self.rows)

    def __str__(self) -> str:
        lines = [("product", "where", "weights", "row tiles", "MACs a sample", "share")]
        for row in self.rows:
            size = f"{row.inputs} x {row.outputs}" if row.tiles else "-"
            lines.append(
                (
                    row.name,
                    row.where,
                    size,
                    str(row.tiles) if row.tiles else "-",
                    f"{row.macs:,.0f}",
                    f"{100 * row.macs / max(self.macs, 1):.1f} %",
                )
            )
        lines.append(
            (
                "on tiles",
                "die",
                f"{self.weights:,}",
                "",
                f"{self.share * self.macs:,.0f}",
                f"{100 * self.share:.1f} %",
            )
        )
        text = "\n".join(_aligned(lines))
        if self.others:
            text += "\nin torch: " + ", ".join(f"{name} x {count}" for name, count in self.others)
        return text


def _aligned(lines: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
