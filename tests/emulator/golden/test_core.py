"""The vectorised golden model against the scalar one, and its invariances."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emulator.golden import Core
from emulator.golden.noise import gaussian, pass_key
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from tests.emulator.golden import naive
from tests.stimulus import random_inputs

TINY = PRESETS["tiny"]
SMALL = dataclasses.replace(TINY, max_inputs=32)


def sampler(seed: int, index: int) -> naive.Sample:
    def sample(layer: int, tile: int, dac_slice: int, column: int) -> int:
        key = pass_key(seed, np.array([index]), layer, tile, dac_slice)
        return int(gaussian(key, np.array([column]))[0, 0])

    return sample


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("trial", range(6))
def test_equals_the_scalar_model(trial: int, corner: bool, noise: bool) -> None:
    rng = np.random.default_rng([trial, corner])
    program = random_program(SMALL, rng, layers=1 + trial % 3, corner=corner)
    x = random_inputs(program, rng, 4)
    got = Core(program).infer(x, seed=9, first_index=4, noise=noise)
    for n, row in enumerate(x):
        expected = naive.infer(program, [int(v) for v in row], sampler(9, 4 + n) if noise else None)
        assert got[n].tolist() == expected


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
@pytest.mark.parametrize("readout", ["adc", "analog"])
def test_every_slicing_and_readout_equals_the_scalar_model(dac_bits: int, readout: str) -> None:
    rng = np.random.default_rng(dac_bits)
    program = random_program(SMALL, rng, layers=2, dac_bits=dac_bits, readout=readout)
    x = random_inputs(program, rng, 3)
    got = Core(program).infer(x, seed=1)
    assert got.tolist() == [naive.infer(program, row.tolist(), sampler(1, n)) for n, row in enumerate(x)]


def noisy_program() -> Program:
    rng = np.random.default_rng(5)
    program = random_program(TINY, rng, layers=2, readout="adc")
    layers = tuple(dataclasses.replace(la, sigma_out=2000, var_cell=500) for la in program.layers)
    return program.with_layers(layers)


def test_an_inference_depends_on_its_index_not_on_its_company() -> None:
    program = noisy_program()
    x = random_inputs(program, np.random.default_rng(0), 9)
    whole = Core(program).infer(x, seed=3, first_index=2**32 - 4)
    for n in range(len(x)):
        alone = Core(program).infer(x[n : n + 1], seed=3, first_index=(2**32 - 4 + n) % 2**32)
        np.testing.assert_array_equal(alone[0], whole[n])


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
        Core(program).infer(x, seed=3, noise=False), Core(program.without_noise()).infer(x, seed=8)
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
