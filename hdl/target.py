"""target: which FPGA family's primitives a block may use, as told by the platform it is elaborated for."""

from __future__ import annotations


def is_ecp5(platform: object) -> bool:
    """Whether ``platform`` names a Lattice ECP5 device; simulation and other families get plain RTL."""
    return str(getattr(platform, "device", "")).upper().startswith(("LFE5U", "LFE5UM"))
