"""Batches spread over threads: every sample once, exceptions and forks survived, one BLAS thread each."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("threadpoolctl", reason="needs ndrite[fast]")

from emulator.golden import Core, threads
from emulator.golden.random_program import random_inputs, random_program
from emulator.spec import PRESETS


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

    threads.in_threads(part, samples, each)
    assert (seen == 1).all()
    if samples * each >= threads.WORTH:
        assert len(blas) == min(3, samples, samples * each // threads.WORTH)
        assert all(counts and set(counts) == {1} for counts in blas)


def test_an_exception_reaches_the_caller(three: None) -> None:
    def part(low: int, high: int) -> None:
        if low:
            raise ValueError("second part")

    with pytest.raises(ValueError, match="second part"):
        threads.in_threads(part, 500, 100)


def test_threads_give_the_same_numbers(three: None) -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(6)
    program = random_program(PRESETS["tiny"], rng, noise=True)
    x = random_inputs(program, rng, 700)
    arguments = {"seed": 5, "first_index": 2**32 - 300, "stream": 2}
    np.testing.assert_array_equal(
        Core(program, fast=True).infer(x, **arguments), Core(program, fast=False).infer(x, **arguments)
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_makes_threads_of_its_own() -> None:
    code = """
import os
from emulator.golden import threads
threads.count = lambda: 2
threads.in_threads(lambda low, high: None, 400, 1 << 20)
child = os.fork()
threads.in_threads(lambda low, high: None, 400, 1 << 20)
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
