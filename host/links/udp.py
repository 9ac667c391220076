"""UDP link: the stream of frames in numbered datagrams (``ndrite.emulator.spec.datagrams``)."""

import errno
import ipaddress
import itertools
import secrets
import select
import socket
import struct
import sys
import time
from typing import Protocol

from ndrite.emulator.spec.datagrams import (
    HEADER,
    HEADER_BYTES,
    HOLDER,
    LEASE_S,
    MTU,
    NUMBERS,
    OFFER_BYTES,
    OPEN_BYTES,
    PIECE_MAX,
    PORT,
    REFUSED_BYTES,
    VERSION,
    Kind,
    is_later,
)
from ndrite.host.errors import InputError, LinkError, LinkTimeout

BUFFER_BYTES = 4 << 20
"""Size of the receive buffer that is requested from the kernel, which may give less."""
UDP_SEGMENT = 103
"""Linux' socket option UDP_SEGMENT, which Python does not name: the kernel cuts a long
write into datagrams of this size (udp(7))."""
SEGMENTS = 40
"""Number of datagrams in one write that the kernel cuts; together they stay within the
64 KiB of an IPv4 packet."""
NO_SEGMENTS = {errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
"""Error numbers of a kernel or network card that cannot cut a write into datagrams."""


class UdpSocket:
    """A UDP socket to one device, with the interface ``ndrite.host.links.udp.Datagrams``.

    Parameters
    ----------
    host:
        IPv4 address or name.
    port:
        UDP port of the device.

    Raises
    ------
    LinkError
        The name is not known, or cannot be reached.
    """

    live = True

    def __init__(self, host: str, port: int = PORT) -> None:
        self.name = f"{host}:{port}"
        self._socket: socket.socket | None = None
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            link.connect((host, port))  # the kernel then drops datagrams from other senders
            link.setblocking(False)
        except (OSError, TypeError) as error:  # an impossible host name raises TypeError
            link.close()
            reason = getattr(error, "strerror", None) or error
            raise LinkError(f"udp:{self.name}: cannot be reached ({reason})") from None
        self._socket = link
        self._segments = SEGMENTS if sys.platform == "linux" else 1
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(link, select.POLLIN)

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams; while the kernel's buffer is full, wait for room.

        Up to ``SEGMENTS`` of one size go to the kernel in one call, where it
        can cut them apart.
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
        """Return the next datagram, or no bytes if none arrives within
        ``timeout_s`` seconds."""
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
        """Sleep; datagrams that arrive in the meantime wait in the socket's buffer."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the socket."""
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
    """Parse ``HOST[:PORT]`` into host and port; the port must be at least ``least``.
    Raises InputError, which says what is accepted, for other text."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(PORT)
    if not host or ":" in host or not port.isdecimal() or not least <= int(port) < 1 << 16:
        raise InputError(
            f"UDP address is {text!r}; accepted: HOST[:PORT], an IPv4 address or name, and a port "
            f"{least}..65535"
        )
    return host, int(port)


class Datagrams(Protocol):
    """Interface of a transport of datagrams to one device and back. Datagrams may be
    lost, duplicated, damaged or reordered."""

    @property
    def live(self) -> bool:
        """Whether a second of this transport is a real second, as
        ``ndrite.host.links.link.Link.live`` says of a link."""
        ...

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams in order. Raises ``LinkError`` if there is no route to the device."""
        ...

    def receive(self, timeout_s: float, /) -> bytes:
        """Return the next datagram, or no bytes if none arrives within ``timeout_s``
        seconds. Raises ``LinkError``."""
        ...

    def wait(self, seconds: float, /) -> None:
        """Let the device work for ``seconds``; datagrams that arrive in the
        meantime are kept."""
        ...

    def close(self) -> None:
        """Release the transport. Closing twice is allowed."""
        ...


OPENING_S = 3.0
"""Time for which a new link waits for a device to offer a session, seconds."""
OPENINGS = 12
"""Number of ``open`` datagrams that are sent within OPENING_S."""
CLOSINGS = 2
"""Number of ``close`` datagrams that are sent, since the device does not answer them.
If all are lost, the session's lease runs out."""


class UdpLink:
    """A link over datagrams: a byte stream in order, in which bytes may be missing. Its
    session keeps other hosts from using the device.

    Written bytes are buffered until they fill a datagram, or until a read finds no
    datagram. If nothing arrives during the whole timeout of a read, a new session is
    opened, since the device may have been powered off: datagrams of the old session
    cannot be mistaken for those of the new one.

    Parameters
    ----------
    datagrams:
        The transport to the device; the link closes it.
    name:
        The device's name in errors.

    Raises
    ------
    LinkTimeout
        Nothing answers within ``opening_s`` seconds.
    LinkError
        Another host has the device; the message says which.
    """

    narrow = False

    _sent: int
    _taken: int
    """Numbers of the latest datagrams that were sent and taken; the offer of a
    session sets them."""

    def __init__(self, datagrams: Datagrams, *, name: str = "udp", opening_s: float = OPENING_S) -> None:
        self.datagrams = datagrams
        self.live = datagrams.live
        self.name = name
        self.lost = 0
        """Number of datagrams of this and earlier sessions that did not
        arrive, or arrived late."""
        self._opening_s = opening_s
        self._out = bytearray()
        self._token: int | None = None
        self._closed = False
        try:
            if not self._offered():
                raise LinkTimeout(f"{name}: no answer within {opening_s:g} s; check the address and power")
        except BaseException:
            datagrams.close()
            raise

    def write(self, data: bytes) -> None:
        """Buffer ``data``, and send the buffered bytes that fill whole datagrams."""
        self._check_open()
        self._out += data
        self._send(len(self._out) // PIECE_MAX)

    def read(self, timeout_s: float) -> bytes:
        """Return the next bytes of the stream, or none if nothing arrives in time.
        Bytes that wait to be sent are sent before this waits."""
        self._check_open()
        deadline: float | None = None
        left = timeout_s
        while True:
            # Datagrams that have arrived are read before more are sent: the caller may
            # add bytes meanwhile, which fill the next datagram to send.
            datagram = self.datagrams.receive(0.0) if self._out and self._token is not None else b""
            if not datagram:
                self._flush()
                datagram = self.datagrams.receive(left)
            if not datagram:
                self._token = None
                return b""
            piece = self._piece(datagram)
            if piece:
                return piece
            if self._token is None:
                return b""
            # Datagrams without a part of the stream must not keep a reader waiting for
            # ever: there is a deadline.
            now = time.monotonic()
            deadline = deadline or now + timeout_s
            left = max(0.0, min(left, deadline - now))

    def wait(self, seconds: float) -> None:
        """Let the device work for ``seconds``; datagrams that arrive in the
        meantime are kept."""
        self._flush()
        self.datagrams.wait(seconds)

    def close(self) -> None:
        """End the session, so that another host can use the device at once."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._token is not None:
                for _ in range(CLOSINGS):
                    self.datagrams.send(HEADER.pack(Kind.CLOSE, VERSION, 0, 0, self._token))
        except LinkError:
            pass  # the device cannot be reached to be told
        finally:
            self.datagrams.close()

    def _check_open(self) -> None:
        if self._closed:
            raise LinkError(f"{self.name}: link is closed")

    def _flush(self) -> None:
        self._check_open()
        self._send(-(-len(self._out) // PIECE_MAX))

    def _send(self, count: int) -> None:
        """Send the first ``count`` * PIECE_MAX bytes that are buffered, PIECE_MAX bytes
        in each datagram."""
        if not count:
            return
        if self._token is None and not self._offered():
            self._out.clear()  # the bytes are lost, as on any link that is cut
            return
        pieces = []
        for start in range(0, count * PIECE_MAX, PIECE_MAX):
            self._sent = (self._sent + 1) % NUMBERS
            header = HEADER.pack(Kind.DATA, VERSION, 0, self._sent, self._token)
            pieces.append(header + self._out[start : start + PIECE_MAX])
        del self._out[: count * PIECE_MAX]
        self.datagrams.send(*pieces)

    def _piece(self, datagram: bytes) -> bytes:
        """Return the bytes that a received datagram adds to the stream: none if it is
        not the next data of this session."""
        if len(datagram) < HEADER_BYTES:
            return b""
        kind, version, _, number, token = HEADER.unpack_from(datagram)
        if version != VERSION or token != self._token:
            return b""
        if kind == Kind.REFUSED and len(datagram) == REFUSED_BYTES:
            self._refused(datagram)
            self._token = None
            return b""
        if kind != Kind.DATA or not is_later(number, self._taken):
            self.lost += kind == Kind.DATA
            return b""
        gap = (number - self._taken) % NUMBERS > 1
        self._taken = number
        self.lost += gap
        return b"\0" + datagram[HEADER_BYTES:] if gap else datagram[HEADER_BYTES:]

    def _refused(self, datagram: bytes) -> None:
        """Raise LinkError if ``datagram`` is a refusal, which says that another host is
        using the device."""
        address, port, silent = HOLDER.unpack_from(datagram, HEADER_BYTES)
        if port:
            self._token = None
            raise LinkError(
                f"{self.name}: the board is in use by {ipaddress.IPv4Address(address)}:{port}, last heard "
                f"{silent} s ago; it is free when closed there, or after {LEASE_S} s of silence"
            )

    def _offered(self) -> bool:
        """Open a session with the device; return whether the device offered one in time."""
        token = secrets.randbits(64)
        request = HEADER.pack(Kind.OPEN, VERSION, 0, 0, token).ljust(OPEN_BYTES, b"\0")
        step = self._opening_s / OPENINGS
        for _ in range(OPENINGS):
            self.datagrams.send(request)
            next_offer = time.monotonic() + step
            while datagram := self.datagrams.receive(max(0.0, next_offer - time.monotonic())):
                if self._takes(datagram, token):
                    return True
        return False

    def _takes(self, datagram: bytes, own: int) -> bool:
        if len(datagram) < HEADER_BYTES:
            return False
        kind, version, _, _, token = HEADER.unpack_from(datagram)
        if version != VERSION:
            return False
        if kind == Kind.REFUSED and len(datagram) == REFUSED_BYTES and token == own:
            self._refused(datagram)
        if kind != Kind.OFFER or len(datagram) != OFFER_BYTES:
            return False
        if int.from_bytes(datagram[HEADER_BYTES:], "little") != own:
            return False
        self._token, self._sent, self._taken = token, 0, 0
        return True
