"""addresses: a board's own MAC and IPv4 address, and UDP port."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from emulator.spec.datagrams import PORT

MAC = 0x02_6E_64_72_00_01
"""Locally administered, made up: one board of it on a network."""
ADDRESS = int(IPv4Address("192.168.1.77"))


@dataclass(frozen=True)
class Addresses:
    """MAC (48 bits), IPv4 address (32 bits) and UDP port, numbers as they are written: first byte highest."""

    mac: int = MAC
    address: int = ADDRESS
    port: int = PORT
