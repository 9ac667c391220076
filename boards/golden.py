"""The golden board: the golden model behind the same API as gateware,
hundreds of times faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.boards.abilities import Abilities
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.golden.learn import Learner, make_learner
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.learning import Counts, Learning
from ndrite.emulator.spec.variation import Campaign, CampaignResult
from ndrite.host.api import Progress, told
from ndrite.host.errors import LinkError, NotProgrammedError
from ndrite.host.inputs import check_inputs, check_program, check_variation
from ndrite.host.memory import Upset

if TYPE_CHECKING:
    from ndrite.emulator.golden.learn.fast import FastLearner

BATCH = 512
"""Number of inferences between two progress reports."""


class GoldenBoard:
    """A board without hardware, with the interface ``BoardApi``: the golden model
    computes its results.

    Parameters
    ----------
    geometry:
        When given, programs that this geometry cannot hold are refused, as the device would.
    """

    def __init__(self, geometry: Geometry | None = None) -> None:
        self._geometry = geometry
        self._core: Core | None = None
        self._learner: Learner | FastLearner | None = None
        self._inferences = 0
        self._closed = False

    def __repr__(self) -> str:
        where = "any program" if self._geometry is None else f"array {self._geometry.name!r}"
        return told(self, where, None if self._core is None else self._core.program)

    @property
    def geometry(self) -> Geometry | None:
        """The geometry that programs must fit, or None if any program is accepted."""
        return self._geometry

    def identity(self) -> dict[str, Any]:
        """Return the board's identity: the golden model, its geometry, and the
        tag of its program."""
        g = self._geometry
        return {
            "board": "golden",
            "geometry": None if g is None else {"name": g.name, **g.hardware_fields()},
            "program_tag": f"{self._core.program.tag if self._core else 0:08x}",
        }

    @property
    def device(self) -> Self:
        """The board that runs programs: this board itself, since it wraps no other board."""
        return self

    @property
    def abilities(self) -> Abilities:
        """The limits of the board's geometry; a board without a geometry has no limits."""
        return Abilities(None, lambda _: None) if self._geometry is None else Abilities.of(self._geometry)

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Load ``program``. Raises GeometryError if the board has a geometry and the
        program does not fit it."""
        self._open()
        check_program(program)
        if program.is_chain:
            self.abilities.check(program)
        self._core, self._learner = Core(program), None
        if progress is not None:
            progress(1, 1)

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
        self._open()
        if self._geometry is not None:
            self.abilities.check(learning.program)
        self._learner = make_learner(learning, seed=seed, states=states, noise=noise)
        self._core = None

    def learn(
        self, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], *, first_update: int = 0
    ) -> Counts:
        """Do one training update per sample, as ``LearningApi.learn`` does."""
        counts = self._learning().learn(x, labels, first_update=first_update)
        self._core = None
        return counts

    def unfinished(self) -> Counts:
        """Return counts of 0, since ``learn`` never stops halfway: it does all updates,
        or raises before the first."""
        return Counts(0, 0, (0,) * len(self._learning().learning.layers))

    def states(self) -> list[npt.NDArray[np.int64]]:
        """Return the states of the devices after all pulses so far, int64 (K
        + 1, M) per layer."""
        return [s.copy() for s in self._learning().states]

    def _programmed(self) -> Core:
        """Return the golden model of the current program; for a learning program, with
        the devices in their present states."""
        self._open()
        if self._core is None and self._learner is not None:
            self._core = Core(self._learner.program())
        if self._core is None:
            raise NotProgrammedError("nothing is programmed on this board; call program() first")
        return self._core

    def _learning(self) -> Learner | FastLearner:
        self._open()
        if self._learner is None:
            raise NotProgrammedError("no learning program is on this board; call program_learning() first")
        return self._learner

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
        core = self._programmed()
        program = core.program
        x = check_inputs(x, program, seed=seed, first_index=first_index, noise=noise)
        y = np.empty((len(x), program.outputs), np.int32)
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH]
            y[start : start + len(part)] = core.infer(
                part, seed=seed, first_index=first_index + start, noise=noise
            )
            self._inferences += len(part)
            if progress is not None:
                progress(start + len(part), len(x))
        return y

    def campaign(
        self,
        x: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.integer],
        plan: Campaign,
        *,
        progress: Progress | None = None,
    ) -> CampaignResult:
        """Run samples on virtual chips and return the votes, as ``BoardApi.campaign`` does."""
        program = self._programmed().program
        check_variation(program, self._geometry)
        result = campaign(program, x, labels, plan, progress=progress)
        self._inferences += plan.chips * plan.trials * len(x)
        return result

    def scrub(self, program: Program) -> list[Upset]:
        """Return an empty list, since this board's memory never changes by itself.
        Raises NotProgrammedError if the board holds another program than
        ``program``, or none."""
        self._open()
        if self._core is None or self._core.program.tag != program.tag:
            raise NotProgrammedError(f"the board does not hold program {program.name!r}; program it first")
        return []

    def counters(self) -> dict[str, int]:
        """Return the only counter, ``inferences``; the golden model has no clock to count."""
        return {"inferences": self._inferences}

    def clear_counters(self) -> None:
        """Set the counter of inferences to 0."""
        self._inferences = 0

    def close(self) -> None:
        """Close the board and forget its program."""
        self._closed = True
        self._core = self._learner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self) -> None:
        if self._closed:
            raise LinkError("golden board is closed")
