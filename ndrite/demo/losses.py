"""Where the accuracy goes on the way from floats to a noisy chip, one cause at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip, parse_chip
from emulator.mapping import golden_accuracy, map_network
from emulator.network import Network
from emulator.spec import Program
from ndrite.labelled import CALIBRATION_SAMPLES


def chip_of(program: Program) -> Chip:
    """The chip description a program was compiled for, from its provenance.

    Raises
    ------
    ChipError
        When the program does not carry one.
    """
    content = program.provenance.get("chip")
    if isinstance(content, dict):
        content = {key: value for key, value in content.items() if key != "sources"}
    return parse_chip(content)


def losses(
    network: Network,
    program: Program,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    *,
    noisy: float,
) -> list[tuple[str, float]]:
    """Accuracy (0..1) after each step: name and value, starting with the float network.

    ``noisy`` is the accuracy of ``program`` with read noise, known already. The second step is the same chip
    with cells that program exactly and do not fluctuate: what is left is levels, codes, ADC and PWL tables.
    """
    chip = chip_of(program)
    exact = dataclasses.replace(
        chip,
        cell=dataclasses.replace(chip.cell, programming_error="ideal", read_noise_percent=0.0),
        readout=dataclasses.replace(chip.readout, output_noise_lsb=0.0),
    )
    quantised = map_network(network, exact, images[:CALIBRATION_SAMPLES]).program
    return [
        ("float", network.accuracy(images, labels)),
        ("levels, codes, ADC, PWL", golden_accuracy(quantised, images, labels, noise=False)),
        ("+ programming error", golden_accuracy(program, images, labels, noise=False)),
        ("+ read noise", noisy),
    ]
