"""PLL settings: exact integer dividers for a wanted clock, inside each device's published limits."""

from collections.abc import Iterator
from dataclasses import dataclass

from boards.fpga.errors import BuildError

TOLERANCE = 0.002
"""Largest relative deviation from the wanted clock."""


@dataclass(frozen=True)
class Limits:
    """Frequencies in MHz that a PLL accepts: phase comparator, oscillator, output."""

    compare: tuple[float, float]
    oscillator: tuple[float, float]
    output: tuple[float, float]


ECP5 = Limits((3.125, 400), (400, 800), (3.125, 400))
"""Lattice FPGA-DS-02012, sysCLOCK PLL timing; the comparator's lower limit is that of the reference."""
ICE40 = Limits((10, 133), (533, 1066), (16, 275))
"""Lattice FPGA-DS-02008, sysCLOCK PLL timing."""


@dataclass(frozen=True)
class Setting:
    """Dividers: out = input * feedback / reference; oscillator = out * output (ECP5).

    On iCE40 out = input * feedback / reference / output. ``mhz`` is the clock that comes out.
    """

    reference: int
    feedback: int
    output: int
    mhz: float
    oscillator: float


def ecp5(input_mhz: float, mhz: float) -> Setting:
    """EHXPLLL with CLKOP as feedback."""
    candidates = (
        Setting(r, f, o, input_mhz * f / r, input_mhz * f / r * o)
        for r in range(1, 129)
        for f in range(1, 81)
        if _near(input_mhz * f / r, mhz)
        for o in range(1, 129)
    )
    return _best(candidates, input_mhz, mhz, ECP5)


def ice40(input_mhz: float, mhz: float) -> Setting:
    """SB_PLL40 in SIMPLE feedback; ``output`` is a power of two."""
    candidates = (
        Setting(r, f, 1 << q, input_mhz * f / r / (1 << q), input_mhz * f / r)
        for r in range(1, 17)
        for f in range(1, 129)
        for q in range(1, 7)
    )
    return _best(candidates, input_mhz, mhz, ICE40)


def _near(mhz: float, wanted: float) -> bool:
    return abs(mhz / wanted - 1) <= TOLERANCE


def _best(candidates: Iterator[Setting], input_mhz: float, mhz: float, limits: Limits) -> Setting:
    """Closest clock, then fastest comparator (least jitter), then oscillator nearest mid range."""
    middle = sum(limits.oscillator) / 2

    def within(value: float, bounds: tuple[float, float]) -> bool:
        return bounds[0] <= value <= bounds[1]

    usable = [
        s
        for s in candidates
        if _near(s.mhz, mhz)
        and within(s.mhz, limits.output)
        and within(s.oscillator, limits.oscillator)
        and within(input_mhz / s.reference, limits.compare)
    ]
    if not usable:
        low, high = limits.oscillator
        raise BuildError(
            f"no PLL setting makes {mhz:g} MHz from {input_mhz:g} MHz within {TOLERANCE:.1%}; accepted: "
            f"what an oscillator of {low:g}..{high:g} MHz and an output of {limits.output[0]:g}.."
            f"{limits.output[1]:g} MHz allow"
        )
    return min(usable, key=lambda s: (round(abs(s.mhz - mhz), 9), s.reference, abs(s.oscillator - middle)))
