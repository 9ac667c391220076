"""A simulated device that grows with what is programmed on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from boards.sim.sizing import USUAL, sized
from emulator.spec import ChipImage, Geometry
from host import Board
from host.api import Progress
from host.channel import Channel
from host.links import Link
from host.packet_channel import PacketChannel
from host.session import ATTEMPTS, TIMEOUT_S


class SizedBoard(Board):
    """A board on the usual simulated array; on a larger one once an image needs it.

    Whatever was on the smaller one, counters and registers too, is gone then, as after a change of boards.
    It never shrinks: a program of several images settles on one size.

    Parameters
    ----------
    power_on:
        Makes the way to a fresh device of a geometry; compiles it when it is not in the cache.

    Raises
    ------
    SimulationBuildError
        When it cannot be built; ``program`` may raise it too.
    """

    def __init__(self, power_on: Callable[[Geometry], Channel]) -> None:
        self._power_on = power_on
        self._open(power_on(USUAL))

    @classmethod
    def of_links(cls, link: Callable[[Geometry], Link]) -> Self:
        """The same where packets are spoken, over links to a fresh device of a geometry."""
        return cls(lambda geometry: PacketChannel(link(geometry), timeout_s=TIMEOUT_S, attempts=ATTEMPTS))

    def program(self, image: ChipImage, *, progress: Progress | None = None) -> None:
        """Put ``image`` on the chip, a larger one where need be. Raises as ``host.Board.program``."""
        wanted = sized(image, self.geometry)
        if wanted != self.geometry:
            channel = self._power_on(wanted)
            self._channel.close()
            self._open(channel)
        super().program(image, progress=progress)
