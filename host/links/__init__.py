"""Links: byte streams between host and device, one module per transport.

Imports pyserial only. A link knows nothing of packets. ``pcie`` is no byte stream: its
channel takes the place of packets.
"""

from ndrite.host.links.link import Link

__all__ = ["Link"]
