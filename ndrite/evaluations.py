"""How well a board does on labelled samples, and whether it agrees with the golden model in every bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.golden import GoldenBoard
from emulator.mapping.explain import accuracy, rms_error
from emulator.network import Network
from emulator.spec import Program
from emulator.spec.brief import brief_repr
from host import BoardApi
from host.api import Progress
from ndrite.intervals import proportion
from ndrite.results import Result, Table, shown
from ndrite.work import work


@dataclass(frozen=True, kw_only=True)
class Evaluation(Result):
    """What ``ndrite.evaluate`` gives, of so many ``samples``, ``judged_by`` the labels of a file or data set.

    ``mismatches`` counts samples with any output unequal to the golden model's. ``outputs`` is int32
    (samples, outputs).

    None on a board without a clock: ``cycles_per_inference``; ``array_busy``, the share of them in which the
    array took rows; ``mac_use``, the network's products with an input other than 0 over those that all lanes
    could do in these cycles; ``zeros``, the share of its products whose input is 0; ``bound_cycles``, the
    fewest in which all lanes do those that are left.

    For classes, ``accuracy`` of the board, of the golden model and (where one was given) of the float
    network; the interval is 95 % over samples (Wilson), of this one chip and read-noise seed. For targets,
    ``rms_error`` of the three likewise, in the model's unit, and ``target_rms`` about the targets' means.

    ``segments`` programs took turns on the array (0: the host did everything), and ``swapped_words`` memory
    words changed between them; ``on_host`` says what was left to the host, one line each.
    """

    __repr__ = brief_repr

    samples: int
    mismatches: int
    first_mismatch: str | None
    cycles_per_inference: float | None
    bound_cycles: int | None
    array_busy: float | None
    mac_use: float | None
    zeros: float | None
    outputs: npt.NDArray[np.int32]
    accuracy: float | None = None
    accuracy_golden: float | None = None
    accuracy_float: float | None = None
    rms_error: float | None = None
    rms_error_golden: float | None = None
    rms_error_float: float | None = None
    target_rms: float | None = None
    segments: int = 1
    swapped_words: int = 0
    on_host: tuple[str, ...] = ()
    program: str = ""
    board: str = ""
    seed: int = 0
    noise: bool = True
    judged_by: str = ""
    unit: str = ""

    @property
    def accuracy_interval_95(self) -> list[float] | None:
        """Of ``accuracy``, over samples."""
        return None if self.accuracy is None else proportion(self.accuracy, self.samples)

    @property
    def failure(self) -> str | None:
        """That outputs differ from the golden model's, and the first that do."""
        if not self.mismatches:
            return None
        return f"{self.mismatches} of {self.samples} samples differ from golden; {self.first_mismatch}"

    def tables(self) -> Iterable[Table]:
        """Every figure that there is."""
        known = {name: value for name, value in self._figures().items() if value is not None}
        rows = [(name, shown(value)) for name, value in known.items()]
        if self.segments != 1:
            rows += [("segments", str(self.segments)), ("swapped_words", str(self.swapped_words))]
        if self.rms_error is not None and self.unit:
            rows.append(("unit of errors", self.unit))
        rows.append(("judged by", self.judged_by))
        yield Table(f"{self.program} on {self.board}", ("quantity", "value"), rows)

    def lines(self) -> Iterable[str]:
        """What the host did."""
        return (f"on the host, not in gateware: {line}" for line in self.on_host)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, outputs left out; of accuracy and error, what applies."""
        where = ("program", "board", "seed", "noise", "judged_by")
        ran = {"segments": self.segments, "swapped_words": self.swapped_words, "on_host": list(self.on_host)}
        return {name: getattr(self, name) for name in where} | self._figures() | ran

    def _figures(self) -> dict[str, Any]:
        judged = {
            "accuracy": self.accuracy,
            "accuracy_interval_95": self.accuracy_interval_95,
            "accuracy_golden": self.accuracy_golden,
            "accuracy_float": self.accuracy_float,
        }
        if self.rms_error is not None:
            judged = {
                "rms_error": self.rms_error,
                "rms_error_golden": self.rms_error_golden,
                "rms_error_float": self.rms_error_float,
                "target_rms": self.target_rms,
            }
        return {
            "samples": self.samples,
            **judged,
            "mismatches": self.mismatches,
            "first_mismatch": self.first_mismatch,
            "cycles_per_inference": self.cycles_per_inference,
            "bound_cycles": self.bound_cycles,
            "array_busy": self.array_busy,
            "mac_use": self.mac_use,
            "zeros": self.zeros,
        }


def evaluate(
    board: BoardApi,
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    *,
    seed: int = 0,
    noise: bool = True,
    floats: npt.NDArray[np.float32] | None = None,
    network: Network | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run labelled samples on a board that ``program`` is programmed on, and on the golden model.

    Parameters
    ----------
    x, labels:
        uint8 (n, inputs) codes, and classes (n,) or targets (n, outputs) in the model's unit.
    floats:
        Outputs (n, outputs) of the float network, to be judged too.
    network:
        The float network, whose products are counted.
    seed, noise:
        As for ``BoardApi.infer``.

    Raises
    ------
    HostError
        As ``BoardApi.infer``.
    """
    board.clear_counters()
    y = board.infer(x, seed=seed, noise=noise, progress=progress)
    counters = board.counters()
    if isinstance(board, GoldenBoard):
        expected = y
    else:
        golden = GoldenBoard()
        golden.program(program)
        expected = golden.infer(x, seed=seed, noise=noise)
    cycles, geometry = counters.get("inference_cycles"), board.geometry
    used: dict[str, Any] = dict.fromkeys(
        ("cycles_per_inference", "bound_cycles", "array_busy", "mac_use", "zeros")
    )
    if cycles and geometry is not None:
        asked, each = work(program, x, network), cycles / len(x)
        used = {
            "cycles_per_inference": each,
            "bound_cycles": asked.bound(geometry.lanes),
            "array_busy": counters["busy_cycles"] / cycles,
            "mac_use": asked.nonzero / (geometry.lanes * each),
            "zeros": asked.zeros,
        }
    wrong = np.flatnonzero((y != expected).any(axis=1))
    judged: dict[str, Any]
    if labels.ndim == 2:
        step = program.meaning.output_step or 1.0
        judged = {
            "rms_error": rms_error(y * step, labels),
            "rms_error_golden": rms_error(expected * step, labels),
            "rms_error_float": None if floats is None else rms_error(floats, labels),
            "target_rms": float(np.sqrt(labels.var(axis=0).mean())),
        }
    else:
        judged = {
            "accuracy": accuracy(y, labels),
            "accuracy_golden": accuracy(expected, labels),
            "accuracy_float": None if floats is None else accuracy(floats, labels),
        }
    return Evaluation(
        samples=len(y),
        mismatches=len(wrong),
        first_mismatch=describe_mismatch(y, expected) if len(wrong) else None,
        outputs=y,
        **used,
        **judged,
    )


def swaps(board: BoardApi) -> dict[str, int]:
    """``segments``: programs that took turns on the array (1: it held all of it; 0: all was the host's);
    ``swapped_words``: memory words in which one differed from what the one before it had left, all batches.
    """
    return {name: getattr(board, name, known) for name, known in (("segments", 1), ("swapped_words", 0))}


def steps_on_host(board: BoardApi) -> list[str]:
    """What of the programmed steps a board leaves to the host, one line each."""
    return list(getattr(board, "on_host", ()))


def describe_mismatch(y: npt.NDArray[np.int32], expected: npt.NDArray[np.int32]) -> str:
    """First differing element, in words."""
    i, m = (int(v) for v in np.argwhere(y != expected)[0])
    return f"inference {i}, output {m}: board {int(y[i, m])}, golden {int(expected[i, m])}"
