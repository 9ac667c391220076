"""How well a board does on labelled images, and whether it agrees with the golden model in every bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.golden import GoldenBoard
from emulator.spec import ChipImage
from emulator.spec.brief import brief_repr
from emulator.spec.schedule import bound_cycles
from host import BoardApi
from host.api import Progress


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Result of ``evaluate``.

    ``mismatches`` counts images with any output unequal to the golden model's. The cycle figures are None
    on a board without a clock. ``outputs`` is int32 (images, outputs).
    """

    __repr__ = brief_repr

    images: int
    accuracy: float
    accuracy_golden: float
    mismatches: int
    first_mismatch: str | None
    cycles_per_inference: float | None
    bound_cycles: int | None
    outputs: npt.NDArray[np.int32]

    @property
    def efficiency(self) -> float | None:
        """Schedule bound over measured cycles, 0..1."""
        if self.cycles_per_inference is None or self.bound_cycles is None:
            return None
        return self.bound_cycles / self.cycles_per_inference

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, outputs left out."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "accuracy_golden": self.accuracy_golden,
            "mismatches": self.mismatches,
            "first_mismatch": self.first_mismatch,
            "cycles_per_inference": self.cycles_per_inference,
            "bound_cycles": self.bound_cycles,
            "efficiency": self.efficiency,
        }


def evaluate(
    board: BoardApi,
    image: ChipImage,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    *,
    seed: int = 0,
    noise: bool = True,
    progress: Progress | None = None,
) -> Evaluation:
    """Run labelled images on a board that ``image`` is programmed on, and on the golden model.

    Parameters
    ----------
    images, labels:
        uint8 (n, inputs) codes and uint8 (n,) classes.
    seed, noise:
        As for ``BoardApi.infer``.

    Raises
    ------
    HostError
        As ``BoardApi.infer``.
    """
    board.clear_counters()
    y = board.infer(images, seed=seed, noise=noise, progress=progress)
    counters = board.counters()
    if isinstance(board, GoldenBoard):
        expected = y
    else:
        golden = GoldenBoard()
        golden.program(image)
        expected = golden.infer(images, seed=seed, noise=noise)
    cycles, geometry = counters.get("inference_cycles"), board.geometry
    return compare(
        y,
        expected,
        labels,
        cycles_per_inference=None if cycles is None else cycles / max(1, counters["inferences"]),
        bound=None if geometry is None else bound_cycles(image, geometry.lanes, geometry.slices),
    )


def compare(
    y: npt.NDArray[np.int32],
    expected: npt.NDArray[np.int32],
    labels: npt.NDArray[Any],
    *,
    cycles_per_inference: float | None,
    bound: int | None,
) -> Evaluation:
    """A board's outputs int32 (n, outputs) against the golden model's; ``bound`` counts where cycles do."""
    wrong = np.flatnonzero((y != expected).any(axis=1))
    return Evaluation(
        images=len(y),
        accuracy=accuracy(y, labels),
        accuracy_golden=accuracy(expected, labels),
        mismatches=len(wrong),
        first_mismatch=describe_mismatch(y, expected) if len(wrong) else None,
        cycles_per_inference=cycles_per_inference,
        bound_cycles=None if cycles_per_inference is None else bound,
        outputs=y,
    )


def accuracy(outputs: npt.NDArray[np.int32], labels: npt.NDArray[np.uint8]) -> float:
    """Fraction of rows whose largest output (the first of equals) is the label's."""
    return float((outputs.argmax(axis=1) == labels).mean()) if len(labels) else float("nan")


def describe_mismatch(y: npt.NDArray[np.int32], expected: npt.NDArray[np.int32]) -> str:
    """First differing element, in words."""
    i, m = (int(v) for v in np.argwhere(y != expected)[0])
    return f"inference {i}, output {m}: board {int(y[i, m])}, golden {int(expected[i, m])}"
