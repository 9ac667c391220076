"""PLL settings: integer dividers for a wanted clock, within the published
limits of each device."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ndrite.boards.fpga.tools import BuildError

TOLERANCE = 0.002
"""Largest relative deviation from the wanted clock."""


@dataclass(frozen=True)
class Part:
    """The limits of a type of PLL: the frequencies in MHz that its phase comparator,
    oscillator and output accept, and its dividers.

    ``output_feedback``: it compares what comes out, the oscillator divided; else the
    oscillator itself.
    """

    compare: tuple[float, float]
    oscillator: tuple[float, float]
    output: tuple[float, float]
    references: Sequence[int]
    feedbacks: Sequence[int]
    outputs: Sequence[int]
    output_feedback: bool


PARTS = {
    "ecp5": Part((3.125, 400), (400, 800), (3.125, 400), range(1, 129), range(1, 81), range(1, 129), True),
    "ice40": Part(
        (10, 133), (533, 1066), (16, 275), range(1, 17), range(1, 129), (2, 4, 8, 16, 32, 64), False
    ),
}
"""Family -> limits of its PLL. ECP5: EHXPLLL with CLKOP as feedback (Lattice
FPGA-DS-02012, sysCLOCK PLL timing); the comparator's lower limit is that of the
reference clock. iCE40: SB_PLL40 in SIMPLE feedback (Lattice FPGA-DS-02008,
sysCLOCK PLL timing)."""


@dataclass(frozen=True)
class Setting:
    """The divider settings of a PLL. The output clock is input * feedback / reference,
    on iCE40 also divided by ``output``.

    ``mhz`` is the output clock, ``oscillator`` the frequency that it is divided from.
    """

    reference: int
    feedback: int
    output: int
    mhz: float
    oscillator: float


def setting(family: str, input_mhz: float, mhz: float) -> Setting:
    """Choose the dividers of a PLL: those with the clock closest to ``mhz``; among
    these, those with the fastest comparator (least jitter), then with the oscillator
    nearest the middle of its range. Raises BuildError when no setting makes ``mhz``
    within ``TOLERANCE``."""
    part = PARTS[family]
    middle = sum(part.oscillator) / 2

    def within(value: float, bounds: tuple[float, float]) -> bool:
        return bounds[0] <= value <= bounds[1]

    def near(value: float) -> bool:
        return abs(value / mhz - 1) <= TOLERANCE

    usable = []
    for reference, feedback in itertools.product(part.references, part.feedbacks):
        compared = input_mhz * feedback / reference
        if not within(input_mhz / reference, part.compare) or (part.output_feedback and not near(compared)):
            continue
        for output in part.outputs:
            frequencies = (
                (compared, compared * output) if part.output_feedback else (compared / output, compared)
            )
            if (
                near(frequencies[0])
                and within(frequencies[0], part.output)
                and within(frequencies[1], part.oscillator)
            ):
                usable.append(Setting(reference, feedback, output, *frequencies))
    if not usable:
        low, high = part.oscillator
        raise BuildError(
            f"no PLL setting makes {mhz:g} MHz from {input_mhz:g} MHz within {TOLERANCE:.1%}; accepted: "
            f"a clock that an oscillator of {low:g}..{high:g} MHz and an output of {part.output[0]:g}.."
            f"{part.output[1]:g} MHz allow"
        )
    return min(usable, key=lambda s: (round(abs(s.mhz - mhz), 9), s.reference, abs(s.oscillator - middle)))
