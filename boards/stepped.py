"""Any program on a board whose gateware holds chains of full layers: product by product, the rest here."""

from __future__ import annotations

import itertools
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from emulator.golden import Core
from emulator.golden.campaign import campaign
from emulator.spec import GeometryError, Program
from emulator.spec.campaign import Campaign, CampaignResult
from emulator.spec.steps import Product, Step
from host import Board
from host.api import BoardApi, Progress
from host.errors import NotProgrammedError
from host.inputs import check_inputs, check_variation
from host.scrub import Upset

BATCH = 512
"""Samples between two changes of what is on the array."""
INDEX_MASK = (1 << 32) - 1


def device_of(board: BoardApi) -> Board | None:
    """The device behind a board, for what only devices have: registers, memories; None for a golden one."""
    device = board.device if isinstance(board, SteppedBoard) else board
    return device if isinstance(device, Board) else None


class Holder(BoardApi, Protocol):
    """A board that says what its array can hold."""

    def check_fits(self, program: Program) -> None:
        """Raise GeometryError when ``program`` does not fit."""


class SteppedBoard:
    """Satisfies ``BoardApi`` for every program; what it does not say itself it asks ``board``.

    A program that fits the board is the board's own work. Of any other each product is put on the array in
    turn, all patches of a batch run through it, and this side does what the gateware has no step for:
    neurons of those products, pooling, tables, gates, grouped products, and products that do not fit. The
    answers are the golden model's in every bit. ``on_host`` says what runs here.
    """

    def __init__(self, board: Holder) -> None:
        self._board = board
        self._program: Program | None = None
        self._core: _Split | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        return getattr(self._board, name)

    @property
    def device(self) -> BoardApi:
        """The board that holds chains."""
        return self._board

    @property
    def on_host(self) -> tuple[str, ...]:
        """What of the program runs on this side of the link, one line a step; nothing for a chain."""
        if self._core is None or self._program is None:
            return ()
        lines, number = [], 0
        for i, step in enumerate(self._program.steps):
            lines += _line(i, step, self._core.refused.get(number))
            number += isinstance(step, Product)
        return tuple(lines)

    @property
    def campaigns_on_host(self) -> bool:
        """Whether virtual chips of the program are drawn and run on this side of the link."""
        return self._program is not None and not self._program.is_chain

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Take ``program``; one that fits goes onto the chip now, the products of another one in turn later.

        Raises as the board for a chain of full layers that does not fit.
        """
        self._program = self._core = None
        if program.is_chain or self._fits(program):
            self._board.program(program, progress=progress)
        else:
            self._core = _Split(program, self._board)
            if progress is not None:
                progress(1, 1)
        self._program = program

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.int32]:
        """Outputs int32 (n, outputs) of input codes uint8 (n, inputs); see ``BoardApi.infer``."""
        if self._core is None:
            options: dict[str, Any] = {"seed": seed, "first_index": first_index, "noise": noise}
            return self._board.infer(x, **options, progress=progress)
        program = self._core.program
        x = check_inputs(x, program.inputs, seed=seed, first_index=first_index)
        y = np.empty((len(x), program.outputs), np.int32)
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH]
            y[start : start + len(part)] = self._core.infer(
                part, seed=seed, first_index=first_index + start, noise=noise
            )
            if progress is not None:
                progress(start + len(part), len(x))
        return y

    def campaign(
        self,
        x: npt.NDArray[np.uint8],
        labels: npt.NDArray[Any],
        plan: Campaign,
        *,
        progress: Progress | None = None,
    ) -> CampaignResult:
        """Votes of virtual chips; see ``BoardApi.campaign``. Those of no chain are drawn and run here."""
        if self._program is None or self._program.is_chain:
            return self._board.campaign(x, labels, plan, progress=progress)
        check_variation(self._program, None)
        return campaign(self._program, x, labels, plan, progress=progress)

    def scrub(self, program: Program) -> list[Upset]:
        """What has changed in the chip's memories; of no chain, in the product that is on the array."""
        if self._core is None:
            return self._board.scrub(program)
        if self._core.program.tag != program.tag:
            raise NotProgrammedError(f"the board does not hold program {program.name!r}; program it first")
        piece = self._core.on_array
        return [] if piece is None else self._board.scrub(piece)

    def _fits(self, program: Program) -> bool:
        try:
            self._board.check_fits(program)
        except GeometryError:
            return False
        return True

    def close(self) -> None:
        """Close the board."""
        self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _line(i: int, step: Step, refused: str | None) -> list[str]:
    if not isinstance(step, Product):
        return [f"step {i}: {step.kind}"]
    if refused is not None:
        return [f"step {i}: product ({refused})"]
    return [f"step {i}: neurons"] if step.fires else []


class _Split(Core):
    """The golden model with the sums of products taken from a board."""

    def __init__(self, program: Program, board: Holder) -> None:
        super().__init__(program, fast=False)
        self._board = board
        self._pieces: dict[int, Program] = {}
        self.refused: dict[int, str] = {}
        self.on_array: Program | None = None
        for number, product in enumerate(program.products):
            if product.patches.groups > 1:
                self.refused[number] = "grouped"
                continue
            piece = program.piece(number)
            try:
                board.check_fits(piece)
            except GeometryError as error:
                self.refused[number] = str(error)
            else:
                self._pieces[number] = piece

    def _sums(
        self, number: int, step: Product, x: npt.NDArray[np.uint8], draw: Any, trace: Any
    ) -> npt.NDArray[np.int64]:
        if number not in self._pieces:
            return super()._sums(number, step, x, draw, trace)
        piece = self._pieces[number]
        if self.on_array is not piece:
            self.on_array = None
            self._board.program(piece)
            self.on_array = piece
        index = draw.index & INDEX_MASK
        starts = [0, len(index)]
        if draw.noise:
            # Where inference numbers do not follow each other: calls of a sequence, and the end of 32 bits.
            starts[1:1] = (np.flatnonzero(np.diff(index) != 1) + 1).tolist()
        z = np.empty((len(x), piece.outputs), np.int64)
        for low, high in itertools.pairwise(starts):
            first = int(index[low]) if draw.noise else 0
            z[low:high] = self._board.infer(x[low:high], seed=draw.seed, first_index=first, noise=draw.noise)
        return z
