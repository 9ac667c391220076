"""addresses: a board's own MAC address, IPv4 address and UDP port."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from ndrite.emulator.spec.datagrams import PORT

MAC = 0x02_6E_64_72_00_01
"""Default MAC address, locally administered: a network may have only one board with it."""
ADDRESS = int(IPv4Address("192.168.1.77"))


@dataclass(frozen=True)
class Addresses:
    """A device's MAC address (48 bits), IPv4 address (32 bits) and UDP port, as
    numbers. The byte of an address that is written first is its most
    significant byte."""

    mac: int = MAC
    address: int = ADDRESS
    port: int = PORT

    @classmethod
    def of(cls, address: str | None, mac: str | None) -> Addresses:
        """Parse the texts of an IPv4 ``address`` and of a ``mac`` address; None stands
        for the default address. Raises ValueError, which says what is accepted."""
        number, mac_number = ADDRESS, MAC
        if address is not None:
            try:
                parsed = IPv4Address(address)
            except ValueError:
                raise ValueError(f"address is {address!r}; accepted: IPv4, such as 192.168.1.77") from None
            if parsed.is_multicast or parsed.is_unspecified or parsed == IPv4Address("255.255.255.255"):
                raise ValueError(f"address is {address}; accepted: a single host, not broadcast or multicast")
            number = int(parsed)
        if mac is not None:
            if not re.fullmatch("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", mac):
                raise ValueError(f"MAC is {mac!r}; accepted: six bytes, such as 02:6e:64:72:00:01")
            mac_number = int(mac.replace(":", ""), 16)
            if mac_number >> 40 & 1 or mac_number == 0:
                raise ValueError(
                    f"MAC is {mac}; accepted: the MAC address of one host: first byte even, not all 0"
                )
        return cls(mac_number, number)


USUAL = Addresses()
"""Default addresses, of a board that is built without other addresses."""
