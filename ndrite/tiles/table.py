"""What of a module runs where, and its share of all multiplications."""

from __future__ import annotations

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
        whole = max(self.macs, 1)
        lines = [("product", "where", "weights", "row tiles", "MACs a sample", "share")]
        for row in self.rows:
            size = (f"{row.inputs} x {row.outputs}", str(row.tiles)) if row.tiles else ("-", "-")
            lines.append((row.name, row.where, *size, f"{row.macs:,.0f}", f"{100 * row.macs / whole:.1f} %"))
        share = (f"{self.share * self.macs:,.0f}", f"{100 * self.share:.1f} %")
        lines.append(("on tiles", "die", f"{self.weights:,}", "", *share))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = "\n".join(
            "  ".join(f"{cell:{'<' if i < 2 else '>'}{widths[i]}}" for i, cell in enumerate(line)).rstrip()
            for line in lines
        )
        if self.others:
            text += "\nin torch: " + ", ".join(f"{name} x {count}" for name, count in self.others)
        return text
