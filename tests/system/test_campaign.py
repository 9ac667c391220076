"""Campaigns on the simulated board: every vote as on the golden one, and
nothing left behind."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.golden import GoldenBoard
from ndrite.boards.sim import SimLink
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.memory_map import address
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.emulator.spec.variation import Campaign
from ndrite.host import DeviceError, InputError
from ndrite.host.campaign import RUN, samples_at_once
from ndrite.host.session import Command
from tests.stimulus import inferred, ran, random_inputs, varied, voted

TINY = PRESETS["tiny"]


def various(program: Program, rng: np.random.Generator) -> Program:
    """The program of cells that vary."""
    return dataclasses.replace(program, variation=varied(rng))


@pytest.mark.long
@pytest.mark.parametrize("overlap", [False, True], ids=["in-order", "overlap"])
@pytest.mark.parametrize("trial", range(6))
def test_random_networks_vote_as_golden(trial: int, overlap: bool) -> None:
    """Three batches of images: the buffer of this geometry is smaller than the campaign."""
    rng = np.random.default_rng(trial)
    program = various(random_program(TINY, rng, noise=trial % 2 == 0), rng)
    count = 2 * samples_at_once(TINY, program.inputs, program.outputs) + 3
    x, labels = random_inputs(program, rng, count), rng.integers(0, program.outputs, count)
    plan: dict[str, Any] = {"chips": 3, "trials": 1 + trial % 3, "first_sample": 900, "noise": trial != 4}
    plan |= {"seed": int(rng.integers(0, 1 << 63)), "first_chip": int(rng.integers(0, 1 << 31))}
    with Board(SimLink(dataclasses.replace(TINY, overlap=overlap))) as board, GoldenBoard(TINY) as golden:
        for each in (board, golden):
            ran(each, program, x[:3], seed=1)
            seen: list[tuple[int, int]] = []
            voted(each, program, x, labels, Campaign(**plan), progress=lambda *p, to=seen: to.append(p))
            # The nominal chip is back, an odd number of inferences does not
            # upset the two banks.
            inferred(each, program, x[:3], seed=1)
            assert seen[-1] == ((9, 9) if each is board else (3, 3))


@pytest.fixture
def programmed(tiny: tuple[Board, SimLink]) -> tuple[Board, Program, np.ndarray]:
    """A board with a program whose cells vary, and samples."""
    board, rng = tiny[0], np.random.default_rng(0)
    program = various(random_program(TINY, rng, sizes=(32, 9, 4)), rng)
    x = random_inputs(program, rng, 6)
    board.program(program)
    return board, program, x


def prepare(board: Board, program: Program, trials: int) -> None:
    """All but the start of a long campaign, set up behind the host's back."""
    x = np.zeros((1, program.inputs), np.uint8)
    board.campaign(x, np.zeros(1, int), Campaign(chips=1))
    for name, value in (("campaign_chips", 200), ("campaign_trials", trials)):
        board.write_register(name, value)


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """What the device refuses as it is busy."""
    with pytest.raises(DeviceError, match="busy") as refused:
        yield
    assert refused.value.status == Status.BUSY


def test_a_running_campaign_refuses_what_would_disturb_it(programmed: Any) -> None:
    board, program, x = programmed
    prepare(board, program, 4000)
    board.write_register("campaign_control", RUN)
    assert board.read_register("campaign_busy") == 1
    for attempt in (
        lambda: board.infer(x),
        lambda: board.read_words(1 << 24, 1),
        lambda: board.write_register("scratch", 1),
        lambda: board.check_words(1 << 24, np.zeros(4, np.int32)),
    ):
        with busy():
            attempt()
    # A new programming ends it, however much was left to do, and gives right answers.
    board.program(program)
    assert board.read_register("campaign_busy") == 0
    assert board.read_register("campaign_chips_done") < 200
    inferred(board, program, x, seed=2)


def test_an_inference_on_the_heels_of_a_start_is_refused(programmed: Any) -> None:
    """Both packets are there before the first is answered: the second must not load
    past the campaign."""
    board, program, x = programmed
    prepare(board, program, 4000)
    control = address("registers", BY_NAME["campaign_control"].address)
    both = [
        Command(Opcode.WRITE, control, RUN.to_bytes(4, "little")),
        Command(Opcode.INFER, 0, x[0].tobytes(), answer_bytes=4 * program.outputs),
    ]
    with busy():
        board.session.run(both)
    assert board.read_register("campaign_busy") == 1
    ran(board, program, x, seed=2)


def test_ctrl_c_stops_the_board(programmed: Any) -> None:
    board, program, x = programmed
    labels = np.zeros(6, int)

    def interrupt(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.campaign(x, labels, Campaign(chips=100, trials=8), progress=interrupt)
    board.clear_counters()
    voted(board, program, x, labels, Campaign(chips=2, trials=2, seed=4))
    # Two chips and the nominal one at the end; every set of columns has a schedule
    # of keys before it.
    drawn = 3 * sum(layer.weights.size for layer in program.layers) / TINY.redraw
    assert drawn < board.counters()["redraw_cycles"] < 3 * drawn
    inferred(board, program, x, seed=2)


def test_images_and_boards_without_virtual_chips_are_refused(tiny: tuple[Board, SimLink]) -> None:
    board, _ = tiny
    program = random_program(TINY, np.random.default_rng(0), sizes=(32, 9, 4))
    golden = GoldenBoard(dataclasses.replace(TINY, redraw=0))
    board.program(program)
    golden.program(various(program, np.random.default_rng(0)))
    for each, told in ((board, "--nominal"), (golden, "redraw 0")):
        with pytest.raises(InputError, match=told):
            each.campaign(np.zeros((2, 32), np.uint8), np.zeros(2, int), Campaign(chips=1))
