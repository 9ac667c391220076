"""demo: the shipped network as floats, on the golden model and in the RTL, and the picture of it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from boards.golden import GoldenBoard
from emulator.device.pulsing import Programming
from emulator.mapping import golden_accuracy, map_network
from emulator.mapping.explain import accuracy
from emulator.network.datasets.fashion_mnist import CLASSES
from ndrite.compiled import Compiled, load
from ndrite.evaluations import Evaluation, evaluate
from ndrite.intervals import percent
from ndrite.pages import drawing, figures
from ndrite.results import Result, Table
from ndrite.samples import CALIBRATION_SAMPLES, judging_set
from ndrite.signature import Board, Option, Picture, Seed, Stages, silent, verb
from ndrite.url import connect


def losses(
    whole: Compiled, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], *, noisy: float
) -> list[tuple[str, float]]:
    """Accuracy (0..1) after each step: name and value, starting with the float network.

    ``noisy`` is the accuracy of the program with read noise, known already. The second step is the same chip
    with cells that program exactly and do not fluctuate: what is left is levels, codes, ADC and PWL tables.
    """
    chip = whole.die.chip
    exact = dataclasses.replace(
        chip,
        cell=dataclasses.replace(chip.cell, programming_error="ideal", read_noise_percent=0.0),
        programming=Programming(),
        readout=dataclasses.replace(chip.readout, output_noise_lsb=0.0),
    )
    quantised = map_network(whole.network, exact, x[:CALIBRATION_SAMPLES]).program
    return [
        ("float", whole.network.accuracy(x, labels)),
        ("levels, codes, ADC, PWL", golden_accuracy(quantised, x, labels, noise=False)),
        ("+ programming error", golden_accuracy(whole.program, x, labels, noise=False)),
        ("+ read noise", noisy),
    ]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Demo(Result):
    """What the demo found. Accuracies 0..1; ``rtl`` is of the first samples only, with the same seed."""

    whole: Compiled
    board: str
    seed: int
    accuracy_float: float
    accuracy_golden: float
    samples_golden: int
    rtl: Evaluation
    confusion: npt.NDArray[np.int64]
    losses: list[tuple[str, float]]

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw neurons' curves and their tables, the confusion matrix, and where the accuracy goes."""
        figure = drawing.figure(15, 5)
        left, middle, right = figure.subfigures(1, 3, width_ratios=(1.0, 1.15, 1.0))
        figures.curves(self.whole, left)
        axes = middle.subplots()
        figures.confusion(axes, self.confusion, CLASSES, 6.5)
        axes.set(title=f"golden, {self.confusion.sum():,} test samples")
        figures.losses(right.subplots(), self.losses)
        drawing.save(figure, Path(path))
        return Path(path)

    @property
    def failure(self) -> str | None:
        """That board and golden model differ."""
        return self.rtl.failure

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        ours = ("board", "seed", "accuracy_float", "accuracy_golden", "samples_golden")
        boards = (
            "mismatches first_mismatch cycles_per_inference bound_cycles array_busy mac_use zeros"
        ).split()
        return {
            "program": self.whole.program.name,
            **{name: getattr(self, name) for name in ours},
            "accuracy_rtl": self.rtl.accuracy,
            "accuracy_golden_on_rtl_samples": self.rtl.accuracy_golden,
            "samples_rtl": self.rtl.samples,
            **{name: getattr(self.rtl, name) for name in boards},
            "pwl_error_lsb": self.whole.as_dict()["layers"][0]["pwl_error_lsb"],
            "losses": dict(self.losses),
        }

    def tables(self) -> Iterable[Table]:
        """Accuracies with their intervals, and whether every bit agrees."""
        rtl, every, some = self.rtl, self.samples_golden, self.rtl.samples
        assert rtl.accuracy is not None
        assert rtl.accuracy_golden is not None
        agreed = "every bit equal" if not rtl.mismatches else f"{rtl.mismatches} samples differ"
        rows = [
            ("float software", f"{every:,}", percent(self.accuracy_float, every), ""),
            ("golden model", f"{every:,}", percent(self.accuracy_golden, every), "reference"),
            (f"board {self.board}", f"{some:,}", percent(rtl.accuracy, some), agreed),
            ("golden, the same samples", f"{some:,}", percent(rtl.accuracy_golden, some), "reference"),
        ]
        header = ("", "samples", "accuracy (95 % over samples)", "agreement")
        yield Table(self.whole.program.name, header, rows)

    def lines(self) -> Iterable[str]:
        """Clock cycles, where the board has a clock."""
        rtl = self.rtl
        if rtl.mac_use is not None and rtl.array_busy is not None and rtl.zeros is not None:
            yield (
                f"clock cycles per inference: {rtl.cycles_per_inference:.1f}; array busy "
                f"{100 * rtl.array_busy:.1f} %, of its products {100 * rtl.mac_use:.1f} % used, "
                f"{100 * rtl.zeros:.1f} % of the network's are zeros"
            )


@verb
def demo(
    *,
    board: Board = "sim:",
    count: Annotated[int, Option("N", least=1, most=10_000)] = 500,
    seed: Seed = 0,
    picture: Picture = "ndrite-demo.png",
    progress: Stages | None = None,
) -> Demo:
    """The shipped network: float, golden model and RTL side by side.

    Classifies Fashion-MNIST with a 784-128-10 NDR network on a published RRAM chip. Nothing is trained or
    downloaded. Prints accuracies, agreement in every output bit between board and golden model, and clock
    cycles per inference against the schedule bound; writes a picture. Exit code 1 when board and golden model
    differ.

    Parameters
    ----------
    board:
        URL of the board that is compared with the golden model.
    count:
        Test samples to run on it; the golden model runs all 10,000.
    picture:
        Where to write the picture.

    Examples
    --------
    $ ndrite demo
    > ndrite demo --board uart:/dev/ttyUSB0 --count 10000 --json
    """
    stage, whole = progress or silent, load()
    program, network = whole.program, whole.network
    x, labels = judging_set("fashion-mnist")
    golden = GoldenBoard()
    golden.program(program)
    with stage("golden model") as report:
        y = golden.infer(x, seed=seed, progress=report)
    with connect(board) as device:
        with stage("programming") as report:
            device.program(program, progress=report)
        with stage("RTL") as report:
            rtl = evaluate(device, program, x[:count], labels[:count], seed=seed, progress=report)
    confusion = np.zeros((len(CLASSES),) * 2, np.int64)
    np.add.at(confusion, (labels, y.argmax(axis=1)), 1)
    found = Demo(
        whole=whole,
        board=board,
        seed=seed,
        accuracy_float=network.accuracy(x, labels),
        accuracy_golden=accuracy(y, labels),
        samples_golden=len(x),
        rtl=rtl,
        confusion=confusion,
        losses=losses(whole, x, labels, noisy=accuracy(y, labels)),
    )
    found.plot(picture)
    return found
