"""After the watchdog's reset: whatever was under way, what comes next is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from boards.sim import SimLink
from emulator.golden import Core
from emulator.golden.random_image import random_image, random_inputs
from emulator.spec import PRESETS, ChipImage
from emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS, Section, address
from emulator.spec.packets import Opcode, Status
from emulator.spec.schedule import watchdog_cycles
from host import Board
from host.memory import write_commands
from host.packets import DELIMITER, Request, decode_response, encode_request

# A vector takes longer to load than the core is held in reset.
LONG = dataclasses.replace(PRESETS["tiny"], max_inputs=512, packet_bytes=512, redraw=0)
IMAGE = random_image(LONG, np.random.default_rng(1), sizes=(512, 4), readout="adc")
X = random_inputs(IMAGE, np.random.default_rng(2), 5)
WAIT = watchdog_cycles(LONG)
ANSWER, ARRIVAL = 90, 580
"""Cycles, about, from the watchdog's word to the end of the answer, and from a request's first byte to the
beginning of its load."""


class Wire:
    """Requests as the link's bytes, each at the clock cycle that a test wants."""

    def __init__(self, overlap: bool) -> None:
        self.geometry = dataclasses.replace(LONG, overlap=overlap)
        self.link = SimLink(self.geometry)
        self.board = Board(self.link, timeout_s=3 * WAIT / 1e6)
        self.sequence = 0

    def program(self, image: ChipImage, *, hangs: bool) -> None:
        """``image``, with or without the mark by which the sequencer knows its last layer."""
        self.board.program(image)
        if hangs:
            word, low, _ = DESCRIPTOR["last"]
            where = address("layers", (len(image.layers) - 1) * DESCRIPTOR_WORDS + word)
            upset = self.board.read_words(where, 1) & ~np.int32(1 << low)
            self.board.session.run(write_commands(Section("upset", where, upset), LONG.packet_bytes))
        self.sequence = self.board.session._next

    def infer(self, codes: np.ndarray[Any, Any], index: int = 0) -> None:
        self.link.write(encode_request(Request(self.sequence, Opcode.INFER, index, codes.tobytes())))
        self.sequence = (self.sequence + 1) % (1 << 16)

    def run(self, cycles: int) -> None:
        """So many clock cycles, whatever is answered in them."""
        end = self.link.model.cycles + cycles
        while (left := end - self.link.model.cycles) > 0:
            self.link.model.run(left)

    def answers(self) -> list[int]:
        """Statuses of what has been answered."""
        return [decode_response(frame).status for frame in self.link.model.take().split(DELIMITER)[:-1]]

    def works(self) -> None:
        self.board.session._synced = False  # it was not asked for what was answered
        self.board.program(IMAGE)
        for first, count in ((0, 1), (3, 5), (9, 2)):
            got = self.board.infer(X[:count], seed=4, first_index=first)
            wanted = Core(IMAGE).infer(X[:count], seed=4, first_index=first)
            np.testing.assert_array_equal(got, wanted)


@pytest.fixture(params=[False, True], ids=["in-order", "overlap"], scope="module")
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(request.param)
    yield wire
    wire.board.close()


@pytest.fixture(scope="module")
def hung(wire: Wire) -> int:
    """Cycles, about, from a request's first byte until the watchdog speaks."""
    wire.program(IMAGE, hangs=True)
    begun = wire.link.model.cycles
    wire.infer(X[0])
    assert wire.link.model.run(WAIT + 10_000)
    assert wire.answers() == [Status.HUNG]
    return wire.link.model.cycles - begun - ANSWER


@pytest.mark.parametrize("under_way", [1, 2, 3])
def test_any_number_of_inferences_may_be_under_way_when_it_hangs(wire: Wire, under_way: int) -> None:
    wire.program(IMAGE, hangs=True)
    for n in range(under_way):
        wire.infer(X[n])
    wire.run(WAIT + 10_000)
    lost = min(under_way, wire.geometry.banks)
    assert wire.answers() == [Status.HUNG] * lost + [Status.NOT_PROGRAMMED] * (under_way - lost)
    wire.works()


@pytest.mark.parametrize("before", [50, 350])
def test_an_inference_that_is_being_loaded_when_it_hangs(wire: Wire, hung: int, before: int) -> None:
    """Its load begins ``before`` cycles ahead of the reset and goes on behind it: it is lost, as a whole."""
    wire.program(IMAGE, hangs=True)
    wire.infer(X[0])
    wire.run(hung - before - ARRIVAL)
    wire.infer(X[1])
    wire.run(4000)
    assert wire.answers() == [Status.HUNG] * 2
    wire.works()
