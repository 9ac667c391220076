"""The schedule bound, the fewest cycles an array of N lanes can take without skipping; and the watchdog's."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.spec.arithmetic import slices
from emulator.spec.geometry import Geometry
from emulator.spec.program import Program
from emulator.spec.steps import Product


def bound_cycles(program: Program, lanes: int) -> int:
    """Sum over the products of positions * G * K * J * ceil(M / G / lanes), in cycles; G groups see K inputs
    each."""
    return program.calls * products_cycles(program.products, lanes)


def products_cycles(products: Iterable[Product], lanes: int) -> int:
    """The same of each product once."""
    return sum(
        p.patches.positions
        * p.patches.groups
        * p.layer.inputs
        * slices(p.layer.dac_bits)
        * -(-(p.layer.outputs // p.patches.groups) // lanes)
        for p in products
    )


WATCHDOG_CYCLES_MIN = 1 << 20


def watchdog_cycles(geometry: Geometry) -> int:
    """Clock cycles without the end of an inference after which the watchdog resets the core.

    Several times the longest that ``geometry`` can take: eight slices of every weight word, with readout
    as slow as the array, or all cells drawn anew.
    """
    inference = 8 * geometry.weight_depth
    redraw = geometry.lanes * geometry.weight_depth // max(geometry.redraw, 1)
    return max(WATCHDOG_CYCLES_MIN, 8 * inference, 4 * redraw)
