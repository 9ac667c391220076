"""The interface that all boards share: gateware over any link, and the golden model."""

from collections.abc import Callable
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.learning import Counts, Learning
from ndrite.emulator.spec.variation import Campaign, CampaignResult
from ndrite.host.memory import Upset

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` during long operations."""


@runtime_checkable
class LearningApi(Protocol):
    """Interface of a board that learns, as ``ndrite.emulator.spec.learning`` defines it."""

    def program_learning(
        self,
        learning: Learning,
        *,
        seed: int = 0,
        states: list[npt.NDArray[np.int64]] | None = None,
        noise: bool = True,
    ) -> None:
        """Load a learning program. The states of its devices are ``states``, (K + 1, M)
        per layer, or the program's own states if ``states`` is None.

        ``seed`` is of read noise, trains and pulses; ``noise`` turns read noise off.

        Raises
        ------
        GeometryError
            The program does not fit; the chip is untouched.
        """
        ...

    def learn(
        self, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], *, first_update: int = 0
    ) -> Counts:
        """Do one training update per sample uint8 (n, inputs) with its class (n,). The
        first update has the number ``first_update``.

        Raises
        ------
        SpecError
            Samples or labels do not fit; nothing has changed.
        NotProgrammedError
            The chip holds no learning program.
        HostError
            Link or device failed after some of the updates (``unfinished``). The same
            call again does the rest and returns the counts of all.
        """
        ...

    def unfinished(self) -> Counts:
        """Return how many updates the latest call of ``learn`` did before it failed,
        and the counts of these updates.

        The device says how many; ``states`` are those after them. 0 updates where that
        call did not fail.

        Raises
        ------
        HostError
            The device cannot be asked, or no longer holds the learning program.
        """
        ...

    def states(self) -> list[npt.NDArray[np.int64]]:
        """Return the states of the learning devices after all pulses so far, int64 (K
        + 1, M) per layer.

        Raises
        ------
        NotProgrammedError
            The chip does not hold the learning program.
        """
        ...


@runtime_checkable
class BoardApi(Protocol):
    """Interface of every board that ``ndrite.connect`` returns."""

    @property
    def geometry(self) -> Geometry | None:
        """The array's geometry; None on a golden board made without a geometry, which
        accepts any program."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return what identifies the board, as numbers and strings that fit JSON."""
        ...

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Put a program on the chip and verify it; ``progress`` counts memory words.

        Where the host does a part of it (``ndrite.boards.stepped``) this may wait until
        the chip is asked for it.

        Raises
        ------
        GeometryError
            The program does not fit; the chip is untouched.
        HostError
            Link or device failed; the chip then refuses inference until programmed again.
        """
        ...

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return the outputs int32 (n, outputs) for input codes uint8 (n, inputs).

        Row i is inference ``first_index + i`` (u32) under ``seed`` (u64), which select
        its read noise: the same three always give the same answer. ``noise=False``
        turns read noise off.

        Raises
        ------
        InputError
            ``x``, ``seed`` or ``first_index`` has a wrong type, shape or range.
        NotProgrammedError
            The chip does not hold the program this board was given.
        HostError
            Link or device failed.
        """
        ...

    def campaign(
        self,
        x: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.integer],
        plan: Campaign,
        *,
        progress: Progress | None = None,
    ) -> CampaignResult:
        """Run samples uint8 (n, inputs) with labels (n,) on virtual chips of the
        board's program, and return the votes.

        The same everywhere and however it is cut into pieces
        (``ndrite.emulator.spec.variation``). ``progress`` counts chips of all pieces.
        Afterwards the nominal chip is on the board again.

        Raises
        ------
        InputError, CampaignError
            The program was compiled for one individual chip, or a parameter is out of range.
        NotProgrammedError
            The chip does not hold the program this board was given.
        HostError
            Link or device failed.
        """
        ...

    def scrub(self, program: Program) -> list[Upset]:
        """List the words of the chip's memories that changed since ``program`` was
        programmed, and write the right words again.

        Raises
        ------
        NotProgrammedError
            The chip does not hold ``program``.
        HostError
            Link or device failed, or a memory stays wrong.
        """
        ...

    def counters(self) -> dict[str, int]:
        """Return the values of the board's counters by register name; a golden board
        has only ``inferences``."""
        ...

    def clear_counters(self) -> None:
        """Set every counter to 0."""
        ...

    def close(self) -> None:
        """Release the board. The program stays on the board."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def told(board: object, where: str, program: Program | None) -> str:
    """Return the text for the ``repr`` of a board: its URL and its program, without
    communicating with the board."""
    held_program = "nothing" if program is None else f"{program.name!r}"
    return f"{type(board).__name__}({where}, holds {held_program})"
