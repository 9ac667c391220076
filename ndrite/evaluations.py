"""Evaluation of a board on labelled samples: its score, its agreement with the golden
model, and its work."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.boards.golden import GoldenBoard
from ndrite.boards.selftest import describe_mismatch
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping.block import as_designed
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import dac_slice, slices
from ndrite.emulator.spec.task import ACCURACY, RMS_ERROR, VALUES, Task
from ndrite.host import BoardApi
from ndrite.host.api import Progress
from ndrite.intervals import proportion
from ndrite.labels import read_labels
from ndrite.results import Result, Table, plain

LOOKED_AT = 16
"""Largest number of samples whose inputs are counted; of more samples, so many
are picked evenly."""


class Work(NamedTuple):
    """How many multiplications by weights one inference takes, as a mean over
    samples. A multiplication counts once for each slice into which the row converters
    divide its input.

    They are the network's, whatever blocks and groups a program lays them out in;
    ``nonzero`` have an input other than 0.
    """

    products: float
    nonzero: float

    @property
    def zeros(self) -> float:
        """Return the fraction of the multiplications whose input is 0."""
        return 1 - self.nonzero / self.products

    def bound(self, each: int) -> int:
        """Return the fewest cycles in which the multiplications whose input is not 0
        can be done, at ``each`` multiplications per cycle."""
        return -int(-self.nonzero // each)


def work(program: Program, x: npt.NDArray[np.uint8], network: Network | None = None) -> Work:
    """Count the multiplications by weights of ``program`` on codes ``x`` uint8 (n,
    inputs), without read noise.

    Without the ``network`` it was made of, groups that the mapper has packed count as one.
    """
    some = x[np.unique(np.linspace(0, len(x) - 1, min(len(x), LOOKED_AT)).astype(int))]
    designed = as_designed(program, network)
    products = nonzero = 0
    for maps in Core(program, fast=False).calls(some, noise=False):
        for step, (patches, outputs) in zip(program.products, designed, strict=True):
            rows = patches.cut(step.source(maps), step.border)
            bits = step.layer.dac_bits
            column_count = outputs // patches.groups
            products += rows.size * column_count * slices(bits)
            parts = (dac_slice(rows, j, bits) for j in range(slices(bits)))
            nonzero += sum(map(np.count_nonzero, parts)) * column_count
    return Work(products / len(some), nonzero / len(some))


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation(Result):
    """The result of ``ndrite.evaluate`` on ``samples`` samples. Their labels are those
    of the file or data set that ``judged_by`` names.

    ``mismatches`` counts the samples with any output that differs from the golden
    model's. ``outputs`` is int32 (samples, outputs).

    These are None on a board without a clock: ``cycles_per_inference``;
    ``array_busy``, the share of the cycles in which the array took rows; ``mac_use``,
    the network's multiplications whose input is not 0, divided by those that all lanes
    could do in these cycles; ``zeros``, the share of the network's multiplications
    whose input is 0; ``bound_cycles``, the fewest cycles in which all lanes do the
    other multiplications.

    ``score`` is that of the board; there are also those of the golden model and, if
    there is one, of the float network. All are in ``measure``, one of
    ``spec.task.MEASURES``, which is their name in JSON. The interval of a share of
    right answers is 95 % over samples (Wilson), for this one chip and read-noise seed;
    for maps and several labels it is wider than necessary. For values, ``target_rms``
    is the rms of the targets about their means.

    ``segments`` programs took turns on the array (0: all ran on the host), and
    ``swapped_words`` memory words were sent for them; ``on_host`` lists the steps that
    ran on the host, one line each.
    """

    program: str = ""
    board: str = ""
    seed: int = 0
    noise: bool = True
    samples: int
    measure: str
    is_share: bool
    score: float
    score_golden: float
    score_float: float | None = None
    target_rms: float | None = None
    mismatches: int
    first_mismatch: str | None
    cycles_per_inference: float | None = None
    bound_cycles: int | None = None
    array_busy: float | None = None
    mac_use: float | None = None
    zeros: float | None = None
    segments: int = 1
    swapped_words: int = 0
    judged_by: str = ""
    on_host: tuple[str, ...] = ()
    outputs: npt.NDArray[np.int32]
    unit: str = ""

    @property
    def accuracy(self) -> float | None:
        """Return the fraction of right answers on the board, 0..1, or None if another
        measure was used."""
        return self.score if self.measure == ACCURACY else None

    @property
    def accuracy_golden(self) -> float | None:
        """Return the fraction of right answers on the golden model, 0..1, or None if
        another measure was used."""
        return self.score_golden if self.measure == ACCURACY else None

    @property
    def accuracy_float(self) -> float | None:
        """Return the fraction of right answers of the float network, 0..1, or None if
        another measure was used or there is no float network."""
        return self.score_float if self.measure == ACCURACY else None

    @property
    def rms_error(self) -> float | None:
        """Return the rms error of the board's outputs in the model's unit, or None if
        another measure was used."""
        return self.score if self.measure == RMS_ERROR else None

    @property
    def failure(self) -> str | None:
        """Say in how many samples the board differs from the golden model, and which
        sample is the first; None if it never does."""
        if not self.mismatches:
            return None
        return f"{self.mismatches} of {self.samples} samples differ from golden; {self.first_mismatch}"

    def tables(self) -> Iterable[Table]:
        left_out = {"program", "board", "seed", "noise", "on_host"}
        if self.segments == 1:
            left_out |= {"segments", "swapped_words"}
        shown_values = {
            name: v for name, v in self.as_dict().items() if v is not None and name not in left_out
        }
        rows = [
            (name.replace("judged_by", "judged by"), plain(value)) for name, value in shown_values.items()
        ]
        if not self.is_share and self.unit:
            rows.append(("unit of errors", self.unit))
        yield Table(f"{self.program} on {self.board}", ("quantity", "value"), rows)

    def lines(self) -> Iterable[str]:
        return (f"on the host, not in gateware: {line}" for line in self.on_host)

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name in ("outputs", "unit", "measure", "is_share") or (name == "target_rms" and value is None):
                continue
            plain[name.replace("score", self.measure)] = value
            if name == "score" and self.is_share:
                plain[f"{self.measure}_interval_95"] = proportion(value, self.samples)
        return plain | {"on_host": list(self.on_host)}


def evaluate(
    device: BoardApi,
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.generic],
    *,
    seed: int = 0,
    noise: bool = True,
    network: Network | None = None,
    task: Task | None = None,
    progress: Progress | None = None,
    **said: Any,
) -> Evaluation:
    """Run labelled samples on a board that has been programmed with ``program``, and on
    the golden model; compare the outputs.

    Raises HostError as ``BoardApi.infer``.

    ``x``, ``labels``: uint8 (n, inputs) codes, and labels in the form of
    ``task.answers``, or without a ``task`` as a user has them (``ndrite.labels``);
    ``network``: the float network, which is judged too, and whose products are
    counted; ``seed``, ``noise``: as for ``BoardApi.infer``; ``said``: further
    fields of the result.
    """
    device.clear_counters()
    y = device.infer(x, seed=seed, noise=noise, progress=progress)
    counters = device.counters()
    golden = isinstance(device, GoldenBoard)
    expected = y if golden else Core(program).infer(x, seed=seed, noise=noise)
    cycles, geometry = counters.get("inference_cycles"), device.geometry
    used: dict[str, Any] = {}
    if cycles and geometry is not None:
        products, cycles_each = work(program, x, network), cycles / len(x)
        used = {
            "cycles_per_inference": cycles_each,
            "bound_cycles": products.bound(geometry.products),
            "array_busy": counters["busy_cycles"] / cycles,
            "mac_use": products.nonzero / (geometry.products * cycles_each),
            "zeros": products.zeros,
        }
    wrong = np.flatnonzero((y != expected).any(axis=1))
    if task is None:
        labels, task = read_labels(labels, program.meaning, program.map_shapes[-1], "labels")
    step = program.meaning.output_step or 1.0
    floats = None if network is None else network.forward(x / np.float32(255))
    judged: dict[str, Any] = {
        f"score{who}": None if outputs is None else task.score(outputs, labels)
        for who, outputs in (("", y * step), ("_golden", expected * step), ("_float", floats))
    }
    if task.kind == VALUES:
        judged["target_rms"] = float(np.sqrt(labels.var(axis=0).mean()))
    return Evaluation(
        program=program.name,
        seed=seed,
        noise=noise,
        unit=program.meaning.output_unit,
        samples=len(y),
        mismatches=len(wrong),
        first_mismatch=describe_mismatch(y, expected) if len(wrong) else None,
        outputs=y,
        measure=task.measure,
        is_share=task.is_share,
        **ran(device),
        **said,
        **used,
        **judged,
    )


def ran(board: BoardApi) -> dict[str, Any]:
    """Describe how a board ran its program: as a whole or in segments, and which
    steps ran on the host.

    ``segments``: the number of programs that took turns on the array (1: it held the
    whole program; 0: all ran on the host). ``swapped_words``: the number of memory
    words that were sent for segments, over all batches. ``on_host``: the steps that ran
    on the host, one line each.
    """
    return {
        "segments": getattr(board, "segments", 1),
        "swapped_words": getattr(board, "swapped_words", 0),
        "on_host": getattr(board, "on_host", ()),
    }
