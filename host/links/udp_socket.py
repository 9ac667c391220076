"""Datagrams through the kernel: a UDP socket to one address."""

import errno
import itertools
import select
import socket
import struct
import sys
import time

from ndrite.emulator.spec.datagrams import MTU, PORT
from ndrite.host.errors import InputError, LinkError

BUFFER_BYTES = 4 << 20
"""Asked of the kernel for what waits; it may give less."""
UDP_SEGMENT = 103
"""Linux's, unnamed in Python: the kernel cuts what it is given into datagrams of this size (udp(7))."""
SEGMENTS = 40
"""Datagrams of one such call, within the 64 KiB that an IPv4 packet may have."""
NO_SEGMENTS = {errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
"""What a kernel or a network card answers that cannot do so."""


class UdpSocket:
    """Satisfies ``ndrite.host.links.udp.Datagrams``.

    Parameters
    ----------
    host:
        IPv4 address or name.
    port:
        UDP port of the device.

    Raises
    ------
    LinkError
        The name is not known, or there is no way there.
    """

    live = True

    def __init__(self, host: str, port: int = PORT) -> None:
        self.name = f"{host}:{port}"
        self._socket: socket.socket | None = None
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            link.connect((host, port))  # the kernel then drops what others send
            link.setblocking(False)
        except (OSError, TypeError) as error:  # a name that cannot be one is a TypeError
            link.close()
            reason = getattr(error, "strerror", None) or error
            raise LinkError(f"udp:{self.name}: no way there ({reason})") from None
        self._socket = link
        self._segments = SEGMENTS if sys.platform == "linux" else 1
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(link, select.POLLIN)

    def send(self, *datagrams: bytes) -> None:
        """Send them; where the kernel's buffer is full, when there is room.

        Up to ``SEGMENTS`` of one size go to the kernel in one call, where it can cut them apart.
        """
        for size, alike in itertools.groupby(datagrams, len):
            while together := b"".join(itertools.islice(alike, self._segments)):
                self._send(together, size)

    def _send(self, together: bytes, size: int) -> None:
        link = self._open()
        several = len(together) > size
        while True:
            try:
                if several:
                    link.sendmsg([together], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))])
                else:
                    link.send(together)
                return
            except BlockingIOError:
                select.select([], [link], [], 1.0)
            except OSError as error:
                if not several or error.errno not in NO_SEGMENTS:
                    raise LinkError(self._lost(error)) from None
                self._segments = 1
                for start in range(0, len(together), size):
                    self._send(together[start : start + size], size)
                return

    def receive(self, timeout_s: float) -> bytes:
        """The next one, or nothing in time."""
        link = self._open()
        try:
            return link.recv(MTU)
        except BlockingIOError:
            pass
        except OSError as error:
            raise LinkError(self._lost(error)) from None
        if self._poll is not None:
            self._poll.poll(timeout_s * 1000)
        else:
            select.select([link], [], [], timeout_s)
        try:
            return link.recv(MTU)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkError(self._lost(error)) from None

    def wait(self, seconds: float) -> None:
        """Sleep; what comes meanwhile waits in the socket's buffer."""
        time.sleep(seconds)

    def close(self) -> None:
        """Release the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise LinkError(f"udp:{self.name}: link is closed")
        return self._socket

    def _lost(self, error: OSError) -> str:
        if isinstance(error, ConnectionRefusedError):
            return f"udp:{self.name}: nothing listens on that port"
        return f"udp:{self.name}: {error.strerror or error}"


def udp_address(text: str, *, least: int = 1) -> tuple[str, int]:
    """Host and port, ``least`` and above, of ``HOST[:PORT]``. Raises InputError naming what is accepted."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(PORT)
    if not host or ":" in host or not port.isdecimal() or not least <= int(port) < 1 << 16:
        raise InputError(
            f"UDP address is {text!r}; accepted: HOST[:PORT], an IPv4 address or name, and a port "
            f"{least}..65535"
        )
    return host, int(port)
