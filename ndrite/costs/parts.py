"""What a step's work costs, component by component.

Of a converter the law of hwcomponents-adc, from Andrulis et al., arXiv 2404.06553: energy from Schreier's
figure of merit, bounded by resolution and rate, with a correction by technology node; area from a regression
on node, rate and energy. Fitted by its authors to Murmann's ADC survey; coefficients of version 1.0.21. It
answers for the best fifth of the survey.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ndrite.costs.constants import Constants, Triple
from ndrite.costs.work import Work

BITS_MIN = 4.0
"""The law ends here; converters of fewer bits cost as much."""


def adc_energy_pJ(bits: float, node_nm: float, rate_Hz: float) -> float:
    """Energy of one conversion at ``bits`` effective bits, picojoules."""
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
    """Area of one converter, square micrometres."""
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
FULL_DAC_BITS = 8
NEURON_BITS = 8
FEMTO_IN_PICO = 1e-3
NONE = np.zeros(3)


@dataclass(frozen=True, eq=False)
class Cost:
    """Energy, latency and area, each low, typical and high (3,)."""

    energy_pJ: Triple
    latency_ns: Triple
    area_um2: Triple

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.energy_pJ + other.energy_pJ,
            self.latency_ns + other.latency_ns,
            self.area_um2 + other.area_um2,
        )


NOTHING = Cost(NONE, NONE, NONE)


def costs(work: Work, constants: Constants) -> dict[str, Cost]:
    """A step's cost by component, all of ``COMPONENTS``."""
    k = constants
    dac = k["dac_pJ"] * (work.dac_bits / FULL_DAC_BITS)
    row, analog = buffer(k), work.analog_drives
    gates = work.gated_cells * k["word_line_fJ_per_cell"] * FEMTO_IN_PICO
    # uS V^2 ns is a femtojoule.
    array = work.array_uS_V2 * k["read_ns"] * FEMTO_IN_PICO
    cell_um2 = k["cell_F2"] * (k.node_nm * 1e-3) ** 2
    column = adc(work.adc_bits, k)
    device, buffers = neurons(work, k)
    digital = Cost(
        work.shift_adds * k["shift_add_pJ"]
        + work.multiplies * k["multiply_pJ"]
        + work.tables * k["table_pJ"]
        + work.compares * k["compare_pJ"],
        work.cycles * k["cycle_ns"],
        work.adders * k["shift_add_um2"]
        + work.multipliers * k["multiply_um2"]
        + work.table_units * k["table_um2"]
        + work.comparators * k["compare_um2"],
    )
    return {
        "drivers": Cost(
            work.drives * dac + analog * row.energy_pJ + gates,
            NONE,
            work.drivers * k["dac_um2"] + work.analog_drivers * row.area_um2,
        ),
        "array": Cost(array, work.reads * k["read_ns"], work.cells * cell_um2),
        "converters": Cost(
            work.conversions * column.energy_pJ,
            work.converts_serially * column.latency_ns,
            work.converters * column.area_um2,
        ),
        "neurons": device,
        "buffers": buffers,
        "digital": digital,
        "memory": Cost(
            work.moved_bits * k["memory_pJ_per_bit"], NONE, work.held_bits * k["memory_um2_per_bit"]
        ),
        "wires": Cost(work.moved_bits * k["wire_pJ_per_bit"], NONE, work.arrays * k["wire_um2_per_array"]),
    }


def adc(bits: float, constants: Constants) -> Cost:
    """One conversion by one converter of ``bits``: the law's, times the constants' factors."""
    ns = constants["adc_ns"]
    rate_Hz = 1e9 / float(ns[1])
    return Cost(
        constants["adc_energy_factor"] * adc_energy_pJ(bits, constants.node_nm, rate_Hz),
        ns,
        constants["adc_area_factor"] * adc_area_um2(bits, constants.node_nm, rate_Hz),
    )


def dac(constants: Constants) -> Cost:
    """One 8-bit voltage set by one driver; its time is part of the read it is for."""
    return Cost(constants["dac_pJ"], NONE, constants["dac_um2"])


def device(constants: Constants, peak_mA: Triple | float, level: float = 1.0) -> Cost:
    """One NDR device read once at ``level`` of its peak current, and its ECRAM, which holds its state.

    Its current comes from the chip's supply: whatever stands between supply and device burns the rest.
    """
    ns = constants["activation_ns"]
    # V mA ns is a picojoule.
    return Cost(
        np.asarray(constants["supply_V"] * peak_mA * level * ns, np.float64),
        ns,
        constants["ndr_um2"] + constants["ecram_um2"],
    )


def buffer(constants: Constants) -> Cost:
    """What turns a current into a voltage that drives a device or a row of cells."""
    return Cost(constants["buffer_pJ"], constants["buffer_ns"], constants["buffer_um2"])


def neurons(work: Work, constants: Constants) -> tuple[Cost, Cost]:
    """The devices of a step, and what surrounds them."""
    if work.device is None:
        return NOTHING, NOTHING
    one = device(constants, work.device.peak_mA, work.device.level)
    one_side = buffer(constants)
    around = one_side + one_side if work.buffered else dac(constants) + adc(NEURON_BITS, constants)
    return _times(one, work), _times(around, work)


def _times(one: Cost, work: Work) -> Cost:
    return Cost(work.fires * one.energy_pJ, work.fires_serially * one.latency_ns, work.neurons * one.area_um2)
