"""What an inference depends on, and what it does not: noise and its generator,
batches, threads, forks."""

import dataclasses
import itertools
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ndrite.emulator.golden import Core, threads
from ndrite.emulator.golden.noise import gaussian, key_schedule, pass_key, speck_key_rounds
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.noise import gaussian_table
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Product
from tests.emulator.golden.test_steps import inputs, layer, program
from tests.refusals import refused
from tests.stimulus import random_inputs

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


test_wrong_inputs_are_refused = refused(
    ValueError,
    (Core(noisy_program()).infer, np.zeros((2, 3), np.uint8), r"uint8 \(2, 3\).*; accepted: uint8"),
    (Core(noisy_program()).infer, np.zeros((2, 64), np.int16), "int16.*; accepted: uint8"),
    (Core(noisy_program()).infer, np.zeros(64, np.uint8), r"\(64,\).*; accepted: uint8"),
)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count", lambda: 3)
    monkeypatch.setattr(threads, "WORTH", 12_800)
    threads._pool.cache_clear()


@pytest.mark.parametrize("each", [100, 9000])
@pytest.mark.parametrize("samples", [0, 1, 2, 127, 128, 383, 384, 1000])
def test_every_sample_is_in_one_part(three: None, samples: int, each: int) -> None:
    seen = np.zeros(samples, int)
    blas = []

    def part(low: int, high: int) -> None:
        seen[low:high] += 1
        blas.append([lib["num_threads"] for lib in threads._blas().info() if lib["user_api"] == "blas"])

    threads.in_threads(part, samples, each, 3)
    assert (seen == 1).all()
    if samples * each >= threads.WORTH:
        assert len(blas) == min(3, samples, samples * each // threads.WORTH)
        assert all(counts and set(counts) == {1} for counts in blas)


def test_an_exception_reaches_the_caller(three: None) -> None:
    def part(low: int, high: int) -> None:
        if low:
            raise ValueError("second part")

    with pytest.raises(ValueError, match="second part"):
        threads.in_threads(part, 500, 100, 3)


@pytest.mark.parametrize(("samples", "shared"), [(1, 1), (2, 0), (3, 0), (4, 1), (5, 0)])
def test_a_sample_left_over_is_shared_and_the_same(
    three: None, samples: int, shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A convolution whose second operand is its own input; of its patches each
    is computed once."""
    from ndrite.emulator.golden import fast_loops
    from ndrite.emulator.golden.fast_rows import PRODUCT

    rng = np.random.default_rng(7)
    patches = Patches(shape=(3, 30, 31), kernel=(3, 3), padding=(1, 1, 1, 1))
    skip = {"skip": 0, "skip_gain": np.full(3, 100, np.uint16), "skip_shift": 4}
    p = program((3, 30, 31), Product(layer=layer(rng, 27, 3), sources=(0,), patches=patches, **skip))
    x = inputs(p, rng, samples)
    walk, ranges = fast_loops.walk, []

    def seen(rows: np.ndarray, *arguments: Any) -> None:
        begin, end, low, high = arguments[-4:]
        if PRODUCT in rows[begin:end, 0]:
            ranges.append((len(arguments[3]), low, high))
        walk(rows, *arguments)

    monkeypatch.setattr(fast_loops, "walk", seen)
    arguments = {"seed": 5, "first_index": 2**32 - 2}
    got = Core(p, fast=True).infer(x, **arguments)
    pieces = sorted(r for r in ranges if r[1:] != (0, -1))
    assert pieces == [(1, 0, 310), (1, 310, 620), (1, 620, 930)] * shared
    np.testing.assert_array_equal(got, Core(p, fast=False).infer(x, **arguments))
    assert len(np.unique(got)) > 50


@pytest.mark.parametrize("writeable", [True, False])
def test_loops_are_compiled_once_for_arrays_of_any_kind(writeable: bool) -> None:
    """A compilation takes twenty seconds; codes from a mapped file or a frozen array
    must cost no other."""
    walk = pytest.importorskip("ndrite.emulator.golden.fast_loops").walk
    program = random_program(PRESETS["tiny"], np.random.default_rng(2))
    x = random_inputs(program, np.random.default_rng(3), 4)
    x.flags.writeable = writeable
    np.testing.assert_array_equal(
        Core(program, fast=True).infer(x, seed=1), Core(program, fast=False).infer(x, seed=1)
    )
    assert len(walk.signatures) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_makes_threads_of_its_own() -> None:
    code = """
import os
from ndrite.emulator.golden import threads
threads.count = lambda: 2
threads.in_threads(lambda low, high: None, 400, 1 << 20, 2)
child = os.fork()
threads.in_threads(lambda low, high: None, 400, 1 << 20, 2)
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_speck64_128_published_vector() -> None:
    """Beaulieu et al., ePrint 2013/404, appendix C."""
    schedule = key_schedule(0x0B0A090803020100, 0x13121110, 0x1B1A1918)
    x, y = speck_key_rounds(np.array([0x3B726574], np.uint32), np.array([0x7475432D], np.uint32), schedule)
    assert (int(x[0]), int(y[0])) == (0x8C6FA548, 0x454E028B)


def test_table_is_the_same_everywhere() -> None:
    table = gaussian_table()
    assert len(table) == 512
    assert (table[0], table[255], table[511], sum(table)) == (0, 122, 597, 73975)
    assert all(a <= b for a, b in itertools.pairwise(table))


def test_exact_distribution_of_a_sample() -> None:
    """All 2^20 table combinations, no sampling."""
    a = np.array(gaussian_table())
    values = np.concatenate([a, -a]).astype(float) / 256
    g = (values[:, None] + values[None, :]).ravel()
    assert g.mean() == 0
    assert abs(g.var() - 1) < 0.005
    assert abs(stats.kurtosis(g)) < 0.1
    assert g.max() > 4
    assert 0 < (np.abs(g) > 4).mean() < 2 * 2 * stats.norm.sf(4)


def test_all_neighbouring_columns_of_a_tile_are_uncorrelated() -> None:
    key = pass_key(12, np.arange(1 << 15), 3, 2, 1)
    g = gaussian(key, np.arange(64)).astype(float)
    for values in (g, g * g):
        correlation = np.corrcoef(values.T)
        np.fill_diagonal(correlation, 0)
        # 2,016 pairs: the largest of as many normal values lies near 3.5.
        assert np.abs(correlation).max() * math.sqrt(1 << 15) < 5
