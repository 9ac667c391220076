"""The causes of error, and what each does to one chip's weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.rram.drift import age
from emulator.device.rram.programming import readable
from emulator.mapping import DieArray
from emulator.mapping.wires import nearest
from emulator.network import Dense

Floats = npt.NDArray[np.float64]

LATER = "drift since correction"
CAUSES: dict[str, str] = {
    "quantised weights": "levels, the column's limit, conductance codes",
    "programming error": "programmed minus target conductance",
    "drift": "relaxation and drift to the chip's time, or to when it was corrected",
    LATER: "what drift went on to after gains and biases were measured (conditions.corrected_at_s)",
    "faults": "stuck cells, with what compensation does to their pairs",
    "IR drop": "wires, access transistors, I-V curve, with what compensation does to levels",
    "DAC": "hidden outputs rounded to the 8-bit input code",
    "ADC clipping": "sums beyond the converters' range",
    "ADC rounding": "the converters' steps",
    "converter mismatch": "gain and offset of every column off the design",
    "bias cells": "biases held by rows of cells: levels, errors, faults",
    "read noise": "cells, columns and converters at every read",
    "telegraph noise": "traps of cells that fill and empty between inferences",
    "NDR device": "curves of neurons and bases, their spread, what ECRAMs reach, against the float curve",
    "load line": "the resistance that devices are driven through: a bent curve, with a jump where bistable",
    "PWL fit": "12-bit voltage code and piecewise-linear table",
}
"""Causes in the order the signal meets them, and what each covers."""


def weight_changes(dense: Dense, array: DieArray, chip: Chip) -> dict[str, Floats]:
    """What each cause adds to the float weights, (K, M) in their unit, on this one die.

    The changes are consecutive differences along the chain float, levels, programmed, aged, faulted,
    effective, codes, so their sum is exactly the difference of the chip's weights from the float network's.
    """
    mapped, cells, cell = array.mapped, array.mapped.cells, chip.cell
    per_uS = mapped.limits / (cell.g_max_uS - cell.g_min_uS)

    def weights(pair: Floats) -> Floats:
        result: Floats = (pair[0] - pair[1]) * per_uS
        return result

    top = cell.levels - 1
    programmed_for = mapped.levels * (mapped.limits / top)
    wanted = nearest(dense.weights / mapped.limits * top, top) * (mapped.limits / top)
    target, programmed, aged = weights(cells.target), weights(readable(cells.programmed)), weights(cells.aged)
    faulted, effective = weights(cells.faulted), weights(cells.effective)
    early, corrected = aged, chip.conditions.corrected_at_s
    if corrected is not None:
        early = weights(age(cells.programmed, cells.target, cell.drift_model, corrected, cells.ageing))
    return {
        "quantised weights": (wanted - dense.weights) + (mapped.effective - effective),
        "programming error": programmed - target,
        "drift": early - programmed,
        LATER: aged - early,
        "faults": (faulted - aged) + (target - programmed_for),
        "IR drop": (effective - faulted) + (programmed_for - wanted),
    }
