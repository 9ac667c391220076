"""Requests that a host sends when something went wrong, or should never send."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from emulator.golden import Core
from emulator.golden.random_program import random_inputs, random_program
from emulator.spec import PRESETS
from emulator.spec.campaign import Campaign
from emulator.spec.memory_map import address, region_words
from emulator.spec.packets import Opcode, Status
from emulator.spec.variation import same_cells
from tests.hdl.wire import Wire

TINY = PRESETS["tiny"]
PROGRAM = random_program(TINY, np.random.default_rng(1), sizes=(40, 9, 3), noise=False)
X = random_inputs(PROGRAM, np.random.default_rng(2), 4)


@pytest.fixture(params=[False, True], ids=["in-order", "overlap"], scope="module")
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(dataclasses.replace(TINY, overlap=request.param))
    yield wire
    wire.board.close()


@pytest.mark.parametrize("repeats", [1, 3])
def test_repeat_of_an_inference_under_way_is_not_answered_twice(wire: Wire, repeats: int) -> None:
    wire.program(PROGRAM)
    wire.send(Opcode.INFER, 7, X[0].tobytes())
    for _ in range(repeats):
        wire.send(Opcode.INFER, 7, X[0].tobytes(), repeat=True)
    wire.run(20_000)
    (answer,) = wire.answers()
    assert (answer.status, answer.sequence) == (Status.OK, wire.sequence - 1)
    wanted = Core(PROGRAM).infer(X[:1], first_index=7)
    np.testing.assert_array_equal(np.frombuffer(answer.payload, "<i4"), wanted[0])
    # Answered, it is: the same answer, without a second inference.
    wire.send(Opcode.INFER, 7, X[0].tobytes(), repeat=True)
    wire.run(5_000)
    assert wire.answers() == [answer]


@pytest.mark.parametrize("count", [0x1_0001, 0x2_0004, 0x8000_0001])
def test_all_of_a_word_count_counts(wire: Wire, count: int) -> None:
    """The memory ends long before so many words: the sum of as many as its lower half says is no answer."""
    wire.program(PROGRAM)
    assert count > region_words(TINY)["weights"] > count & 0xFFFF
    wire.send(Opcode.CHECK, address("weights"), count.to_bytes(4, "little"))
    wire.run(100_000)
    (answer,) = wire.answers()
    assert answer.status == Status.BAD_ADDRESS


def test_every_counter_of_votes_is_cleared(wire: Wire) -> None:
    """A campaign that uses them all, twice; the last class of the last program wins."""
    outputs = TINY.max_outputs
    images = TINY.campaign_votes // outputs
    program = random_program(TINY, np.random.default_rng(3), sizes=(8, outputs), readout="adc", noise=False)
    bias = np.zeros(outputs, np.int32)
    bias[-1] = 1 << 24
    program = program.with_layers(
        (dataclasses.replace(program.layers[0], bias=bias),), variation=same_cells()
    )
    wire.program(program)
    x = random_inputs(program, np.random.default_rng(4), images)
    for _ in range(2):
        result = wire.board.campaign(x, np.full(images, outputs - 1), Campaign(chips=2, trials=3))
        assert (result.votes[:, -1] == 6).all()
        assert not result.votes[:, :-1].any()
        assert (result.correct == 3 * images).all()
