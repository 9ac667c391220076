"""What an inference depends on, and what it does not; its arithmetic is in test_steps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emulator.golden import Core
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from tests.stimulus import quiet, random_inputs

TINY = PRESETS["tiny"]


def noisy_program() -> Program:
    rng = np.random.default_rng(5)
    program = random_program(TINY, rng, layers=2, readout="adc")
    layers = tuple(dataclasses.replace(la, sigma_out=2000, var_cell=500) for la in program.layers)
    return program.with_layers(layers)


def test_every_sample_of_a_long_batch_has_its_own_noise() -> None:
    """NumPy works on 1,024 at a time."""
    program = noisy_program()
    x = np.repeat(random_inputs(program, np.random.default_rng(0), 1), 1030, axis=0)
    whole = Core(program, fast=False).infer(x, seed=3, first_index=9)
    tail = Core(program, fast=False).infer(x[:7], seed=3, first_index=9 + 1023)
    np.testing.assert_array_equal(whole[1023:], tail)
    assert (whole[1024:] != whole[:6]).any()


def test_seeds_and_indices_change_the_noise_and_nothing_else_does() -> None:
    program = noisy_program()
    x = random_inputs(program, np.random.default_rng(0), 5)
    first = Core(program).infer(x, seed=3)
    np.testing.assert_array_equal(Core(program).infer(x, seed=3), first)
    assert (Core(program).infer(x, seed=4) != first).any()
    assert (Core(program).infer(x, seed=3 + 2**32) != first).any()
    assert (Core(program).infer(x, seed=3, first_index=1) != first).any()
    np.testing.assert_array_equal(
        Core(program).infer(x, seed=3, noise=False), Core(quiet(program)).infer(x, seed=8)
    )


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 3), np.uint8), ["uint8 (2, 3)"]),
        (np.zeros((2, 64), np.int16), ["int16"]),
        (np.zeros(64, np.uint8), ["(64,)"]),
    ],
)
def test_wrong_inputs_are_refused(x: np.ndarray, words: list[str]) -> None:
    program = noisy_program()
    with pytest.raises(ValueError, match="accepted: uint8") as error:
        Core(program).infer(x)
    assert all(word in str(error.value) for word in words)
