"""The one interface every transport implements."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Link(Protocol):
    """A byte stream both ways. Bytes may be lost or damaged; the session above copes with that.

    ``narrow``: a byte takes longer than the device needs for it, so that fewer bytes are faster.
    ``live``: its seconds are this machine's; those of a simulated link are clock cycles.
    """

    @property
    def narrow(self) -> bool:
        """Whether the line rate, and not the array, limits samples per second."""
        ...

    @property
    def live(self) -> bool:
        """Whether the link's seconds are wall-clock seconds."""
        ...

    def write(self, data: bytes, /) -> None:
        """Send all of ``data``. Raises ``LinkError`` when the stream is broken."""
        ...

    def read(self, timeout_s: float, /) -> bytes:
        """Bytes received, at least one unless none came within ``timeout_s`` seconds (then empty).

        A simulated link counts the seconds in simulated clock cycles. Raises ``LinkError`` when the
        stream is broken.
        """
        ...

    def wait(self, seconds: float, /) -> None:
        """Let the device work for ``seconds`` (simulated ones on a simulated link) without listening."""
        ...

    def close(self) -> None:
        """Release the transport; further use raises ``LinkError``. Closing twice is allowed."""
        ...
