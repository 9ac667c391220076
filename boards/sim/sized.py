"""A simulated device that is replaced by a larger one when a program needs it."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.boards.abilities import Abilities
from ndrite.boards.board import Board
from ndrite.boards.learning import LearningBoard
from ndrite.boards.sim.sizing import USUAL, sized, sized_learning
from ndrite.emulator.backend.walk import check_maps
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.geometry import DEPTH_MAX
from ndrite.emulator.spec.learning import Counts, Learning
from ndrite.host.api import Progress
from ndrite.host.errors import InputError, NotProgrammedError
from ndrite.host.links import Link
from ndrite.host.packet_channel import Channel, PacketChannel
from ndrite.host.session import ATTEMPTS, TIMEOUT_S


class SizedBoard:
    """A simulated board that has the usual array, or a larger array if a program needs one.

    It is powered on when first spoken to (``device``), so that a first program alone
    decides which one is compiled. Later a larger program moves it to a larger array;
    whatever was on the smaller one, counters and registers too, is gone then, as after
    a change of boards. It never shrinks: several programs settle on one size. Satisfies
    ``ndrite.boards.abilities.Holder``. Raises SimulationBuildError when it cannot be
    built: by whatever speaks to it first.

    Parameters
    ----------
    power_on:
        Makes the way to a fresh device of a geometry; compiles it when it is not in the cache.
    maps:
        Whether it may have feature maps, to hold programs that are no chains.
    learns:
        Makes the link to a fresh device that learns, of a geometry; None: such a
        board does not learn.
    """

    def __init__(
        self,
        power_on: Callable[[Geometry], Channel],
        *,
        maps: bool = True,
        learns: Callable[[Geometry], Link] | None = None,
    ) -> None:
        self._power_on, self._maps, self._learns = power_on, maps, learns
        self._learning: tuple[Geometry, LearningBoard] | None = None
        self._built: Geometry | None = None
        self._board: Board | None = None

    @classmethod
    def of_links(
        cls, link: Callable[[Geometry], Link], learns: Callable[[Geometry], Link] | None = None
    ) -> Self:
        """Create a board that is driven by packets. ``link`` opens a link to a
        freshly powered-on device of a geometry, and ``learns`` opens one to a
        device that learns."""
        return cls(
            lambda geometry: PacketChannel(link(geometry), timeout_s=TIMEOUT_S, attempts=ATTEMPTS),
            learns=learns,
        )

    def __repr__(self) -> str:
        return f"SizedBoard({'not powered on' if self._board is None else self._board})"

    @property
    def device(self) -> Board:
        """The simulated device that runs the current program; reading this
        property powers it on."""
        return self._board if self._board is not None else self._moved(USUAL)

    @property
    def abilities(self) -> Abilities:
        """The limits of the largest array that is simulated."""
        return Abilities(USUAL.lanes * DEPTH_MAX, self._check)

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Put ``program`` on the chip; if it needs a larger array, a board with one is
        powered on first. Raises the errors of ``Board.program``."""
        geometry = self._sized(program)
        board = self.device if geometry == self._built else self._moved(geometry)
        board.program(program, progress=progress)

    def program_learning(self, learning: Learning, **options: Any) -> None:
        """Power on a device whose learning core is large enough, and load the learning
        program, as ``LearningApi.program_learning`` does.

        Raises InputError when this kind of board does not learn.
        """
        if self._learns is None:
            raise InputError("this simulated board does not learn; accepted: sim:, sim-udp:, golden:")
        geometry = sized_learning(learning)
        if self._learning is None or self._learning[0] != geometry:
            board = LearningBoard(self._learns(geometry))
            self._end_learning()
            self._learning = geometry, board
        self._learning[1].program_learning(learning, **options)

    def learn(
        self, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], *, first_update: int = 0
    ) -> Counts:
        """Do one training update per sample, as ``LearningApi.learn`` does."""
        return self._learner.learn(x, labels, first_update=first_update)

    def unfinished(self) -> Counts:
        """Return how many updates the latest call of ``learn`` did before it failed,
        and the counts of these updates."""
        return self._learner.unfinished()

    def states(self) -> list[npt.NDArray[np.int64]]:
        """Read the states of the devices after all pulses so far, int64 (K
        + 1, M) per layer."""
        return self._learner.states()

    @property
    def _learner(self) -> LearningBoard:
        if self._learning is None:
            raise NotProgrammedError("no learning program is on this board; call program_learning() first")
        return self._learning[1]

    def _end_learning(self) -> None:
        if self._learning is not None:
            self._learning[1].close()
            self._learning = None

    def close(self) -> None:
        """Power off the simulated device, if it was ever on."""
        self._end_learning()
        if self._board is not None:
            self._board.close()

    def _check(self, program: Program) -> None:
        self._sized(program)

    def _sized(self, program: Program) -> Geometry:
        base = self._built or USUAL
        if not self._maps:
            check_maps(program, base)
        return sized(program, base)

    def _moved(self, geometry: Geometry) -> Board:
        channel = self._power_on(geometry)
        self.close()
        self._board, self._built = Board.over(channel), geometry
        return self._board
