"""Whole programs: the golden model against element-by-element Python, and its compiled
loops against it."""

import dataclasses
import itertools
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden import Core, Trace, fast, threads
from ndrite.emulator.golden.noise import gaussian, pass_key
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Layer, Program
from ndrite.emulator.spec.errors import ProgramError
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Gate, Pool, Product, Step
from tests.emulator.golden import brute
from tests.marks import long_where
from tests.naive.learning import Sample
from tests.random_graphs import random_graph
from tests.stimulus import random_inputs

TINY = PRESETS["tiny"]
SMALL = dataclasses.replace(TINY, max_inputs=32)
BASE = np.stack([np.linspace(0, 16320, 32), np.linspace(16320, 0, 32)]).astype(np.int32)
SLOPE = np.stack([np.full(32, 511), np.full(32, -511)]).astype(np.int32)
ROWS = 8

COLUMNS = 512
"""More than any product here has."""


def sampler(seed: int) -> Sample:
    """The samples of a pass are drawn at once and kept: one at a time they take longer
    than all the rest."""

    @cache
    def drawn(inference: int, number: int, tile: int, dac_slice: int) -> np.ndarray:
        key = pass_key(seed, np.array([inference]), number, tile, dac_slice)
        return gaussian(key, np.arange(COLUMNS))[0]

    def sample(inference: int, number: int, tile: int, dac_slice: int, column: int) -> int:
        return int(drawn(inference, number, tile, dac_slice)[column])

    return sample


def equal(
    program: Program, x: np.ndarray, first: int = 5, *, noise: bool = True, varies: bool = True
) -> np.ndarray:
    """What both paths of the model answer, where both can, after brute force said the same."""
    got = Core(program, fast=False).infer(x, seed=9, first_index=first, noise=noise)
    assert got.dtype == np.int32
    for n, row in enumerate(x):
        expected = brute.infer(program, row.tolist(), (first + n) % 2**32, sampler(9) if noise else None)
        assert got[n].tolist() == expected, f"sample {n}"
    if fast.suits(program):
        compiled(program, x, got, seed=9, first_index=first, noise=noise)
    assert not varies or len(np.unique(got)) > 1, "an answer that never changes shows nothing"
    return got


def compiled(program: Program, x: np.ndarray, expected: np.ndarray, **rest: Any) -> None:
    np.testing.assert_array_equal(Core(program, fast=True).infer(x, **rest), expected)


def layer(rng: np.random.Generator, k: int, m: int, **rest: Any) -> Layer:
    gain = {"adc_bits": 10, "shift": 23, "vshift": 13, "sigma_out": 60, "var_cell": 200} | rest
    return Layer(
        weights=rng.integers(-255, 256, (k, m)).astype(np.int16),
        bias=rng.integers(-300, 301, m).astype(np.int32),
        gain=rng.integers(1 << 14, 1 << 16, m).astype(np.uint16),
        offset=rng.integers(-9, 10, m).astype(np.int16),
        scale=rng.integers(1 << 13, 1 << 15, m).astype(np.uint16),
        curve=rng.integers(0, 2, m).astype(np.uint16),
        **gain,
    )


def program(shape: tuple[int, int, int], *steps: Step, **rest: Any) -> Program:
    return Program(name="p", rows=ROWS, shape=shape, steps=steps, curve_base=BASE, curve_slope=SLOPE, **rest)


def inputs(p: Program, rng: np.random.Generator, count: int = 2) -> np.ndarray:
    return rng.integers(0, 256, (count, p.inputs)).astype(np.uint8)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize("trial", range(6))
def test_chains(trial: int, corner: bool, noise: bool) -> None:
    rng = np.random.default_rng([trial, corner])
    p = random_program(SMALL, rng, layers=1 + trial % 3, corner=corner)
    equal(p, random_inputs(p, rng, 4), first=4, noise=noise, varies=not corner)


@pytest.mark.parametrize("shift", [0, 1, 20, 22, 23, 24, 25, 26, 31, 47])
def test_every_shift_of_a_second_operand(shift: int) -> None:
    """255 * 65535 has 24 bits: up to a shift of 24 it may round to something."""
    rng = np.random.default_rng(16)
    point = Patches(shape=(3, 2, 2), kernel=(1, 1))
    step = Product(
        layer=layer(rng, 3, 3),
        sources=(0,),
        patches=point,
        skip=0,
        skip_gain=np.full(3, 65535, np.uint16),
        skip_shift=shift,
        fires=False,
    )
    p = program((3, 2, 2), step)
    x = inputs(p, rng, 3)
    x[0] = 255
    got = equal(p, x)
    alone = dataclasses.replace(step, skip=None, skip_gain=None, skip_shift=0)
    without = Core(program((3, 2, 2), alone)).infer(x, seed=9, first_index=5)
    assert (got != without).any() == (shift <= 24)


def test_sums_of_large_windows() -> None:
    """A window of 20 x 20 full codes adds up to 102,000, beyond 16 bits."""
    rng = np.random.default_rng(6)
    patches = Patches(shape=(2, 22, 23), kernel=(20, 20), stride=(1, 2), padding=(1, 0, 0, 1))
    mul = np.full(patches.positions, 65_000, np.uint16)
    step = Pool(of="average", sources=(0,), patches=patches, border=255, mul=mul, pool_shift=25)
    p = program((2, 22, 23), step)
    x = rng.integers(230, 256, (3, 2 * 22 * 23)).astype(np.uint8)
    y = equal(p, x)
    assert y.min() > 150, "a sum of 16 bits would have wrapped to less"


def test_a_trace_holds_all_columns_of_groups() -> None:
    rng = np.random.default_rng(15)
    patches = Patches(shape=(4, 3, 3), kernel=(3, 2), groups=2)
    made = layer(rng, patches.inputs, 6)
    p = program((4, 3, 3), Product(layer=made, sources=(0,), patches=patches), first_product=9, calls=2)
    trace = Trace()
    x = inputs(p, rng, 3)
    got = Core(p).infer(x, trace=trace)
    columns = {key: value.shape for key, value in trace.values.items()}
    assert columns == {
        (block, 0, tile, 0): (6, 2 if block == "sigma" else 6)
        for block in ("array", "sigma", "noise", "noisy", "readout", "partial")
        for tile in (0, 1)
    } | {("preneuron", 0, 0, 0): (6, 6), ("neuron", 0, 0, 0): (6, 6)}
    last = x.reshape(3, 2, 4, 3, 3)[:, 1, 2:, :3, 1:].transpose(0, 2, 3, 1)
    second = last.reshape(3, 12)[:, :8].astype(int) @ made.weights[:8, 3:].astype(int)
    np.testing.assert_array_equal(trace.values["array", 0, 0, 0][1::2, 3:], second)
    added = sum(trace.values["readout", 0, tile, 0] for tile in (0, 1)) + made.bias
    np.testing.assert_array_equal(trace.values["preneuron", 0, 0, 0], added)
    by_channel = trace.values["neuron", 0, 0, 0].reshape(3, 2, 6).transpose(0, 2, 1).reshape(3, -1)
    np.testing.assert_array_equal(by_channel, got)


def graphs(trials: range, **rest: Any) -> list[tuple[np.random.Generator, Program]]:
    made = []
    for trial in trials:
        rng = np.random.default_rng([11, trial])
        made.append((rng, random_graph(TINY, rng, corner=trial % 4 == 3, **rest)))
    return made


def kinds_of(program: Program) -> Counter[str]:
    """What there is in a program: kinds of steps, ways of cutting patches, of slicing
    and of reading out."""
    found = Counter({"compiled": fast.suits(program), "calls": program.calls > 1})
    for step in program.steps:
        found[step.kind] += 1
        if isinstance(step, Product | Pool):
            cut = step.patches
            ways = {"kernel": cut.kernel, "stride": cut.stride, "dilation": cut.dilation, "block": step.block}
            found.update({name: pair != (1, 1) for name, pair in ways.items()})
            found.update(padding=any(cut.padding), whole=cut.grid == (1, 1))
        if isinstance(step, Product):
            groups, layer = step.patches.groups, step.layer
            found.update(groups=groups > 1, depthwise=1 < groups == cut.shape[0], skip=step.skip is not None)
            found.update([f"slices of {layer.dac_bits}", layer.readout])
        if isinstance(step, Pool):
            found.update([f"{step.of} of a block" if step.block != (1, 1) else step.of])
        if isinstance(step, Gate):
            found.update("alone" if term.b is None else "product of two" for term in step.terms)
    return found


def test_random_graphs_equal_brute_force() -> None:
    counted: Counter[str] = Counter()
    for rng, p in graphs(range(80), side=4, steps=4):
        equal(p, random_inputs(p, rng, 2), 2**32 - 1, varies=False)
        counted += kinds_of(p)
    assert len(counted) == 27, counted
    assert min(counted.values()) >= 8, counted


@pytest.mark.slow
@pytest.mark.parametrize("stream", long_where((5).__eq__, [0, 5]))
def test_compiled_loops_equal_numpy_on_many_graphs(stream: int) -> None:
    """Across 2^32 of the inference index, with more samples than are worked on together."""
    compared = 0
    for number, (rng, p) in enumerate(graphs(range(100 * stream, 100 * stream + 50), side=7, steps=7)):
        if not fast.suits(p):
            continue
        x = random_inputs(p, rng, 400 if number % 8 == 0 else 9)
        noise = number % 5 != 4
        given: dict[str, Any] = {
            "seed": 3 + 2**40,
            "first_index": 2**32 - 5,
            "stream": stream,
            "noise": noise,
        }
        expected = Core(p, fast=False).infer(x, **given)
        np.testing.assert_array_equal(Core(p, fast=True).infer(x, **given), expected, err_msg=str(number))
        compared += 1
    assert compared >= 35


def test_more_patches_than_are_worked_on_together() -> None:
    """Maps of one row longer than a chunk, and samples that end inside one."""
    rng = np.random.default_rng(8)
    for shape, kernel in (((2, 1, 3000), (1, 5)), ((1, 40, 37), (3, 3))):
        patches = Patches(shape=shape, kernel=kernel, padding=(0, 1, 0, 1))
        step = Product(layer=layer(rng, patches.inputs, 3), sources=(0,), patches=patches, border=9)
        p = program(shape, step)
        x = inputs(p, rng, 5)
        compiled(p, x, Core(p, fast=False).infer(x, seed=1, first_index=7), seed=1, first_index=7)


@pytest.mark.parametrize(
    "quick",
    [False, True],
)
def test_pieces_equal_the_whole_on_any_number_of_threads(
    quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rng, p in (made for made in graphs(range(200, 206)) if fast.suits(made[1])):
        x = random_inputs(p, rng, 300)
        core = Core(p, fast=quick)
        monkeypatch.setattr(threads, "WORTH", 1)
        monkeypatch.setattr(threads, "count", lambda: 1)
        whole = core.infer(x, seed=2, first_index=2**32 - 100)
        monkeypatch.setattr(threads, "count", lambda: 3)
        np.testing.assert_array_equal(core.infer(x, seed=2, first_index=2**32 - 100), whole)
        edges = [0, 1, 130, 259, 300]
        for low, high in itertools.pairwise(edges):
            part = core.infer(x[low:high], seed=2, first_index=2**32 - 100 + low)
            np.testing.assert_array_equal(part, whole[low:high])


def test_tall_columns_of_small_weights() -> None:
    """Sums of squares of an analog column beyond 2^31: they scale its noise."""
    k = 40000
    rng = np.random.default_rng(12)
    made = dataclasses.replace(
        layer(rng, k, 3, readout="analog"), weights=rng.integers(-1, 2, (k, 3)).astype(np.int16)
    )
    p = Program.chain(name="tall", rows=ROWS, layers=[made], curve_base=BASE, curve_slope=SLOPE)
    x = np.full((2, k), 255, np.uint8)
    compiled(p, x, Core(p, fast=False).infer(x, seed=4), seed=4)


@pytest.mark.parametrize(("k", "groups"), [(7, 1), (16, 1), (9, 3)])
def test_compiled_loops_equal_numpy_around_vectors(k: int, groups: int) -> None:
    """Samples and columns around one vector and two of any machine, rows of
    tiles odd and even."""
    rng = np.random.default_rng([12, k, groups])
    patches = Patches(shape=(k * groups, 1, 1), kernel=(1, 1), groups=groups)
    for samples, share, d in itertools.product((1, 2, 7, 15, 16, 17, 33), (1, 3, 4, 16, 18, 33), (8, 2)):
        columns = layer(rng, k, share * groups, dac_bits=d)
        p = program(patches.shape, Product(layer=columns, sources=(0,), patches=patches))
        x = inputs(p, rng, samples)
        compiled(p, x, Core(p, fast=False).infer(x, seed=5), seed=5)


def test_compiled_loops_cut_every_small_patch() -> None:
    """Maps of up to three rows and columns, kernels up to 3 x 3, strides,
    dilations, borders and groups: as ``Patches.cut``, from the first patch and from
    one in the middle."""
    from ndrite.emulator.golden.fast_loops import cut
    from ndrite.emulator.golden.fast_maps import Maps
    from ndrite.emulator.golden.fast_rows import where

    rng, compared, shapes = np.random.default_rng(3), 0, 0
    sides, pairs = (1, 2, 3), ((1, 1), (2, 2), (1, 2))
    paddings = ((0, 0, 0, 0), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 2, 1))
    channels = ((1, 1), (4, 1), (4, 2))
    for (c, groups), h, w, kh, kw, stride, dilation, padding in itertools.product(
        channels, sides, sides, sides, sides, pairs, pairs, paddings
    ):
        how = {"kernel": (kh, kw), "stride": stride, "dilation": dilation, "padding": padding}
        try:
            patches = Patches(shape=(c, h, w), groups=groups, **how)
        except ProgramError:
            continue
        x = rng.integers(0, 255, (3, c, h, w)).astype(np.uint8)
        wanted = patches.cut(x, 255).reshape(-1, groups * patches.inputs)
        for first in {0, len(wanted) // 2}:
            found = np.empty((wanted.shape[1], len(wanted) - first), np.uint8)
            maps, numbers = (
                Maps(x.swapaxes(0, 1).ravel(), c, 3, h, w),
                np.array(where(patches, 255), np.int64),
            )
            cut(maps, numbers, first, found.shape[1], found.reshape(-1))
            np.testing.assert_array_equal(found.T, wanted[first:], err_msg=str(patches))
            compared += found.size
        shapes += 1
    assert shapes > 3000
    assert compared > 100_000
