"""The units of a chip: the cost of one unit of each kind, and how often a step uses it.

A converter follows the law of hwcomponents-adc, from Andrulis et al., arXiv 2404.06553:
energy from Schreier's figure of merit, bounded by resolution and rate, with a
correction by technology node; area from a regression on node, rate and energy. Fitted
by its authors to Murmann's ADC survey; coefficients of version 1.0.21. It answers for
the best fifth of the survey.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from ndrite.costs.constants import ACCOUNTINGS, Constants, Triple

BITS_MIN = 4.0
"""Fewest bits for which the ADC law holds; converters of fewer bits are counted as
having this number."""


def adc_energy_pJ(bits: float, node_nm: float, rate_Hz: float) -> float:
    """Return the energy of one A/D conversion with ``bits`` effective bits, in picojoules."""
    bits = max(float(bits), BITS_MIN)
    by_rate = 213.7806687348118 - 2.8719030399529957 * math.log(rate_Hz)
    by_bits = 128.3068287398817 + 3.2205115 * math.ceil(bits)
    merit_dB = min(by_rate, by_bits)
    noise_dB = 20 * math.log10(2) * bits + 10 * math.log10(1.5)
    best = 0.5 * 10 ** ((noise_dB - merit_dB) / 10)
    correction = (
        26.0496215686518 + 1.8800369206815004 * math.log(node_nm) - 2.8291256050594527 * math.log(bits)
    )
    return best * math.exp(correction - 1.4702022133784405)


def adc_area_um2(bits: float, node_nm: float, rate_Hz: float) -> float:
    """Return the area of one A/D converter, in square micrometres."""
    return math.exp(
        1.3461916439910742
        + 0.9932794744745022 * math.log(node_nm)
        + 0.18071538424508238 * math.log(rate_Hz)
        + 0.29912426192653485 * math.log(adc_energy_pJ(bits, node_nm, rate_Hz))
    )


COMPONENTS = {
    "drivers": "row drivers and word lines",
    "array": "cells, from their conductances and the inputs",
    "converters": "column ADCs",
    "neurons": "NDR devices and ECRAMs",
    "buffers": "what drives and reads an NDR device",
    "digital": "shift-add, scale, tables, pooling",
    "memory": "maps between steps",
    "wires": "memory to arrays and back",
}
MODELLED = "modelled"
"""Mark on every cost: modelled, not measured."""
CODE_BITS = 8
FEMTO_IN_PICO = 1e-3
NONE = np.zeros(3)


@dataclass(frozen=True, eq=False)
class Cost:
    """Energy, latency and area of a part of the chip; each is an array (3,) of low,
    typical and high values."""

    energy_pJ: Triple
    latency_ns: Triple
    area_um2: Triple

    def __add__(self, other: Cost) -> Cost:
        energy, latency = self.energy_pJ + other.energy_pJ, self.latency_ns + other.latency_ns
        return Cost(energy, latency, self.area_um2 + other.area_um2)

    def as_dict(self, *quantities: str) -> dict[str, Any]:
        """Return the fields as plain values, marked as modelled rather than measured."""
        values = {
            "energy_pJ": self.energy_pJ,
            "latency_ns": self.latency_ns,
            "area_um2": self.area_um2,
        }
        return {"basis": MODELLED} | {name: ranged(values[name]) for name in quantities}


NOTHING = Cost(NONE, NONE, NONE)


def sum_of(found: Iterable[Cost]) -> Cost:
    return reduce(Cost.__add__, found, NOTHING)


def ranged(value: Triple) -> dict[str, float]:
    """Return the three values of a range as a dictionary with the keys low,
    typical and high."""
    return dict(zip(ACCOUNTINGS, (float(v) for v in value), strict=True))


def words_of(value: Iterable[float]) -> str:
    """Format a range as ``typical (low .. high)``, or ``-`` where it is 0."""
    numbers = [float(v) for v in value]
    low, typical, high = (f"{v:,.0f}" if v >= 1000 else f"{v:.3g}" for v in numbers)
    return f"{typical} ({low} .. {high})" if numbers[2] else "-"


def adc(k: Constants, bits: float = CODE_BITS) -> Cost:
    """Return the cost of one conversion by one A/D converter of ``bits`` bits: the law
    fitted to the ADC survey, times the factors in the constants."""
    rate_Hz = 1e9 / float(k["adc_ns"][1])
    return Cost(
        k["adc_energy_factor"] * adc_energy_pJ(bits, k.node_nm, rate_Hz),
        k["adc_ns"],
        k["adc_area_factor"] * adc_area_um2(bits, k.node_nm, rate_Hz),
    )


def dac(k: Constants, bits: float = CODE_BITS) -> Cost:
    """Return the cost of driving one row with its voltage once; the time that it takes
    is counted in the read."""
    return Cost(k["dac_pJ"] * (bits / CODE_BITS), NONE, k["dac_um2"])


def device(k: Constants, peak_mA: Triple | float, level: float = 1.0) -> Cost:
    """Return the cost of one read of one NDR device at ``level`` of its peak current,
    and of the ECRAM that stores its state.

    Its current comes from the chip's supply: the circuit between supply and device
    dissipates the rest.
    """
    ns = k["activation_ns"]
    # 1 V x 1 mA x 1 ns is 1 pJ.
    energy = np.asarray(k["supply_V"] * peak_mA * level * ns, np.float64)
    return Cost(energy, ns, k["ndr_um2"] + k["ecram_um2"])


def buffer(k: Constants) -> Cost:
    """Return the cost of an amplifier that converts a current to a voltage and drives a
    device or a row of cells."""
    return Cost(k["buffer_pJ"], k["buffer_ns"], k["buffer_um2"])


def cell(k: Constants) -> Cost:
    """Return the cost of one cell and of reading it. The unit of a read is 1 uS at 1 V
    squared for one read time."""
    # 1 uS x 1 V^2 x 1 ns is 1 fJ.
    area = k["cell_F2"] * (k.node_nm * 1e-3) ** 2
    return Cost(k["read_ns"] * FEMTO_IN_PICO, k["read_ns"], area)


UNITS: dict[str, tuple[str, Callable[..., Cost]]] = {
    "row DAC": ("drivers", dac),
    "row buffer": ("drivers", buffer),
    "word line": ("drivers", lambda k: Cost(k["word_line_fJ_per_cell"] * FEMTO_IN_PICO, NONE, NONE)),
    "cell": ("array", cell),
    "converter": ("converters", adc),
    "device": ("neurons", device),
    "device's buffers": ("buffers", lambda k: buffer(k) + buffer(k)),
    "device's converters": ("buffers", lambda k: dac(k) + adc(k)),
    "shift-add": ("digital", lambda k: Cost(k["shift_add_pJ"], NONE, k["shift_add_um2"])),
    "multiply": ("digital", lambda k: Cost(k["multiply_pJ"], NONE, k["multiply_um2"])),
    "table": ("digital", lambda k: Cost(k["table_pJ"], NONE, k["table_um2"])),
    "compare": ("digital", lambda k: Cost(k["compare_pJ"], NONE, k["compare_um2"])),
    "cycle": ("digital", lambda k: Cost(NONE, k["cycle_ns"], NONE)),
    "memory bit": ("memory", lambda k: Cost(k["memory_pJ_per_bit"], NONE, k["memory_um2_per_bit"])),
    "bus bit": ("wires", lambda k: Cost(k["wire_pJ_per_bit"], NONE, k["wire_um2_per_array"])),
}
"""Kind of unit -> component that it belongs to, and cost: energy and time of an
operation, area of a unit of hardware."""


@dataclass(frozen=True)
class Use:
    """The number of times that one step uses units of one kind, in one inference over
    all its time steps.

    ``times``: operations (of cells uS V^2), ``serially``: how many of them one after
    the other that nothing hides, ``there``: units of hardware (of buses the arrays that
    they lead to), ``of``: bits of a converter; peak current (mA) of a device, and the
    mean output 0..1 it was read at.
    """

    unit: str
    times: float = 0.0
    serially: float = 0.0
    there: float = 0.0
    of: tuple[float, ...] = ()


@dataclass(frozen=True)
class Work:
    """Counts of the operations of one program step, before any constant of the
    cost model is applied. ``macs``: multiplications by weights, each counted
    as two operations."""

    name: str
    macs: int = 0
    uses: tuple[Use, ...] = ()

    def times(self, factor: float) -> Work:
        """Return the work if the same hardware is used ``factor`` times as often."""
        uses = (replace(u, times=factor * u.times, serially=factor * u.serially) for u in self.uses)
        return replace(self, macs=round(factor * self.macs), uses=tuple(uses))

    def and_again(self, other: Work) -> Work:
        """Return the work of this step and then of ``other``, both on the same hardware."""
        uses = (
            replace(a, times=a.times + b.times, serially=a.serially + b.serially)
            for a, b in zip(self.uses, other.uses, strict=True)
        )
        return replace(self, macs=self.macs + other.macs, uses=tuple(uses))


def costs(work: Work, constants: Constants) -> dict[str, Cost]:
    """Compute the cost of one step's ``work``, for each component in ``COMPONENTS``."""
    cost_of = dict.fromkeys(COMPONENTS, NOTHING)
    for use in work.uses:
        component, of_unit = UNITS[use.unit]
        unit_cost = of_unit(constants, *use.of)
        cost_of[component] += Cost(
            use.times * unit_cost.energy_pJ,
            use.serially * unit_cost.latency_ns,
            use.there * unit_cost.area_um2,
        )
    return cost_of
