"""Board: a device that takes programs."""

from typing import Self

from ndrite.boards.abilities import Abilities
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.backend.walk import sample_order
from ndrite.emulator.spec import Program
from ndrite.host.api import Progress
from ndrite.host.device import Device
from ndrite.host.memory import Upset


class Board(Device):
    """A device, and the back end that lays programs out for its geometry; satisfies ``BoardApi``."""

    @property
    def device(self) -> Self:
        """The board itself."""
        return self

    @property
    def abilities(self) -> Abilities:
        """Limits that follow from the board's memories."""
        return Abilities.of(self.geometry)

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Put ``program`` on the chip. GeometryError if it does not fit; the chip then stays as it was."""
        self.load(program, lay_out(program, self.geometry), order=sample_order(program), progress=progress)

    def scrub(self, program: Program) -> list[Upset]:
        """List the words that changed in the chip's memories since ``program`` was programmed; raises as
        ``compare``."""
        return self.compare(program, lay_out(program, self.geometry))
