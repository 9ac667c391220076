"""Programs of every kind of step on the compiled gateware, which walks through them by itself."""

import dataclasses
import os

import numpy as np
import pytest

from boards.board import Board
from boards.sim import SimLink
from boards.stepped import SteppedBoard
from emulator.golden.random_program import random_program
from emulator.spec.campaign import Campaign
from emulator.spec.patches import Patches
from emulator.spec.steps import Pool
from host import InputError
from tests.emulator.backend.test_walk import MAPS, windowed
from tests.random_graphs import random_walk
from tests.stimulus import inferred, ran, random_inputs

TRIALS = 200 if "NDRITE_HDL" in os.environ else 12


def test_random_walks_equal_golden(walker: Board) -> None:
    """Read noise on; every fourth at the corners of its ranges; inference numbers run past 32 bits inside."""
    compared = kinds = 0
    for trial in range(TRIALS):
        rng = np.random.default_rng(trial)
        program = random_walk(MAPS, rng, corner=trial % 4 == 3)
        x = random_inputs(program, rng, 3)
        walker.program(program)
        walker.clear_counters()
        how = {"seed": trial, "first_index": (1 << 32) - 3 - trial, "noise": bool(trial % 5)}
        compared += inferred(walker, program, x, **how).size
        counters = walker.counters()
        assert (counters["inferences"], counters["watchdog_resets"]) == (3, 0)
        kinds |= (program.calls > 1) << 0 | bool(program.states) << 1
    assert compared > 10 * TRIALS
    assert kinds == 3


@pytest.mark.parametrize("number", [9, 16])
def test_the_next_sample_waits_until_this_one_is_copied(walker: Board, number: int) -> None:
    """One without a code that is not 0 comes eight codes a cycle, a copy goes at one."""
    program = random_walk(MAPS, np.random.default_rng(number))
    assert program.inputs > 80
    x = np.random.default_rng(1).integers(1, 256, (2, program.inputs)).astype(np.uint8)
    x[1] = 0
    ran(walker, program, x, seed=3)


def test_chains_and_walks_take_turns(walker: Board) -> None:
    """What one leaves behind is nothing to the other, in banks, results and noise."""
    rng = np.random.default_rng(5)
    for _ in range(2):
        for program in (random_program(MAPS, rng, layers=3), random_walk(MAPS, rng)):
            ran(walker, program, random_inputs(program, rng, 5), seed=3)
        assert walker.scrub(program) == []


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7, 8, 9])
def test_the_largest_of_a_window_as_it_comes(walker: Board, channels: int) -> None:
    """Each place is read again as soon as it may be."""
    program = windowed(channels)
    ran(walker, program, random_inputs(program, np.random.default_rng(channels), 6), seed=4)


@pytest.mark.parametrize("codes", [1, 3, 4, 5])
def test_a_sample_of_few_codes_is_whole_before_it_is_walked(walker: Board, codes: int) -> None:
    """Its last code comes with the start of a walk that waits for nothing."""
    base = random_program(MAPS, np.random.default_rng(codes), sizes=[codes, 2], readout="analog")
    pool = Pool(of="max", sources=(0,), patches=Patches(shape=(codes, 1, 1), kernel=(1, 1)))
    last = dataclasses.replace(base.products[0], sources=(1,))
    program = dataclasses.replace(base, shape=(codes, 1, 1), steps=(pool, last))
    x = np.random.default_rng(1).integers(0, 256, (6, codes)).astype(np.uint8)
    walker.program(program)
    alone = [inferred(walker, program, sample[None], noise=False)[0] for sample in x]
    assert len(np.unique(alone, axis=0)) == 6


def test_the_next_sample_is_loaded_while_one_is_walked() -> None:
    """Of samples sent together one walk follows the other."""
    program = windowed(8)
    x, link = random_inputs(program, np.random.default_rng(3), 16), SimLink(MAPS)
    with Board(link) as board:
        board.program(program)
        spent = []
        for count in (8, 16):
            before = link.model.cycles
            board.infer(x[:count])
            spent.append(link.model.cycles - before)
        walk = board.counters()["last_cycles"]
    assert (spent[1] - spent[0]) / 8 < walk + 8


def test_nothing_runs_on_the_host_and_virtual_chips_do(walker: Board) -> None:
    """``SteppedBoard`` leaves a walk to the device; its campaigns, which it cannot run, stay here."""
    stepped = SteppedBoard(walker)
    program = random_walk(MAPS, np.random.default_rng(3))
    stepped.program(program)
    assert stepped.on_host == ()
    assert stepped.campaigns_on_host
    x = random_inputs(program, np.random.default_rng(1), 2)
    inferred(stepped, program, x, seed=2)
    with pytest.raises(InputError, match="accepted"):  # of too many codes: the next one runs
        walker.infer(np.hstack([x, x[:, :1]]))
    inferred(walker, program, x)
    with pytest.raises(InputError, match="no chain of full layers; virtual chips of such run on the golden"):
        walker.campaign(x, np.zeros(2, int), Campaign(chips=1, trials=1))
    with pytest.raises(InputError, match="one individual chip"):
        stepped.campaign(x, np.zeros(2, int), Campaign(chips=1, trials=1))
