"""The demo's numbers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.golden import GoldenBoard
from emulator.spec import Program
from host.api import Progress
from ndrite.demo.curve import NeuronCurve, neuron_curve
from ndrite.demo.losses import losses
from ndrite.evaluations import Evaluation, accuracy, evaluate
from ndrite.labelled import judging_set
from ndrite.shipped import shipped_network, shipped_program
from ndrite.url import connect

CLASSES = 10
Bar = Callable[[str], AbstractContextManager[Progress]]
"""Opens a progress bar with a title."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demo found. Accuracies 0..1; ``rtl`` is on the first images only, with the same seed."""

    program: Program
    board: str
    seed: int
    accuracy_float: float
    accuracy_golden: float
    images_golden: int
    rtl: Evaluation
    confusion: npt.NDArray[np.int64]
    losses: list[tuple[str, float]]
    curve: NeuronCurve | None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "program": self.program.name,
            "board": self.board,
            "seed": self.seed,
            "accuracy_float": self.accuracy_float,
            "accuracy_golden": self.accuracy_golden,
            "accuracy_rtl": self.rtl.accuracy,
            "accuracy_golden_on_rtl_images": self.rtl.accuracy_golden,
            "images_golden": self.images_golden,
            "images_rtl": self.rtl.images,
            "mismatches": self.rtl.mismatches,
            "first_mismatch": self.rtl.first_mismatch,
            "cycles_per_inference": self.rtl.cycles_per_inference,
            "bound_cycles": self.rtl.bound_cycles,
            "efficiency": self.rtl.efficiency,
            "pwl_error_lsb": None if self.curve is None else self.curve.max_error_lsb,
            "losses": dict(self.losses),
        }


def run_demo(*, board: str, images: int, seed: int, bar: Bar) -> Demo:
    """Run the shipped network as floats, on the golden model (all test images) and on a board.

    Parameters
    ----------
    board:
        URL of the board that is compared with the golden model.
    images:
        Test images run on it.
    seed:
        Read-noise seed.
    bar:
        Opens progress bars.

    Raises
    ------
    HostError
        When the board fails.
    """
    program, network = shipped_program(), shipped_network()
    x, labels = judging_set("fashion-mnist")
    golden = GoldenBoard()
    golden.program(program)
    with bar("golden model") as report:
        y = golden.infer(x, seed=seed, progress=report)
    with connect(board) as device:
        with bar("programming") as report:
            device.program(program, progress=report)
        with bar("RTL") as report:
            rtl = evaluate(device, program, x[:images], labels[:images], seed=seed, progress=report)
    confusion = np.zeros((CLASSES, CLASSES), np.int64)
    np.add.at(confusion, (labels, y.argmax(axis=1)), 1)
    return Demo(
        program=program,
        board=board,
        seed=seed,
        accuracy_float=network.accuracy(x, labels),
        accuracy_golden=accuracy(y, labels),
        images_golden=len(x),
        rtl=rtl,
        confusion=confusion,
        losses=losses(network, program, x, labels, noisy=accuracy(y, labels)),
        curve=neuron_curve(network, program),
    )
