"""Board: a device with gateware to which programs can be given."""

from typing import Self

from ndrite.boards.abilities import Abilities
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.backend.walk import sample_order
from ndrite.emulator.spec import Program
from ndrite.host.api import Progress
from ndrite.host.device import Device
from ndrite.host.memory import Upset


class Board(Device):
    """A board with gateware, with the interface ``BoardApi``: a device, together with
    the back end that lays programs out for the device's geometry."""

    @property
    def device(self) -> Self:
        """The opened host device that runs programs: this board itself, since it
        wraps no other board."""
        return self

    @property
    def abilities(self) -> Abilities:
        """The limits on the programs that the board can hold, which follow from the
        sizes of its memories."""
        return Abilities.of(self.geometry)

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Put ``program`` on the chip. Raises GeometryError if it does not fit; the
        chip is then unchanged."""
        self.load(program, lay_out(program, self.geometry), order=sample_order(program), progress=progress)

    def scrub(self, program: Program) -> list[Upset]:
        """List the words of the chip's memories that changed since
        ``program`` was programmed, and write the right words again. Raises
        the errors of ``compare``."""
        return self.compare(program, lay_out(program, self.geometry))
