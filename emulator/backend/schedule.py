"""The schedule bound: the smallest number of clock cycles that an array of N lanes can
take without skipping zeros."""

from collections.abc import Iterable

from ndrite.emulator.spec.arithmetic import slices
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Product


def bound_cycles(program: Program, lanes: int, rows: int = 1) -> int:
    """Return a lower bound of the clock cycles of one sample: the sum over matrix
    products of positions * G * ceil(K / rows) * J * ceil(M / G / lanes). A product has
    G groups of K inputs each, M outputs and J input bit slices; the array takes
    ``rows`` rows per cycle."""
    return program.calls * products_cycles(program.products, lanes, rows)


def products_cycles(products: Iterable[Product], lanes: int, rows: int = 1) -> int:
    """Return the lower bound of the clock cycles of the matrix products ``products``,
    each executed once."""
    return sum(
        p.patches.positions
        * p.patches.groups
        * -(-p.layer.inputs // rows)
        * slices(p.layer.dac_bits)
        * -(-(p.layer.outputs // p.patches.groups) // lanes)
        for p in products
    )
