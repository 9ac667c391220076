"""The interface that every transport implements."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Link(Protocol):
    """A byte stream in both directions. Bytes may be lost or damaged; the session that
    uses the link handles that.

    ``narrow``: a byte takes longer than the device needs for it, so that fewer bytes
    are faster. ``live``: its seconds are this machine's; those of a simulated link
    are clock cycles.
    """

    @property
    def narrow(self) -> bool:
        """Whether the data rate of the link, and not the speed of the array, limits
        samples per second."""
        ...

    @property
    def live(self) -> bool:
        """Whether a second on the link is a real second (not a simulated one)."""
        ...

    def write(self, data: bytes, /) -> None:
        """Send all of ``data``. Raises ``LinkError`` when the stream is broken."""
        ...

    def read(self, timeout_s: float, /) -> bytes:
        """Return received bytes: at least one, or none if nothing arrived within
        ``timeout_s`` seconds.

        A simulated link counts the seconds in simulated clock cycles. Raises
        ``LinkError`` when the stream is broken.
        """
        ...

    def wait(self, seconds: float, /) -> None:
        """Let the device work for ``seconds`` without listening; on a simulated link
        these are simulated seconds."""
        ...

    def close(self) -> None:
        """Release the transport; further use raises ``LinkError``. Closing twice is allowed."""
        ...
