"""A device that learns, and the back end that lays learning programs out for its geometry."""

import numpy as np
import numpy.typing as npt

from ndrite.boards.abilities import behind
from ndrite.emulator.backend.learning import lay_out_learning, state_places
from ndrite.emulator.spec.learning import Counts, Learning, check_samples
from ndrite.host.api import LearningApi
from ndrite.host.errors import NotProgrammedError
from ndrite.host.learning import LearningDevice


def learner_of(board: object) -> LearningApi | None:
    """Return the board that can learn: the given board itself, or one that it wraps;
    None if none of them learns."""
    return next((layer for layer in behind(board) if isinstance(layer, LearningApi)), None)


class LearningBoard(LearningDevice):
    """A board whose gateware learns, with the interface ``LearningApi``."""

    _learning: Learning | None = None

    def program_learning(
        self,
        learning: Learning,
        *,
        seed: int = 0,
        states: list[npt.NDArray[np.int64]] | None = None,
        noise: bool = True,
    ) -> None:
        """Load a learning program, with its devices at ``states`` or at the program's
        own states, as ``LearningApi.program_learning`` does."""
        sections = lay_out_learning(learning, self.geometry, states)
        self._learning = None
        self.load_learning(sections, learning.program.tag, len(learning.layers), seed=seed, noise=noise)
        self._learning = learning

    def learn(
        self, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], *, first_update: int = 0
    ) -> Counts:
        """Do one training update per sample, as ``LearningApi.learn`` does."""
        learning = self._held()
        check_samples(learning, x, labels)
        return self.update(x, labels, first_update)

    def unfinished(self) -> Counts:
        """Return how many updates the latest call of ``learn`` did before it failed,
        and the counts of these updates."""
        self._held()
        return self.updates_done()

    def states(self) -> list[npt.NDArray[np.int64]]:
        """Read the states of the devices after all pulses so far, int64 (K
        + 1, M) per layer."""
        return self.read_lanes(state_places(self._held(), self.geometry))

    def _held(self) -> Learning:
        if self._learning is None:
            raise NotProgrammedError("no learning program is on this board; call program_learning() first")
        return self._learning
