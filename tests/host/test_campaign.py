"""Campaigns as the driver runs them: pieces, waiting, and what is checked before and after."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from boards.board import Board
from emulator.spec import PRESETS, Program
from emulator.spec.campaign import Campaign
from emulator.spec.memory_map import address
from emulator.spec.packets import Opcode, Status
from emulator.spec.registers import BY_NAME
from host import NotProgrammedError, VerifyError
from host.campaign import ABORT, IDLE_POLLS, RUN
from host.packets import Request
from tests.host.responder import Responder, ResponderLink
from tests.stimulus import same_cells

CONTROL = BY_NAME["campaign_control"].address
STATUS = BY_NAME["campaign_busy"].address


class Campaigner(Responder):
    """A device whose campaigns vote for class 0 and count, for each chip, its own number as correct.

    ``looks``: how often it is found at work before it is done, an inference further each time.
    """

    def __init__(self, program: Program, looks: int = 0) -> None:
        super().__init__(PRESETS["tiny"], program)
        self.looks = looks
        self.pieces: list[tuple[int, int, int, int]] = []
        self.after = lambda: None

    def _execute(self, r: Request) -> tuple[Status, bytes]:
        if r.opcode == Opcode.READ and r.address == STATUS and self.get("campaign_busy"):
            self.looks -= 1
            self.set("inferences", self.get("inferences") + 1)
            if self.looks < 0:
                self.set("campaign_busy", 0)
                self.set("campaign_chips_done", self.get("campaign_chips"))
        status = super()._execute(r)
        if r.opcode == Opcode.WRITE and r.address == CONTROL:
            self._control(int.from_bytes(r.payload, "little"))
        return status

    def _control(self, order: int) -> None:
        if order == ABORT:
            self.set("campaign_busy", 0)
            return
        assert order == RUN
        names = ("campaign_first_chip", "campaign_chips", "campaign_samples", "campaign_first_index")
        first, chips, images, index = (self.get(name) for name in names)
        self.pieces.append((first, chips, images, index))
        assert self.program is not None
        for i in range(images):
            for j in range(self.program.outputs):
                votes = chips * self.get("campaign_trials") if j == 0 else 0
                self.words[address("votes", i * self.program.outputs + j)] = votes
        for i in range(chips):
            self.words[address("correct", i)] = first + i
        self.set("campaign_busy", 1)
        self.set("campaign_chips_done", 0)
        self.after()


@pytest.fixture(scope="session")
def varied(program: Program) -> Program:
    """The small program compiled for virtual chips."""
    return dataclasses.replace(program, variation=same_cells())


def opened(varied: Program, looks: int = 0) -> tuple[Board, Campaigner]:
    device = Campaigner(varied, looks)
    board = Board(ResponderLink(device), timeout_s=0.01)
    board.program(varied)
    return board, device


def inputs(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, 20), np.uint8), np.zeros(count, np.int64)


def test_every_piece_begins_where_the_one_before_ended(varied: Program) -> None:
    board, device = opened(varied)
    # The tiny geometry's buffer holds 32 labels; a command runs 256 chips.
    result = board.campaign(*inputs(40), Campaign(chips=300, first_chip=7, first_sample=5))
    assert device.pieces == [(7, 256, 32, 5), (263, 44, 32, 5), (7, 256, 8, 37), (263, 44, 8, 37)]
    np.testing.assert_array_equal(result.correct, 2 * np.arange(7, 307))
    np.testing.assert_array_equal(result.votes, [[300, 0, 0]] * 40)


def test_a_campaign_that_goes_on_is_waited_for(varied: Program) -> None:
    board, _ = opened(varied, looks=2 * IDLE_POLLS)
    board.campaign(*inputs(3), Campaign(chips=2))


@pytest.mark.parametrize(
    ("after", "error", "said"),
    [
        (lambda device: device.set("program_tag", 0), NotProgrammedError, "no longer holds"),
        (lambda device: device.words.update({address("votes"): 1}), VerifyError, "the device counted"),
    ],
    ids=["a program lost meanwhile", "votes missing"],
)
def test_what_went_wrong_during_a_campaign_is_noticed(
    varied: Program, after: Any, error: Any, said: str
) -> None:
    board, device = opened(varied)
    device.after = lambda: after(device)
    with pytest.raises(error, match=said):
        board.campaign(*inputs(3), Campaign(chips=2))


@pytest.mark.parametrize("work", ["scrub", "program"])
def test_a_campaign_left_running_is_stopped_first(varied: Program, work: str) -> None:
    board, device = opened(varied)
    device.set("campaign_busy", 1)
    device.looks = 10
    device.executed.clear()
    getattr(board, work)(varied)
    orders = [r for r in device.executed if r.address == CONTROL and r.opcode == Opcode.WRITE]
    assert [int.from_bytes(r.payload, "little") for r in orders] == [ABORT]
    checks = [i for i, r in enumerate(device.executed) if r.opcode == Opcode.CHECK]
    assert device.executed.index(orders[0]) < min(checks)
