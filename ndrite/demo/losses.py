"""Where the accuracy goes on the way from floats to a noisy chip, one cause at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from emulator.device.pulsing import Programming
from emulator.mapping import golden_accuracy, map_network
from ndrite.compiled import Compiled
from ndrite.labelled import CALIBRATION_SAMPLES


def losses(
    whole: Compiled, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], *, noisy: float
) -> list[tuple[str, float]]:
    """Accuracy (0..1) after each step: name and value, starting with the float network.

    ``noisy`` is the accuracy of the program with read noise, known already. The second step is the same chip
    with cells that program exactly and do not fluctuate: what is left is levels, codes, ADC and PWL tables.
    """
    chip = whole.die.chip
    exact = dataclasses.replace(
        chip,
        cell=dataclasses.replace(chip.cell, programming_error="ideal", read_noise_percent=0.0),
        programming=Programming(),
        readout=dataclasses.replace(chip.readout, output_noise_lsb=0.0),
    )
    quantised = map_network(whole.network, exact, x[:CALIBRATION_SAMPLES]).program
    return [
        ("float", whole.network.accuracy(x, labels)),
        ("levels, codes, ADC, PWL", golden_accuracy(quantised, x, labels, noise=False)),
        ("+ programming error", golden_accuracy(whole.program, x, labels, noise=False)),
        ("+ read noise", noisy),
    ]
