"""The way datagrams go to a device: what ``host.links.udp.UdpLink`` stands on."""

from typing import Protocol


class Datagrams(Protocol):
    """Datagrams to one device and back. They may be lost, doubled, damaged or overtaken."""

    @property
    def live(self) -> bool:
        """As ``host.links.link.Link.live``."""
        ...

    def send(self, *datagrams: bytes) -> None:
        """Send them, in order. Raises ``LinkError`` when there is no way to the device."""
        ...

    def receive(self, timeout_s: float, /) -> bytes:
        """The next one; empty where none came within ``timeout_s`` seconds. Raises ``LinkError``."""
        ...

    def wait(self, seconds: float, /) -> None:
        """Let the device work; what comes meanwhile waits."""
        ...

    def close(self) -> None:
        """Release the transport. Closing twice is allowed."""
        ...
