"""Interface of the way to a device: words, sections, inferences."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.memory_map import Section

Count = Callable[[int], None]
"""Called with how many more words or inferences are done."""


class Channel(Protocol):
    """Words, sections and inferences of one device. Every method raises ``HostError``."""

    def fit(self, geometry: Geometry, protocol: tuple[int, int]) -> None:
        """Use what a geometry and a protocol (major, minor) allow; before, only registers may be read."""
        ...

    def read(self, address: int, count: int) -> npt.NDArray[np.int32]:
        """``count`` words from ``address`` up, int32 (count,)."""
        ...

    def write_register(self, address: int, value: int) -> None:
        """Set one register to a u32 value."""
        ...

    def write(self, sections: Sequence[Section], counted: Count) -> None:
        """Write every section; none need be there before the last is."""
        ...

    def differing(self, sections: Sequence[Section]) -> list[Section]:
        """The sections whose content on the device is not theirs, by CRC."""
        ...

    def infer(
        self, x: npt.NDArray[np.uint8], first_index: int, y: npt.NDArray[np.int32], counted: Count
    ) -> None:
        """Fill ``y`` (n, outputs) with the outputs of ``x`` (n, inputs), in order.

        After a HostError the rows that were ``counted`` are filled.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Let the device work."""
        ...

    def close(self) -> None:
        """Release the device."""
        ...
