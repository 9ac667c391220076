"""Placement: the die and board of a module's products, how they are read, and the table
of what runs where."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.meaning import Meaning
from ndrite.host import BoardApi, InputError
from ndrite.host.api import Progress
from ndrite.url import connect

if TYPE_CHECKING:
    from ndrite.emulator.learning.training.view import Tensor, torch
    from ndrite.tiles.executor import Executor
    from ndrite.tiles.loss import ReadAs
    from ndrite.tiles.product import Product
    from ndrite.tiles.watch import Stamp, Watch

SEED_BITS = 48
"""Number of bits of a die's seed; in the key of the read noise, the bits above them
count the reads of a product."""
CALLS_MAX = 1 << (64 - SEED_BITS)
Call = tuple[tuple[object, ...], dict[str, object]]
"""Positional and named arguments of one call of a module."""


class ReadInputs(NamedTuple):
    """Inputs of one read of a product: its weight (K, M) and bias (M,) as tensors, the
    program on the board, and the input codes uint8 (n, inputs)."""

    weight: Tensor
    bias: Tensor | None
    program: Program
    codes: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """One row of the table of what runs where: a product of a matrix with vectors or patches.

    ``name`` is that of the module, or of PyTorch's operator; ``where`` is "die", "host"
    or "torch"; ``inputs``, ``outputs`` and ``tiles`` are K, M and the number of row
    tiles, 0 if the product is not on the die; ``macs`` are multiplications per sample.
    """

    name: str
    where: str
    macs: float
    inputs: int = 0
    outputs: int = 0
    tiles: int = 0


@dataclass(frozen=True)
class Table:
    """Table of what runs where: the matrix products, and what PyTorch computes
    (``others`` counts modules by class)."""

    rows: tuple[Row, ...]
    others: tuple[tuple[str, int], ...] = ()

    @property
    def macs(self) -> float:
        """Return the number of multiplications that all products do per sample."""
        return sum(row.macs for row in self.rows)

    @property
    def share(self) -> float:
        """Return the fraction 0..1 of the multiplications that is done on tiles."""
        return sum(row.macs for row in self.rows if row.where == "die") / max(self.macs, 1)

    @property
    def weights(self) -> int:
        """Return the number of weights that are stored on tiles."""
        return sum(row.inputs * row.outputs for row in self.rows)

    def __str__(self) -> str:
        all_macs = max(self.macs, 1)
        lines = [("product", "where", "weights", "row tiles", "MACs a sample", "share")]
        for row in self.rows:
            size = (f"{row.inputs} x {row.outputs}", str(row.tiles)) if row.tiles else ("-", "-")
            lines.append(
                (row.name, row.where, *size, f"{row.macs:,.0f}", f"{100 * row.macs / all_macs:.1f} %")
            )
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


@dataclass(eq=False, repr=False)
class Placement:
    """State that all matrix products of one module on tiles share, available as
    ``model.ndrite``.

    Sample i of a batch is inference ``first_index + i``. A product that is read several
    times in one forward pass (a recurrent layer, tied weights) reads call c with seed
    ``seed + c * 2^48``. So the same call gives the same result, and a sample's result
    does not depend on what is beside it in the batch.

    Attributes
    ----------
    chip, seed:
        The description, and the number of the individual die, which selects the read noise too.
    url:
        The board, as for ``ndrite.connect``.
    first_index:
        Inference index of a batch's first sample: set it where batches of one data set
        follow each other.
    noise:
        Whether reads are noisy, as they are on the board; training draws its own noise.
    clip_rms:
        Weights are clipped at this multiple of the root mean square of their column, in
        training and on the die.
    channel_ranges:
        Share 0..1 of the differences between an input's channels that is moved into the
        weights; None: all channels have one range.
    samples:
        Calls of the module that provide the inputs of its products: (positional,
        named) arguments each.
    digital:
        Names of the products that stay in floats.
    keep:
        Whether products stay as they are mapped while only other parameters change:
        norms, biases or adapters that are tuned on a die which has been programmed.
    check:
        Whether every pass hashes the parameters, beside PyTorch's counts of their changes.

    Internal attributes: ``root`` is the module. ``watch`` has its tensors as of the
    last pass (``ndrite.tiles.watch``), and ``changed`` says whether they have changed
    since ``state``. ``watching`` is the purpose of a pass of the samples: "range" or
    "rows" in floats, or "given" by the die while products are mapped. ``state`` and
    ``placed`` are digests of the module's state when it was calibrated and when it was
    mapped. ``weights`` are digests of the products' weights then, and ``stamps`` the
    counts with which ``keep`` last found them unchanged. ``executor`` is the pass under
    way; ``lock`` is held during a pass, since threads share the board. ``read`` records
    the inputs of each read if it is a dictionary. ``reading`` says how products are
    read while a loss is explained (``ndrite.tiles.loss``).
    """

    chip: Chip
    seed: int
    url: str
    samples: list[Call]
    clip_rms: float | None
    check: bool = False
    channel_ranges: float | None = None
    keep: bool = False
    root: torch.nn.Module | None = None
    watch: Watch | None = None
    changed: bool = False
    reading: ReadAs | None = None
    digital: frozenset[str] = frozenset()
    first_index: int = 0
    noise: bool = True
    state: str = ""
    placed: str = ""
    weights: dict[tuple[str, str], str] = field(default_factory=dict)
    stamps: list[Stamp | None] | None = None
    watching: str = ""
    progress: Progress | None = None
    what: Table = Table(())
    products: dict[tuple[Hashable, ...], Product] = field(default_factory=dict)
    executor: Executor | None = None
    read: dict[Product, list[ReadInputs]] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    _boards: dict[str, tuple[BoardApi, Program | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << SEED_BITS:
            raise InputError(f"seed is {self.seed}; accepted: 0..2^{SEED_BITS}-1")

    def __repr__(self) -> str:
        return (
            f"Placement({len(self.what.rows)} products, {self.what.weights:,} weights on die {self.seed} of "
            f"{self.chip.name}, board {self.url!r})"
        )

    def table(self) -> Table:
        """Return the table of what runs where in printable form, with the share of
        multiplications on tiles."""
        return self.what

    def close(self) -> None:
        """Close the boards; the next read opens them again."""
        for board, _ in self._boards.values():
            board.close()
        self._boards.clear()

    def run(
        self, name: str, program: Program, codes: npt.NDArray[np.uint8], first: int, call: int
    ) -> npt.NDArray[np.int32]:
        """Return the column sums int32 (n, outputs) of product ``name`` for input
        codes uint8 (n, inputs). ``first`` is the number of the first sample, which
        selects its noise."""
        # A golden board takes no more memory than the weights of a product, so each
        # product gets a golden board of its own.
        key = name if self.url.startswith("golden:") else ""
        board, programmed = self._boards.get(key, (None, None))
        if board is None:
            board = connect(self.url)
        if programmed is not program:
            self._boards[key] = board, None  # recorded first, so that it is closed even after an error
            # The codes are computed here, so the program is sent without its input
            # range; otherwise the board would warn that codes are not values.
            board.program(replace(program, meaning=Meaning()))
            self._boards[key] = board, program
        return board.infer(codes, seed=self.seed + (call << SEED_BITS), first_index=first, noise=self.noise)

    def __getstate__(self) -> dict[str, Any]:
        left = dict.fromkeys(("executor", "progress", "read", "lock", "watch", "reading", "stamps"))
        return self.__dict__ | left | {"_boards": {}, "watching": ""}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"lock": threading.RLock()}
