"""Interface of a PCI card that the driver needs."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class DmaMemory:
    """Memory that card and host share: its bytes uint8 (n,), and the bus address
    of the first byte."""

    data: npt.NDArray[np.uint8]
    address: int
    owner: Any = None
    """The object that owns the memory of ``bytes``, kept so that the memory is not freed."""


@runtime_checkable
class PciDevice(Protocol):
    """Interface of a PCI card with BAR0 mapped, bus mastering enabled, and at least one
    MSI if the system supports MSIs."""

    @property
    def name(self) -> str:
        """The name by which messages call the card."""
        ...

    def read(self, offset: int, /) -> int:
        """Read a 32-bit word of BAR0; all ones if the card refuses or is gone.
        Raises ``LinkError``."""
        ...

    def write(self, offset: int, value: int, /) -> None:
        """Write a 32-bit word of BAR0; nothing confirms its arrival. Raises ``LinkError``."""
        ...

    def memory(self, size: int, /) -> DmaMemory:
        """Allocate ``size`` bytes for DMA, contiguous on the bus and aligned to 4 KiB.
        Raises ``LinkError``."""
        ...

    def wait(self, seconds: float, /) -> None:
        """Wait until an MSI arrives, at most ``seconds`` (simulated seconds on
        a simulated card)."""
        ...

    def now(self) -> float:
        """Return the time in seconds, on the clock that ``wait`` uses."""
        ...

    def close(self) -> None:
        """Release the card. Closing twice is allowed."""
        ...
