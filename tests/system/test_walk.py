"""Programs of every kind of step on the compiled gateware, which walks through them by
itself; those larger than it holds, segment by segment. Read noise on."""

import dataclasses
import os

import numpy as np
import pytest

from ndrite.boards.abilities import Abilities
from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.backend.walk import codes_of_maps, sample_order, samples_together
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.geometry import whole_words
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Pool, Product
from ndrite.emulator.spec.variation import Campaign
from ndrite.host import DeviceError, InputError
from ndrite.host.session import Command
from tests.boards.test_stepped import deep
from tests.emulator.backend.test_walk import MAPS, windowed
from tests.random_graphs import random_graph, random_walk
from tests.stimulus import inferred, ran, random_inputs

pytestmark = pytest.mark.long

WALKS, CUTS = (200, 60) if "NDRITE_HDL" in os.environ else (12, 6)
SAMPLES = 7


def test_random_walks_equal_golden(walker: Board) -> None:
    """Read noise on; every fourth at the corners of its ranges; inference numbers run
    past 32 bits inside. Samples are walked together, in several packets."""
    compared = kinds = together = 0
    for trial in range(WALKS):
        rng = np.random.default_rng(trial)
        program = random_walk(MAPS, rng, corner=trial % 4 == 3)
        x = random_inputs(program, rng, SAMPLES)
        walker.program(program)
        walker.clear_counters()
        how = {"seed": trial, "first_index": (1 << 32) - SAMPLES - trial, "noise": bool(trial % 5)}
        compared += inferred(walker, program, x, **how).size
        counters = walker.counters()
        assert (counters["inferences"], counters["watchdog_resets"]) == (SAMPLES, 0)
        kinds |= (program.calls > 1) << 0 | bool(program.states) << 1
        together += samples_together(program, MAPS, codes_of_maps(lower(program)))[0] > 1
    assert compared > 10 * WALKS
    assert kinds == 3
    assert together > WALKS / 2
    assert walker.scrub(program) == []


def test_a_payload_that_is_not_of_whole_samples_is_refused_in_its_turn(walker: Board) -> None:
    """Those before and behind it are answered as if it had not been there."""
    program = random_walk(MAPS, np.random.default_rng(4))
    most = samples_together(program, MAPS, codes_of_maps(lower(program)))[0]
    each = whole_words(program.inputs)
    assert most > 1
    assert each > program.inputs
    x = random_inputs(program, np.random.default_rng(1), most)
    padded = np.pad(x, ((0, 0), (0, each - program.inputs)))
    order = sample_order(program)
    padded[:, : program.inputs] = x if order is None else x[:, order]
    whole = padded.tobytes()
    walker.program(program)
    expected = inferred(walker, program, x, noise=False)
    for payload in (whole + whole[:each], whole[:-each] + b"\1", whole[:3], b"", whole + b"\1"):
        answers: dict[int, bytes] = {}
        good = Command(Opcode.INFER, 0, whole, answer_bytes=expected.nbytes)
        commands = [good, good._replace(payload=payload), good]
        with pytest.raises(DeviceError) as refused:
            walker.session.run(commands, answered=answers.__setitem__)
        assert refused.value.status == Status.BAD_LENGTH
        answers[1] = walker.session.call(good)
        assert len(answers) == 2
        for answer in answers.values():
            np.testing.assert_array_equal(np.frombuffer(answer, "<i4").reshape(expected.shape), expected)


def test_a_chain_behind_samples_walked_together_has_its_own_results(walker: Board) -> None:
    """However many samples were walked: each packet of them counts as one inference."""
    walk = random_walk(MAPS, np.random.default_rng(5))
    chain = random_program(MAPS, np.random.default_rng(1), sizes=[20, 9, 4], readout="adc", dac_bits=4)
    for samples in (1, 2, 3, 4, 5, SAMPLES):
        ran(walker, walk, random_inputs(walk, np.random.default_rng(samples), samples))
        ran(walker, chain, random_inputs(chain, np.random.default_rng(2), 3))


@pytest.mark.parametrize("number", [9, 16])
def test_the_next_sample_waits_until_this_one_is_copied(walker: Board, number: int) -> None:
    """One without a code that is not 0 comes eight codes a cycle, a copy goes at one."""
    program = random_walk(MAPS, np.random.default_rng(number))
    assert program.inputs > 80
    x = np.random.default_rng(1).integers(1, 256, (2, program.inputs)).astype(np.uint8)
    x[1] = 0
    ran(walker, program, x, seed=3)


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
    """``SteppedBoard`` leaves a walk to the device; its campaigns, which it
    cannot run, stay here."""
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
    chain = r"not a chain of full layers; accepted for virtual chips on a device: a chain .*on the golden"
    with pytest.raises(InputError, match=chain):
        walker.campaign(x, np.zeros(2, int), Campaign(chips=1, trials=1))
    with pytest.raises(InputError, match="one individual chip"):
        stepped.campaign(x, np.zeros(2, int), Campaign(chips=1, trials=1))


@pytest.mark.long
def test_random_programs_cut_as_for_a_smaller_device(walker: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """States, calls, groups, joined maps: what does not fit the smaller one is put
    here in segments."""
    pieces = calls = 0
    for trial in range(CUTS):
        rng = np.random.default_rng(trial)
        program = random_graph(MAPS, rng, side=5, corner=trial % 4 == 3)
        small = dataclasses.replace(MAPS, weight_depth=int(rng.choice([32, 64, 128])))
        monkeypatch.setattr(Board, "abilities", Abilities.of(small))
        stepped = SteppedBoard(walker)
        ran(stepped, program, random_inputs(program, rng, 3), seed=trial, first_index=trial)
        pieces += stepped.segments
        calls += program.calls > 1 and stepped.segments > 1
    assert pieces > 2 * CUTS
    assert calls > 0


def test_three_segments_of_chains_on_a_device_without_maps(tiny: tuple[Board, SimLink]) -> None:
    """Inner neurons run on the device, those of the cuts on the host."""
    program, stepped = deep(10), SteppedBoard(tiny[0])
    stepped.program(program)
    assert (stepped.segments, len(stepped.on_host)) == (3, 2)
    assert all(line.endswith("neurons") for line in stepped.on_host)
    stepped.clear_counters()
    x = random_inputs(program, np.random.default_rng(1), 20)
    assert len(np.unique(inferred(stepped, program, x, seed=9, first_index=3), axis=0)) > 10
    assert stepped.counters()["inferences"] == 3 * 20
    assert stepped.scrub(program) == []


def test_a_program_that_ends_in_a_map_gives_its_codes(tiny: tuple[Board, SimLink]) -> None:
    """On a board without feature maps, whose results are fewer than the map's codes."""
    base = random_program(PRESETS["tiny"], np.random.default_rng(1), sizes=[9, 4, 2])
    step = Product(layer=base.layers[0], sources=(0,), patches=Patches(shape=(1, 8, 8), kernel=(3, 3)))
    program, board = dataclasses.replace(base, shape=(1, 8, 8), steps=(step,)), SteppedBoard(tiny[0])
    x = np.random.default_rng(2).integers(0, 256, (3, 64)).astype(np.uint8)
    assert ran(board, program, x, seed=5).shape == (3, 4 * 6 * 6)
