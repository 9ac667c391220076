"""What a chip costs."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

COST = ("tests/ndrite/test_cost.py",)

MUTANTS = (
    Mutant(
        "ndrite/costs/program.py",
        "* row_uS).sum()) * lsb_V**2",
        "* row_uS).sum()) * lsb_V",
        "cells cost as the voltage, not as its square",
        COST,
    ),
    Mutant(
        "ndrite/costs/program.py",
        "reads = positions * steps * groups",
        "reads = positions * steps",
        "all groups are read at once",
        COST,
    ),
    Mutant(
        "ndrite/costs/parts.py",
        '"buffers": buffers,',
        '"buffers": NOTHING,',
        "what surrounds a device costs nothing",
        COST,
    ),
    Mutant(
        "ndrite/costs/parts.py",
        'ns = constants["ndr_ns"]',
        'ns = constants["read_ns"]',
        "a device is as fast as a cell",
        COST,
    ),
    Mutant(
        "ndrite/costs/adc.py",
        "merit_dB = min(by_rate, by_bits)",
        "merit_dB = by_bits",
        "fast converters cost as slow ones",
        COST,
    ),
    Mutant(
        "ndrite/costs/neuron.py",
        '"least": _over(products[reference][0], products[neuron][2]),',
        '"least": _over(products[reference][0], products[neuron][0]),',
        "the least ratio pairs low with low",
        COST,
    ),
    Mutant(
        "ndrite/sweeps/pareto.py",
        'if not found or row["accuracy"] > found[-1]["accuracy"]:',
        'if not found or row["accuracy"] >= found[-1]["accuracy"]:',
        "a dearer point as accurate is on the front",
        COST,
    ),
)
