"""The plain model equals the compiled loops, and one warning says why it is in use."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAM = """
import hashlib, json, sys, warnings
import numpy as np
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.variation import Campaign
from tests.emulator.golden.learn.test_learner import drawn, samples
from tests.emulator.golden.test_campaign import varied

counts, digest = {}, hashlib.sha256()
def count(name, values):
    counts[name] = counts.get(name, 0) + values.size
    digest.update(np.ascontiguousarray(values, np.int64).tobytes())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    for seed in range(6):
        rng = np.random.default_rng(seed)
        program = random_program(PRESETS["tiny"], rng, layers=1 + seed % 3)
        x = rng.integers(0, 256, (300, program.inputs)).astype(np.uint8)
        count("outputs", Core(program).infer(x, seed=seed))
        learning = drawn(seed, tuned=seed % 2 == 0, transfer=seed % 2 == 1)
        learner = make_learner(learning, seed=seed)
        learner.learn(*samples(learning, seed, 20))
        for states in learner.states:
            count("states", states)
        program = varied(seed, layers=2)
        x = rng.integers(0, 256, (20, program.inputs)).astype(np.uint8)
        labels = rng.integers(0, program.outputs, 20)
        count("votes", campaign(program, x, labels, Campaign(chips=3, trials=1, seed=seed)).votes)
compiled = "ndrite.emulator.golden.fast_loops" in sys.modules
print(json.dumps([compiled, digest.hexdigest(), counts, [str(w.message) for w in caught]]))
"""
pytestmark = pytest.mark.slow
BROKEN = """raise ImportError("Numba needs NumPy 1.9 or less. Got NumPy 9.9.")"""
PLAIN = "the plain model computes the same bits, several times slower"


def run(**environment: str) -> list[Any]:
    """The program's line: compiled loops in use, digest of all values, how many, warnings."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def compiled() -> list[Any]:
    return run(NDRITE_PLAIN="")


def test_compiled_loops_are_the_default(compiled: list[Any]) -> None:
    assert compiled[0]
    assert not compiled[3]
    assert min(compiled[2].values()) > 100


def test_ndrite_plain_computes_the_same_bits_and_warns_once(compiled: list[Any]) -> None:
    assert run(NDRITE_PLAIN="1") == [False, *compiled[1:3], [f"NDRITE_PLAIN is 1: {PLAIN}"]]


def test_a_numba_that_cannot_be_imported_is_named_with_numpy(compiled: list[Any], tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text(BROKEN)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    used, digest, counts, warnings = run(PYTHONPATH=path, NDRITE_PLAIN="")
    assert [used, digest, counts] == [False, *compiled[1:3]]
    (warning,) = warnings
    assert "numba " in warning
    assert f"cannot be imported beside NumPy {np.__version__} (Numba needs NumPy 1.9 or less" in warning
    assert warning.endswith(PLAIN)
