"""Requests that a host sends when something went wrong, or should never send."""

import dataclasses
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.memory_map import address, region_words
from ndrite.emulator.spec.packets import Opcode, Status, sparse
from ndrite.emulator.spec.variation import Campaign
from tests.hdl.wire import Wire
from tests.marks import long_where
from tests.stimulus import dense, random_inputs, same_cells

TINY = PRESETS["tiny"]
PROGRAM = random_program(TINY, np.random.default_rng(1), sizes=(40, 9, 3), noise=False)
ODD = random_program(TINY, np.random.default_rng(3), sizes=(41, 3), noise=False)
X = random_inputs(PROGRAM, np.random.default_rng(2), 4)


CORES: dict[str, dict[str, Any]] = {
    "in-order": {},
    "overlap": {"overlap": True},
    "maps": {"overlap": True, "map_codes": 1024},
}


@pytest.fixture(params=long_where(lambda core: core != "in-order", CORES), scope="module")
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(dataclasses.replace(TINY, **CORES[request.param]))
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
    """The memory ends long before so many words: the sum of as many as its lower half
    says is no answer."""
    wire.program(PROGRAM)
    assert count > region_words(TINY)["weights"] > count & 0xFFFF
    request = Opcode.CHECK, address("weights"), count.to_bytes(4, "little")
    (answer,) = wire.ask(request, cycles=100_000)
    assert answer.status == Status.BAD_ADDRESS


@pytest.mark.parametrize("length", [0, 1, PROGRAM.inputs - 1, PROGRAM.inputs + 1])
def test_a_dense_payload_of_another_length_is_refused(wire: Wire, length: int) -> None:
    wire.program(PROGRAM)
    (answer,) = wire.ask((Opcode.INFER, 0, bytes(length)))
    assert (answer.status, answer.payload) == (Status.BAD_LENGTH, b"")


def test_words_behind_the_last_weight(wire: Wire) -> None:
    """Written and read in the region's last words, and over its end."""
    wire.program(PROGRAM)
    words = region_words(TINY)["weights"]
    near = address("weights", words - 3)
    codes = np.array([-7, 8, -9], "<i2")
    # What is written behind the end must not come round to the beginning.
    beginning = Opcode.READ, address("weights"), (2).to_bytes(2, "little")
    (before,) = wire.ask(beginning)
    first = wire.ask(
        (Opcode.WRITE_SHORT, near, codes.tobytes()),
        (Opcode.READ_SHORT, near, (3).to_bytes(2, "little")),
        (Opcode.WRITE_SHORT, near + 1, (codes + 1).tobytes()),
        (Opcode.READ, near, (4).to_bytes(2, "little")),
    )
    *beyond, read, check = wire.ask(
        (Opcode.CHECK, near + 2, (2).to_bytes(4, "little")),
        (Opcode.READ, near, (3).to_bytes(2, "little")),
        (Opcode.CHECK, near, (3).to_bytes(4, "little")),
    )
    bad, fine = Status.BAD_ADDRESS, Status.OK
    assert [a.status for a in [*first, *beyond, read, check]] == [fine, fine, bad, bad, bad, fine, fine]
    assert np.frombuffer(first[1].payload, "<i2").tolist() == codes.tolist()
    # What lay within was written before the end was met.
    left = np.array([-7, -6, 9], "<i4")
    assert np.frombuffer(read.payload, "<i4").tolist() == left.tolist()
    assert check.payload == zlib.crc32(left.tobytes()).to_bytes(4, "little")
    (after,) = wire.ask(beginning)
    assert after.payload == before.payload


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16])
def test_words_in_turn_with_those_of_other_memories(wire: Wire, count: int) -> None:
    """Weights stream, other words do not: one kind behind the other, of every length
    up to a packet's."""
    wire.program(PROGRAM)
    rng = np.random.default_rng(count)
    weights = rng.integers(-128, 128, count).astype("<i4")
    biases = rng.integers(-(1 << 31), 1 << 31, count).astype("<i4")
    size = count.to_bytes(2, "little")
    answers = []
    for region, words in (("weights", weights), ("bias", biases), ("weights", weights[::-1])):
        write = Opcode.WRITE, address(region), words.tobytes()
        check = Opcode.CHECK, address(region), count.to_bytes(4, "little")
        answers += [a.payload for a in wire.ask(write, (Opcode.READ, address(region), size), check)]
    wanted = [words.tobytes() for words in (weights, biases, weights[::-1])]
    assert answers[1::3] == wanted
    assert answers[2::3] == [zlib.crc32(data).to_bytes(4, "little") for data in wanted]


@pytest.mark.parametrize("density", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_sparse_inferences_equal_golden(wire: Wire, density: float) -> None:
    """As many under way as there is room for, dense ones between them."""
    wire.program(PROGRAM)
    rng = np.random.default_rng(int(100 * density))
    x = rng.integers(1, 256, (24, PROGRAM.inputs)).astype(np.uint8)
    x[rng.random(x.shape) >= density] = 0
    requests = [(Opcode.INFER_SPARSE, i, payload) for i, payload in enumerate(sparse(x))]
    requests[2::3] = [(Opcode.INFER, i, x[i].tobytes()) for i in range(2, len(x), 3)]
    answers = []
    for first in range(0, len(x), TINY.window):
        answers += wire.ask(*requests[first : first + TINY.window])
    assert [a.opcode for a in answers] == [opcode for opcode, _, _ in requests]
    assert {a.status for a in answers} == {Status.OK}
    got = np.stack([np.frombuffer(a.payload, "<i4") for a in answers])
    np.testing.assert_array_equal(got, Core(PROGRAM).infer(x))


@pytest.mark.parametrize(
    "damage",
    [
        lambda payload: payload + b"\1",
        lambda payload: payload[:-1],
        lambda payload: b"",
        lambda payload: payload + payload[:9],
        lambda payload: payload[:-1] + b"\0",
        lambda payload: bytes([payload[0] ^ 1]) + payload[1:],
        # A last byte of bits for more codes than there are.
        lambda payload: payload[:-2] + b"\x81\1",
    ],
    ids=["longer", "shorter", "empty", "much longer", "a code of 0", "a bit more", "behind the last"],
)
def test_a_sparse_payload_of_other_inputs_is_refused_in_its_turn(
    wire: Wire, damage: Callable[[bytes], bytes]
) -> None:
    wire.program(ODD)
    x = np.arange(ODD.inputs, dtype=np.uint8)[None]
    (good,) = sparse(x)
    bad = damage(good)
    answers = wire.ask(*((Opcode.INFER_SPARSE, 0, payload) for payload in (good, bad, good)))
    answers += wire.ask((Opcode.INFER, 0, x[0].tobytes()))
    known = dense(bad, ODD.inputs)
    refused = Status.OK if known is not None else Status.BAD_LENGTH
    assert [a.status for a in answers] == [Status.OK, refused, Status.OK, Status.OK]
    assert len({a.payload for a in answers[:1] + answers[2:]}) == 1
    np.testing.assert_array_equal(np.frombuffer(answers[0].payload, "<i4"), Core(ODD).infer(x)[0])
    assert known is not None or not answers[1].payload


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
