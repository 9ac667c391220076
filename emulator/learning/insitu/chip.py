"""chip: a description with devices for weights that pulses move, each read against a reference."""

from __future__ import annotations

import dataclasses

from emulator.device.description import Chip
from emulator.device.pulsing import Programming
from emulator.errors import CompileError


def learning_chip(chip: Chip) -> Chip:
    """The chip on which learning happens: its converters, neurons and read noise.

    States are where pulses left them, so levels, programming error, drift and stuck cells have no meaning;
    wires and a cubic I-V curve are left out.

    Raises
    ------
    CompileError
        When its columns have no converter.
    """
    if chip.readout.kind != "adc":
        raise CompileError(f"readout.kind is {chip.readout.kind!r}; accepted to learn on: adc")
    cell = dataclasses.replace(
        chip.cell,
        g_min_uS=0.0,
        levels=256,
        on_off_ratio=None,
        programming_error="ideal",
        error_coefficients_uS=(),
        read_noise_model="constant",
        drift="none",
        stuck_low_percent=0.0,
        stuck_high_percent=0.0,
        iv_cubic_per_V2=0.0,
        weight_bits=9,
    )
    array = dataclasses.replace(chip.array, wire_resistance_ohm=0.0, access_resistance_ohm=0.0)
    conditions = dataclasses.replace(chip.conditions, time_since_programming_s=1.0)
    return dataclasses.replace(
        chip,
        name=f"{chip.name}, learning",
        cell=cell,
        programming=Programming(),
        array=array,
        conditions=conditions,
    )
