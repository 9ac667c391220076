"""Datagrams: how the stream of frames is sent over UDP, where datagrams may be lost,
repeated or reordered.

A datagram is a header and a piece of the stream of frames, cut anywhere. Little endian:

``kind u8, version u8, reserved u16, number u32, token u64, piece``

Session. The host sends ``open`` with a random token of its own and ``OPEN_BYTES`` bytes
in all. The device answers ``offer``: a fresh token of its own, and the host's behind
the header. With the first ``data`` that comes from the same address under the offered
token, that address is the peer, and what came before is over. While another address is
the peer, and was heard of within ``LEASE_S``, an ``open`` is answered ``refused``, and
so is ``data`` of anybody else. The answer has the token it came with. Behind the header
it has ``address u32, port u16, silence u16``: who holds the device, and for how many
seconds that peer has been silent. All three are zero where nobody else holds it.
``close`` of the peer ends the session. No answer to anybody but the peer is longer than
what it answers, and what is shorter than ``REFUSED_BYTES`` has none.

Order. Each side numbers its ``data`` of a session from 1. A datagram whose number is
not above the last one taken (mod 2^32) was doubled or overtaken, and is dropped: to the
frames it is lost. Where a number was skipped, the receiver puts one 0x00 into the
stream, so that no frame is made of pieces of two. The receiver thus sees a stream in
order, with gaps; the packets do the rest, as they do on a UART.
"""

import struct
from enum import IntEnum

VERSION = 1
PORT = 20807
"""UDP port on which a device listens; a host may use any port."""
HEADER = struct.Struct("<BBHIQ")
HEADER_BYTES = HEADER.size
HOLDER = struct.Struct("<IHH")
OPEN_BYTES = 32
OFFER_BYTES = HEADER_BYTES + 8
REFUSED_BYTES = HEADER_BYTES + HOLDER.size
MTU = 1500
"""Largest number of bytes in an IPv4 packet that every Ethernet transmits."""
IP_UDP_BYTES = 28
PIECE_MAX = MTU - IP_UDP_BYTES - HEADER_BYTES
"""Largest number of bytes of the stream in one datagram."""
LEASE_S = 10
"""Seconds of silence after which another host may take over the device."""
NUMBERS = 1 << 32


class Kind(IntEnum):
    """Kinds of datagrams. The codes of any two kinds differ in at least two bits."""

    OPEN = 0x03
    """From the host: a request to open a session."""
    OFFER = 0x05
    """From the device: the session is accepted under the token in this datagram."""
    REFUSED = 0x06
    """From the device: the session is refused; the datagram names the host
    that has the device."""
    DATA = 0x18
    """From host or device: a piece of the stream."""
    CLOSE = 0x30
    """From the host: the session is over."""


def is_later(number: int, last: int) -> bool:
    """Return whether a datagram's number is later than ``last``, that of the latest
    datagram accepted, counting modulo 2^32."""
    return 0 < (number - last) % NUMBERS < NUMBERS // 2
