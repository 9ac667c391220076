"""Campaigns and virtual chips: a cell by hand, statistics of draws, votes, compiled loops."""

import dataclasses
import itertools
from typing import Any, Literal

import numpy as np
import pytest

from ndrite.emulator.golden import Core
from ndrite.emulator.golden import fast as fast_model
from ndrite.emulator.golden.campaign import FastChips, campaign
from ndrite.emulator.golden.noise import SIGNED_TABLE, redraw, virtual_chip
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program, ProgramError
from ndrite.emulator.spec.variation import DOMAIN_CELL, Campaign, Variation
from tests.emulator.golden.test_steps import compiled
from tests.marks import long_where
from tests.naive.learning import speck64, word
from tests.refusals import refused
from tests.stimulus import random_inputs, same_cells

TINY = PRESETS["tiny"]


def varied(seed: int, **options: Any) -> Program:
    rng = np.random.default_rng(seed)
    program = random_program(TINY, rng, **options)
    sigma = rng.integers(500, 8000, 256).astype(np.uint16)
    v = dataclasses.replace(same_cells(), sigma=sigma, stuck_low=600, stuck_high=400)
    return dataclasses.replace(program, variation=v)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("dac_bits", long_where((2, 4).__contains__, [1, 2, 4, 8]))
@pytest.mark.parametrize("readout", ["adc", "analog"])
def test_votes_are_the_argmax_of_each_inference(
    readout: str, dac_bits: int, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So pieces of a campaign add up to the whole; of NumPy's inferences, with and
    without compiled loops."""
    if not fast:
        monkeypatch.setattr("ndrite.emulator.golden.campaign.available", lambda: False)
        monkeypatch.setattr("ndrite.emulator.golden.core.available", lambda: False)
    for trial in range(4):
        program = varied(trial, layers=3, readout=readout, dac_bits=dac_bits, corner=trial == 2)
        assert fast_model.suits(program)
        rng, count, noise = np.random.default_rng(trial), 150 if trial == 2 else 12, trial != 3
        x, labels = random_inputs(program, rng, count), rng.integers(0, program.outputs, count)
        plan = Campaign(chips=3, trials=2, seed=77, first_chip=1000, first_sample=500, noise=noise)
        got = campaign(program, x, labels, plan)
        votes, correct = np.zeros((count, program.outputs), int), np.zeros(3, int)
        for c, t in itertools.product(range(3), range(2)):
            core = Core(virtual_chip(program, seed=77, chip=1000 + c), fast=False)
            numbers = {"seed": 77, "first_index": 500 + t * 2**20, "stream": 1001 + c}
            winners = core.infer(x, noise=noise, **numbers).argmax(axis=1)
            votes[np.arange(count), winners] += 1
            correct[c] += (winners == labels).sum()
        np.testing.assert_array_equal(got.votes, votes)
        np.testing.assert_array_equal(got.correct, correct)
        assert got.accuracy_per_chip[0] == correct[0] / (2 * count)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_campaign_leaves_the_weights_alone(order: Literal["C", "F"]) -> None:
    """In each order of memory; of one row and of one column, which are in both orders."""
    program = varied(1, sizes=(6, 1, 5, 3))
    layers = [dataclasses.replace(a, weights=np.array(a.weights, order=order)) for a in program.layers]
    before = [a.weights.copy() for a in layers]
    x = random_inputs(program, np.random.default_rng(1), 4)
    campaign(program.with_layers(layers), x, np.zeros(4, int), Campaign(chips=2, seed=3))
    for layer, weights in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer.weights, weights)


@pytest.mark.parametrize("code_max", [127, 255])
def test_compiled_loops_draw_the_same_chips(code_max: int) -> None:
    """Cells land beyond the largest code, and beyond 127 in any case."""
    eight = dataclasses.replace(TINY, weight_bits=8)
    program = random_program(eight, np.random.default_rng(8), layers=2, corner=True)
    far = {"sigma": np.full(256, 20_000, np.uint16), **edges(7, 5, 0)}
    law = dataclasses.replace(same_cells(code_max), stuck_code_low=3, **far)
    program = dataclasses.replace(program, variation=law)
    chips = FastChips(program, 7)
    for chip in (0, 5):
        expected = [layer.weights for layer in virtual_chip(program, seed=7, chip=chip).layers]
        assert max(int(np.abs(weights).max()) for weights in expected) == code_max
        for got, weights in zip(chips.chip(chip).weights, expected, strict=True):
            np.testing.assert_array_equal(got, weights.T)


def test_compiled_loops_limit_sigma_as_numpy_does() -> None:
    program = varied(1, layers=2, readout="analog", dac_bits=8)
    loudest = tuple(dataclasses.replace(la, sigma_out=65535, var_cell=65535) for la in program.layers)
    program = program.with_layers(loudest)
    x = np.full((50, program.inputs), 255, np.uint8)
    assert (255**2 * program.inputs * 65535) >> 8 > 1 << 20, "adds to sigma beyond its limit"
    compiled(program, x, Core(program, fast=False).infer(x, seed=3), seed=3)


def test_sums_that_float32_cannot_hold_are_numpys() -> None:
    program = random_program(
        PRESETS["64-lane"], np.random.default_rng(0), sizes=(1024, 4), readout="analog", noise=False
    )
    weights, x = np.full((1024, 4), 255, np.int16), np.random.default_rng(0).integers(128, 256, (300, 1024))
    weights[-1], x[:, -1] = (0, 1, 0, 0), 1  # a sum that is 1 larger: in float32 it is mostly none
    given = {"weights": weights, "bias": np.zeros(4, np.int32), "dac_bits": 8}
    program = program.with_layers((dataclasses.replace(program.layers[0], **given),))
    program, codes = dataclasses.replace(program, variation=same_cells()), x.astype(np.uint8)
    assert not fast_model.suits(program)
    np.testing.assert_array_equal(Core(program).infer(codes), Core(program, fast=False).infer(codes))
    assert campaign(program, codes, np.ones(300, int), Campaign(chips=1, seed=1)).correct == 300


def drawn(seed: int, chip: int, layer: int, row: int, column: int) -> list[tuple[int, int]]:
    """Normal and uniform number of both cells of a weight, as
    ``ndrite.emulator.spec.variation`` says."""
    key = speck64(layer << 24, column, seed, DOMAIN_CELL, chip + 1)
    found = []
    for side in range(2):
        a, b = word(key, 0, 2 * row + side)
        cipher = a << 16 | b
        g = int(SIGNED_TABLE[cipher & 1023]) + int(SIGNED_TABLE[cipher >> 10 & 1023])
        found.append((g, (cipher >> 20) << 4 | cipher & 15))
    return found


def edges(seed: int, chip: int, layer: int) -> dict[str, int]:
    """Rates by which the first weight has a cell just not stuck low, and
    one just stuck high."""
    low, high = sorted(u for _, u in drawn(seed, chip, layer, 0, 0))
    return {"stuck_low": low, "stuck_high": (1 << 16) - high}


def cell(target: int, v: Variation, seed: int, chip: int, layer: int, row: int, column: int) -> int:
    """The drawn weight, step by step."""
    codes = []
    for side, (g, u) in enumerate(drawn(seed, chip, layer, row, column)):
        size = max(target, 0) if side == 0 else max(-target, 0)
        code = (int(v.mean[size]) * 256 + int(v.sigma[size]) * g + (1 << 15)) >> 16
        code = min(max(code, 0), v.code_max)
        if u + v.stuck_high >= 1 << 16:
            code = v.stuck_code_high
        if u < v.stuck_low:
            code = v.stuck_code_low
        codes.append(code)
    return codes[0] - codes[1]


@pytest.mark.parametrize("trial", range(4))
def test_cells_equal_the_scalar_definition(trial: int) -> None:
    rng = np.random.default_rng(trial)
    seed, chip, layer = int(rng.integers(0, 1 << 63)), int(rng.integers(0, 1 << 31)), trial
    v = Variation(
        mean=rng.integers(0, 65536, 256).astype(np.uint16),
        sigma=rng.integers(0, [2000, 65536][trial % 2], 256).astype(np.uint16),
        **edges(seed, chip, layer),
        stuck_code_low=3,
        stuck_code_high=250 if trial < 2 else 120,
        code_max=255 if trial < 2 else 127,
    )
    targets = rng.integers(-v.code_max, v.code_max + 1, (40, 7))
    got = redraw(targets, v, seed=seed, chip=chip, layer=layer)
    for k, m in np.ndindex(targets.shape):
        assert got[k, m] == cell(int(targets[k, m]), v, seed, chip, layer, k, m), (k, m)


def cells_with(field: str, value: Any) -> Variation:
    good = {"stuck_low": 1, "code_max": 127, "stuck_code_high": 127}
    return dataclasses.replace(same_cells(), **(good | {field: value}))


test_bad_variations_are_refused = refused(
    ProgramError,
    (cells_with, "mean", np.zeros(255, np.uint16), "mean is uint16"),
    (cells_with, "sigma", np.zeros(256, np.int32), "sigma is int32"),
    (cells_with, "stuck_low", 65536, "stuck_low is 65536"),
    (cells_with, "stuck_high", 65535, "stuck_high is 65535; accepted: 0..65534"),
    (cells_with, "stuck_code_high", 200, "stuck_code_high is 200; accepted: 0..127"),
    (cells_with, "code_max", 200, "code_max is 200"),
)
