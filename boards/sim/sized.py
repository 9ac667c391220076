"""A simulated device that grows with what is programmed on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from boards.sim.sizing import USUAL, sized
from emulator.spec import Geometry, Program
from emulator.spec.geometry import DEPTH_MAX
from emulator.spec.walk import check_maps
from host import Board
from host.api import Progress
from host.channel import Channel
from host.links import Link
from host.packet_channel import PacketChannel
from host.session import ATTEMPTS, TIMEOUT_S


class SizedBoard(Board):
    """A board on the usual simulated array, or on a larger one where a program needs it.

    It is powered on when first spoken to, so that a first program alone decides which one is compiled. Later
    a larger program moves it to a larger array; whatever was on the smaller one, counters and registers too,
    is gone then, as after a change of boards. It never shrinks: several programs settle on one size.

    Parameters
    ----------
    power_on:
        Makes the way to a fresh device of a geometry; compiles it when it is not in the cache.
    maps:
        Whether it may have feature maps, to hold programs that are no chains.

    Raises
    ------
    SimulationBuildError
        When it cannot be built: by whatever speaks to it first.
    """

    def __init__(self, power_on: Callable[[Geometry], Channel], *, maps: bool = True) -> None:
        self._power_on, self._maps = power_on, maps
        self._geometry: Geometry | None = None

    def __getattr__(self, name: str) -> Any:
        # What ``Board`` keeps of an open device is asked for before there is one.
        if name == "_geometry" or self._geometry is not None or not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        self._move(USUAL)
        return getattr(self, name)

    @classmethod
    def of_links(cls, link: Callable[[Geometry], Link]) -> Self:
        """The same where packets are spoken, over links to a fresh device of a geometry."""
        return cls(lambda geometry: PacketChannel(link(geometry), timeout_s=TIMEOUT_S, attempts=ATTEMPTS))

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Put ``program`` on the chip, a larger one where need be. Raises as ``host.Board.program``."""
        wanted = self._sized(program)
        if wanted != self._geometry:
            self._move(wanted)
        super().program(program, progress=progress)

    def check_fits(self, program: Program) -> None:
        """Raise GeometryError when no simulated array can hold ``program``."""
        self._sized(program)

    @property
    def most_weights(self) -> int:
        """Weights that the largest simulated array holds."""
        return USUAL.lanes * DEPTH_MAX

    def close(self) -> None:
        """Power off, where it was ever on."""
        if self._geometry is not None:
            super().close()

    def _sized(self, program: Program) -> Geometry:
        base = self._geometry or USUAL
        if not self._maps:
            check_maps(program, base)
        return sized(program, base)

    def _move(self, geometry: Geometry) -> None:
        channel = self._power_on(geometry)
        if self._geometry is not None:
            self._channel.close()
        self._geometry = geometry
        self._open(channel)
