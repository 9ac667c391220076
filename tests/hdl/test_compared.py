"""A bench that compares nothing must not pass."""

import numpy as np
import pytest

from emulator.golden import Core, Trace
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS
from tests.hdl.compared import SHOWN, Compared
from tests.stimulus import random_inputs

PROGRAM = random_program(
    PRESETS["tiny"], np.random.default_rng(1), sizes=(20, 5, 3), readout="adc", dac_bits=4, noise=True
)
IMAGES = 2
# Of 20 rows in tiles of 16 two tiles, of 5 rows one; two slices of each.
COUNTS = {
    "array": 2 * 26,
    "noise": 2 * 26,
    "sigma": 2 * 6,
    "readout": 2 * 26,
    "neuron": 2 * 5,
    "preneuron": 2 * 3,
}


def traced() -> Trace:
    trace = Trace()
    Core(PROGRAM).infer(random_inputs(PROGRAM, np.random.default_rng(2), IMAGES), seed=1, trace=trace)
    return trace


def feed(compared: Compared, values: Trace) -> None:
    """All that a core with these values would show."""
    for (block, *key), rows in values.values.items():
        if block in SHOWN and (block != "preneuron" or key[0] == 1):
            for program, row in enumerate(rows):
                for column, value in enumerate(row):
                    compared.check(block, tuple(key), program, column, int(value))


def test_everything_is_compared_once() -> None:
    trace = traced()
    compared = Compared(trace, 2)
    feed(compared, trace)
    compared.complete()
    assert compared.counts == COUNTS
    with pytest.raises(AssertionError, match="seen twice"):
        compared.check("array", (0, 0, 0), 0, 0, int(trace.values["array", 0, 0, 0][0, 0]))


@pytest.mark.parametrize("block", SHOWN)
def test_a_block_that_is_missing_on_either_side_or_another_is_a_failure(block: str) -> None:
    trace, less, other = traced(), traced(), traced()
    less.values = {key: value for key, value in trace.values.items() if key[0] != block}
    other.values |= {key: value + 1 for key, value in trace.values.items() if key[0] == block}
    with pytest.raises(AssertionError, match=f"block {block}, .*: the trace has no such values"):
        feed(Compared(less, 2), trace)
    with pytest.raises(AssertionError, match=f"block {block}, .*expected"):
        feed(Compared(trace, 2), other)
    compared = Compared(trace, 2)
    feed(compared, less)
    with pytest.raises(AssertionError, match=f"never compared: .*'{block}'"):
        compared.complete()
