"""A small program and its samples."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program


@pytest.fixture(scope="session")
def program() -> Program:
    """20-6-3 for the tiny geometry, with read noise."""
    drawn = random_program(
        PRESETS["tiny"], np.random.default_rng(5), sizes=(20, 6, 3), readout="adc", dac_bits=8, noise=True
    )
    return dataclasses.replace(drawn, name="small")


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """uint8 (12, 20)."""
    return np.random.default_rng(6).integers(0, 256, (12, 20)).astype(np.uint8)
