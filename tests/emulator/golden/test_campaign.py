"""Campaigns of the golden model: what a vote depends on, and the compiled loops against NumPy."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from emulator.golden import Core
from emulator.golden import fast as fast_model
from emulator.golden.campaign import FastChips, campaign
from emulator.golden.random_program import random_program
from emulator.golden.redraw import virtual_chip
from emulator.spec import PRESETS, Program, ProgramError
from emulator.spec.campaign import Campaign, CampaignError
from emulator.spec.variation import Variation
from tests.stimulus import random_inputs, same_cells

TINY = PRESETS["tiny"]


def varied(seed: int, **options: Any) -> Program:
    rng = np.random.default_rng(seed)
    program = random_program(TINY, rng, **options)
    sigma = rng.integers(500, 8000, 256).astype(np.uint16)
    v = Variation(mean=same_cells().mean, sigma=sigma, stuck_low=600, stuck_high=400)
    return dataclasses.replace(program, variation=v)


@pytest.mark.parametrize("noise", [True, False])
def test_votes_are_the_argmax_of_each_inference(noise: bool) -> None:
    """So pieces of a campaign add up to the whole."""
    program = varied(3, layers=2, noise=True)
    rng = np.random.default_rng(1)
    x, labels = random_inputs(program, rng, 6), rng.integers(0, program.outputs, 6)
    plan = Campaign(chips=3, trials=2, seed=77, first_chip=40, first_sample=500, noise=noise)
    got = campaign(program, x, labels, plan)
    votes = np.zeros((6, program.outputs), int)
    correct = np.zeros(3, int)
    for c, t, i in itertools.product(range(3), range(2), range(6)):
        core = Core(virtual_chip(program, seed=77, chip=40 + c), fast=False)
        numbers = {"seed": 77, "first_index": 500 + i + t * 2**20, "stream": 41 + c}
        winner = int(core.infer(x[i : i + 1], noise=noise, **numbers)[0].argmax())
        votes[i, winner] += 1
        correct[c] += winner == labels[i]
    np.testing.assert_array_equal(got.votes, votes)
    np.testing.assert_array_equal(got.correct, correct)
    assert got.accuracy_per_chip[0] == correct[0] / 12


def test_bad_parameters_are_named() -> None:
    program = varied(4, sizes=(10, 4), noise=False)
    alone = dataclasses.replace(program, variation=None)
    for one, trials, error, message in (
        (program, 4097, CampaignError, "trials is 4097"),
        (alone, 1, ProgramError, "individual"),
    ):
        with pytest.raises(error, match=message):
            campaign(one, np.zeros((8, 10), np.uint8), np.zeros(8, int), Campaign(chips=1, trials=trials))


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
@pytest.mark.parametrize("readout", ["adc", "analog"])
def test_compiled_loops_equal_numpy(readout: str, dac_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="needs ndrite[fast]")
    for trial in range(3):
        program = varied(trial, layers=3, readout=readout, dac_bits=dac_bits, corner=trial == 2)
        rng = np.random.default_rng(trial)
        x, labels = random_inputs(program, rng, 150), rng.integers(0, program.outputs, 150)
        assert fast_model.suits(program)
        plan: dict[str, Any] = {"chips": 2, "trials": 2, "seed": 5 + trial, "first_chip": 1000}
        compiled = campaign(program, x, labels, Campaign(**plan))
        with monkeypatch.context() as patch:
            patch.setattr("emulator.golden.campaign.available", lambda: False)
            patch.setattr("emulator.golden.core.available", lambda: False)
            plain = campaign(program, x, labels, Campaign(**plan))
        np.testing.assert_array_equal(compiled.votes, plain.votes)
        np.testing.assert_array_equal(compiled.correct, plain.correct)


@pytest.mark.parametrize("code_max", [127, 255])
def test_compiled_loops_draw_the_same_chips(code_max: int) -> None:
    """Cells land beyond the largest code, and beyond 127 in any case."""
    pytest.importorskip("numba", reason="needs ndrite[fast]")
    eight = dataclasses.replace(TINY, weight_bits=8)
    program = random_program(eight, np.random.default_rng(8), layers=2, corner=True)
    sigma = np.full(256, 20_000, np.uint16)
    law = Variation(
        mean=same_cells().mean,
        sigma=sigma,
        stuck_low=3000,
        stuck_high=5000,
        stuck_code_low=3,
        stuck_code_high=code_max,
        code_max=code_max,
    )
    program = dataclasses.replace(program, variation=law)
    chips = FastChips(program, 7)
    for chip in (0, 5):
        expected = [layer.weights for layer in virtual_chip(program, seed=7, chip=chip).layers]
        assert max(int(np.abs(weights).max()) for weights in expected) == code_max
        for got, weights in zip(chips.chip(chip).weights, expected, strict=True):
            np.testing.assert_array_equal(got, weights.T)


def test_compiled_loops_limit_sigma_as_numpy_does() -> None:
    pytest.importorskip("numba", reason="needs ndrite[fast]")
    program = varied(1, layers=2, readout="analog", dac_bits=8)
    loudest = tuple(dataclasses.replace(la, sigma_out=65535, var_cell=65535) for la in program.layers)
    program = program.with_layers(loudest)
    x = np.full((50, program.inputs), 255, np.uint8)
    assert (255**2 * program.inputs * 65535) >> 8 > 1 << 20, "adds to sigma beyond its limit"
    np.testing.assert_array_equal(
        Core(program, fast=True).infer(x, seed=3), Core(program, fast=False).infer(x, seed=3)
    )


def test_compiled_loops_refuse_sums_that_float32_cannot_hold() -> None:
    program = random_program(
        PRESETS["64-lane"], np.random.default_rng(0), sizes=(1024, 4), readout="analog", noise=False
    )
    weights = np.full((1024, 4), 255, np.int16)
    program = program.with_layers((dataclasses.replace(program.layers[0], weights=weights),))
    assert not fast_model.suits(program)
    with pytest.raises(ValueError, match="float32"):
        fast_model.FastCore(program)
    x = np.full((300, 1024), 255, np.uint8)
    np.testing.assert_array_equal(Core(program).infer(x), Core(program, fast=False).infer(x))
