"""target: which FPGA family's primitives a block may use, as told by the platform it is elaborated for."""


def is_ecp5(platform: object) -> bool:
    """Whether ``platform`` is a Lattice ECP5: its ``family`` says so, or its ``device`` is an LFE5U part.

    Simulation and every other family get plain RTL with the same latencies.
    """
    device = str(getattr(platform, "device", "")).upper()
    return getattr(platform, "family", None) == "ecp5" or device.startswith("LFE5U")


def is_ice40(platform: object) -> bool:
    """Whether ``platform`` is a Lattice iCE40, as its ``family`` says."""
    return getattr(platform, "family", None) == "ice40"


def is_small(platform: object) -> bool:
    """Whether ``platform`` asks for the core of ``hdl.small`` (its ``small``).

    It lacks the registers that only serve speed, for parts with fewer flip-flops than those take.
    """
    return bool(getattr(platform, "small", False))
