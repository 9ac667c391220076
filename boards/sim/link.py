"""Link to the RTL compiled for this machine, in this process."""

from dataclasses import dataclass

from ndrite.boards.sim.build import DEFAULT_DIVISOR, build
from ndrite.boards.sim.model import Model
from ndrite.emulator.spec import Geometry

CYCLES_PER_SECOND = 1_000_000
"""A ``read`` timeout of one second waits this many clock cycles: about one second of a
PC's time, and several times the longest answer of any preset geometry."""


@dataclass(frozen=True)
class Design:
    """Stands for a board's platform in a simulation: its attributes select the gateware
    design to simulate (``ndrite.hdl.parts.target``)."""

    small: bool = False


class SimLink:
    """Link to a freshly powered-on simulated board of a geometry, which is compiled if
    it is not in the cache.

    Raises SimulationBuildError when it cannot be built.

    Parameters
    ----------
    geometry:
        Shape of the array.
    pins:
        Use the UART pins (slower) instead of the byte stream inside the device.
    platform:
        Properties that ``ndrite.hdl.parts.target`` reads: a
        ``ndrite.boards.sim.Design``, say, to have the gateware of a small part.
    learns:
        Whether it has a learning core, in place of one that only infers.
    """

    live = False

    def __init__(
        self,
        geometry: Geometry,
        *,
        pins: bool = False,
        divisor: int = DEFAULT_DIVISOR,
        platform: object = None,
        learns: bool = False,
    ) -> None:
        library = build(geometry, divisor=divisor, platform=platform, learns=learns)
        # Through the UART pins bytes are slower than the core, so fewer bytes make it
        # faster. On the byte stream a byte takes one clock and unpacking a code three,
        # so the number of bytes does not matter.
        self.narrow = pins
        self.model = Model(library, pins=pins, divisor=divisor)

    def write(self, data: bytes) -> None:
        """Queue bytes for the device, which takes them while ``read`` runs the clock."""
        self.model.feed(data)

    def read(self, timeout_s: float) -> bytes:
        """Run the clock until a frame ends, at most ``timeout_s * CYCLES_PER_SECOND``
        cycles; return the bytes received."""
        self.model.run(round(timeout_s * CYCLES_PER_SECOND))
        return self.model.take()

    def wait(self, seconds: float) -> None:
        """Run the clock for ``seconds * CYCLES_PER_SECOND`` cycles, or until a frame ends."""
        self.model.run(round(seconds * CYCLES_PER_SECOND))

    def close(self) -> None:
        """Power off the simulated board."""
        self.model.close()
