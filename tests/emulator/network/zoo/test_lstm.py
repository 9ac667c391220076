"""The LSTM in the box: what it is, that both golden models agree, its accuracy where aeon is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt
import pytest

from emulator.golden import Core
from emulator.golden.fast import available
from emulator.mapping import map_network
from emulator.network import load_network, zoo
from emulator.network.datasets import japanese_vowels

BYTES_MAX = 300_000
CALLS, FEATURES, SPEAKERS = 29, 12, 9
FLOAT_MIN = 0.96
LOSS_MAX = 0.02
COMPARED = 24


def codes(n: int) -> npt.NDArray[np.uint8]:
    """Sequences uint8 (n, 348) over the whole range, of 7 to 29 frames, code of 0 in front."""
    inputs = load_network(zoo.lstm()).meaning.inputs
    assert inputs is not None
    rng = np.random.default_rng(5)
    low, high = (v.reshape(CALLS, FEATURES) for v in (inputs.low, inputs.high))
    x = rng.uniform(low, high, (n, CALLS, FEATURES))
    for row, frames in zip(x, rng.integers(7, CALLS + 1, n), strict=True):
        row[: CALLS - frames] = 0.0
    return inputs.encode(x)


def test_it_is_a_small_lstm_of_29_calls() -> None:
    network = load_network(zoo.lstm())
    assert network.meaning.data_set == "japanese-vowels"
    assert (network.calls, network.shape, network.outputs) == (CALLS, (FEATURES, 1, 1), SPEAKERS)
    # Cell and output outlive a call.
    assert [state.shape for state in network.states] == [(32, 1, 1), (32, 1, 1)]
    assert zoo.lstm().stat().st_size < BYTES_MAX


@pytest.mark.slow
@pytest.mark.skipif(not available(), reason="compiled loops need ndrite[fast]")
def test_compiled_loops_equal_numpy_on_wan2022() -> None:
    x = codes(COMPARED)
    program = map_network(load_network(zoo.lstm()), "wan2022", x, seed=3).program
    assert program.calls == CALLS
    for noise in (True, False):
        loops, plain = (Core(program, fast=fast).infer(x, seed=3, noise=noise) for fast in (True, False))
        assert loops.shape == (COMPARED, SPEAKERS)
        np.testing.assert_array_equal(loops, plain)
    # Sequences of noise still lead to several speakers: the outputs compared are no constants.
    assert len(set(plain.argmax(axis=1).tolist())) > 3


def test_an_ideal_chip_says_what_the_float_network_says() -> None:
    network, x = load_network(zoo.lstm()), codes(200)
    wanted = network.forward(x.astype(np.float32) / np.float32(255))
    program = map_network(network, "ideal", x).program
    sums = Core(program, fast=False).infer(x)
    assert sums.shape == wanted.shape == (200, SPEAKERS)
    # Sums are in the array's unit, with one factor for all. What is left is the rounding of codes, and tables
    # that end where real sequences do: 0.995 on sequences of noise.
    assert np.corrcoef(sums.ravel(), wanted.ravel())[0, 1] > 0.99
    assert (sums.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.9


@pytest.mark.slow
def test_accuracy_on_the_real_set() -> None:
    """On two of the dies of examples/vowels.py, as it maps and reads them."""
    if importlib.util.find_spec("aeon") is None:
        pytest.skip("needs the data in the package aeon (pip install --no-deps aeon)")
    x, _, test, labels = japanese_vowels()
    network = load_network(zoo.lstm())
    inputs = network.meaning.inputs
    assert inputs is not None
    exact = network.accuracy(inputs.encode(test), labels)
    assert len(test) == 370
    assert exact >= FLOAT_MIN
    for die in (0, 3):
        program = map_network(network, "wan2022", inputs.encode(x), seed=die).program
        chip = (Core(program).infer(inputs.encode(test), seed=die).argmax(axis=1) == labels).mean()
        assert exact - chip <= LOSS_MAX, f"die {die}: {chip} of {exact}"
