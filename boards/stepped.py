"""Any program on any board: as a whole if it fits, otherwise segment by segment, with
the host computing the remaining steps."""

import functools
from collections.abc import Callable
from threading import RLock
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import numpy.typing as npt

from ndrite.boards.abilities import Holder, behind
from ndrite.boards.board import Board
from ndrite.boards.segmented import Segmented
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.spec import Geometry, GeometryError, Program
from ndrite.emulator.spec.variation import Campaign, CampaignResult
from ndrite.host.api import BoardApi, Progress, told
from ndrite.host.errors import NotProgrammedError
from ndrite.host.inputs import check_inputs, check_program, check_variation
from ndrite.host.memory import Upset


def device_of(board: BoardApi) -> Board | None:
    """Return the device with gateware inside a board, which alone has registers and
    memories; None for a golden board."""
    *_, inmost = behind(board)
    return inmost if isinstance(inmost, Board) else None


P = ParamSpec("P")
R = TypeVar("R")


def _alone(
    method: "Callable[Concatenate[SteppedBoard, P], R]",
) -> "Callable[Concatenate[SteppedBoard, P], R]":
    """Decorator of a board's methods: only one thread at a time runs them, since
    threads cannot share the board's seed, segment and link."""

    def waits(self: "SteppedBoard", /, *given: P.args, **how: P.kwargs) -> R:
        with self._lock:
            return method(self, *given, **how)

    functools.update_wrapper(waits, method)
    return waits


class SteppedBoard:
    """A board that runs every program, with the interface ``BoardApi``, by means of a
    ``board`` that states which programs it can hold.

    A program that fits runs on the board alone. Any other program is cut into segments
    (``ndrite.emulator.backend.segments``): a batch of samples goes through one segment,
    then the next segment replaces it on the array. The host keeps the maps between
    segments, and computes the steps that no segment contains. The outputs equal the
    golden model's in every bit. ``on_host`` lists the steps that run on the host;
    ``segments`` and ``swapped_words`` describe what is sent over the link.
    """

    def __init__(self, board: Holder) -> None:
        self._board = board
        self._program: Program | None = None
        self._segmented: Segmented | None = None
        self._waiting = False
        self._lock = RLock()

    def __repr__(self) -> str:
        return told(self, f"on {self._board!r}", self._program)

    @property
    def device(self) -> Holder:
        """The board that this board wraps; it runs the programs that fit."""
        return self._board

    @property
    @_alone
    def geometry(self) -> Geometry | None:
        """The geometry of the wrapped board's array. This property and the methods
        ``identity``, ``counters`` and ``clear_counters``, all described in
        ``BoardApi``, first put a waiting program on the board."""
        self._put()
        return self._board.device.geometry

    @_alone
    def identity(self) -> dict[str, Any]:
        self._put()
        return self._board.device.identity()

    @_alone
    def counters(self) -> dict[str, int]:
        self._put()
        return self._board.device.counters()

    @_alone
    def clear_counters(self) -> None:
        self._put()
        self._board.device.clear_counters()

    @property
    def on_host(self) -> tuple[str, ...]:
        """The steps of the program that run on the host, described in one line each;
        empty if the program fits on the board."""
        return () if self._segmented is None else self._segmented.on_host

    @property
    def segments(self) -> int:
        """The number of segments of the program that take turns on the array. 1: the
        program fits as a whole; 0: all of it runs on the host."""
        return 1 if self._segmented is None else self._segmented.pieces

    @property
    def swapped_words(self) -> int:
        """The number of memory words that were sent to the board to exchange segments
        since ``program`` was called."""
        return 0 if self._segmented is None else self._segmented.swapped_words

    @property
    def campaigns_on_host(self) -> bool:
        """Whether the host samples and runs the virtual chips of the program."""
        return self._program is not None and not (self._program.is_chain and self._segmented is None)

    @_alone
    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Load ``program``. A chain of full layers that fits is put on the chip at once.

        Any other program that fits is put on the chip only when the board itself is
        needed, since its campaigns run on the host. A program that does not fit is
        put there segment by segment with each inference. Raises GeometryError if the
        program is a chain of which the board can hold no part; the chip is then
        unchanged. Raises HostError as the board does, for a program that is put on
        the chip at once.
        """
        check_program(program)
        segmented = None
        try:
            self._board.abilities.check(program)
        except GeometryError:
            segmented = Segmented(program, self._board)
            if program.is_chain and not segmented.pieces:
                raise
        self._program, self._segmented = None, segmented
        self._waiting = segmented is None and not program.is_chain
        if program.is_chain and segmented is None:
            self._board.program(program, progress=progress)
        elif progress is not None:
            progress(1, 1)
        self._program = program

    def _put(self) -> None:
        """Put the waiting program on the board, because the board itself is needed now."""
        if self._waiting:
            assert self._program is not None
            self._board.program(self._program)
            self._waiting = False

    @_alone
    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return the outputs int32 (n, outputs) for input codes uint8 (n, inputs), as
        ``BoardApi.infer`` does."""
        if self._segmented is None:
            self._put()
            return self._board.device.infer(
                x, seed=seed, first_index=first_index, noise=noise, progress=progress
            )
        program, batch = self._segmented.program, self._segmented.batch
        x = check_inputs(x, program, seed=seed, first_index=first_index, noise=noise)
        y = np.empty((len(x), program.outputs), np.int32)
        for start in range(0, len(x), batch):
            part = x[start : start + batch]

            def done(samples: int, start: int = start) -> None:
                if progress is not None:
                    progress(start + samples, len(x))

            y[start : start + len(part)] = self._segmented.infer_batch(
                part, seed=seed, first_index=first_index + start, noise=noise, done=done
            )
        return y

    @_alone
    def campaign(
        self,
        x: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.integer],
        plan: Campaign,
        *,
        progress: Progress | None = None,
    ) -> CampaignResult:
        """Run samples on virtual chips and return the votes, as ``BoardApi.campaign``
        does. If the program is not a chain of full layers, or does not fit on the
        board, its virtual chips run on the host."""
        if self._program is None or not self.campaigns_on_host:
            return self._board.device.campaign(x, labels, plan, progress=progress)
        check_variation(self._program, None)
        return campaign(self._program, x, labels, plan, progress=progress)

    @_alone
    def scrub(self, program: Program) -> list[Upset]:
        """List the words of the chip's memories that have changed; for a program in
        segments, those of the segment that is loaded now."""
        if self._program is not None and self._program.tag != program.tag:
            raise NotProgrammedError(f"the board does not hold program {program.name!r}; program it first")
        if self._segmented is None:
            self._put()
            return self._board.device.scrub(program)
        piece = self._segmented.on_array
        return [] if piece is None else self._board.device.scrub(piece)

    def close(self) -> None:
        """Close the wrapped board."""
        self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
